#!/bin/bash
# How the demo's layer, m, k and passes were chosen: trains, judges and indexes one SAE for each line of the list below and prints
# the table of docs/decisions/035-what-the-demo-trains.md. Takes one to two hours on two cores. Usage: compare-demo.sh OUT
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
loupe="$here/../loupe"
out="$1"
tokens=400000
echo "| block | m | k | passes | FVU | CE recovered, % | KL, nats | dead, % | clear label, % | and no flag, % | single-token, % | position | train, s |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
while read -r block m k passes; do
  store="$out/store-$block"
  run="$out/block$block-m$m-k$k-p$passes"
  "$loupe" harvest --hook "blocks.$block.hook_resid_post" --precision bf16 --tokens $tokens --out "$store" 2>>"$out/log"
  begun=$(date +%s)
  "$loupe" train --store "$store" --set latents="$m" --set k="$k" --set batch=1024 --set passes="$passes" --set lr=1e-3 \
    --out "$run" 2>>"$out/log"
  took=$(($(date +%s) - begun))
  "$loupe" eval "$run" --store "$store" --model smollm2 --rows 65536 --tokens 2048 >/dev/null 2>>"$out/log"
  "$loupe" index "$run" --store "$store" --model smollm2 2>>"$out/log"
  python3 - "$run" "$block" "$m" "$k" "$passes" "$took" <<'PY'
import json, sys
run, block, m, k, passes, took = sys.argv[1:]
e = json.load(open(run + "/eval.json"))
counts = json.load(open(run + "/index/index.json"))["counts"]
share = lambda name: 100 * counts[name] / int(m)
print(f"| {block} | {m} | {k} | {passes} | {e['fvu']:.3f} | {100 * e['ce_recovered_mean']:.1f} | {e['kl']:.3f} | "
      f"{100 * e['dead_fraction']:.1f} | {share('labelled'):.0f} | {share('labelledUnflagged'):.0f} | {share('singleToken'):.0f} | {counts['position']} | {took} |",
      flush=True)
PY
done <<'LIST'
11 4096 32 4
5 4096 32 4
17 4096 32 4
23 4096 32 4
11 2048 32 4
11 8192 32 4
11 4096 16 4
11 4096 64 4
11 4096 32 2
LIST
