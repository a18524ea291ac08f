#!/bin/bash
# How a training step grows with width, latents, k and batch; prints the table of docs/performance.md. Usage: scaling.sh
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
"$here/../../loupe" bench machine --threads 2
echo "| d | m | k | batch | f32 ms | f32 CPU ms | fast ms | fast CPU ms | fast tokens/s |"
echo "|---|---|---|---|---|---|---|---|---|"
while read -r d m k batch; do
  row="| $d | $m | $k | $batch |"
  for precision in f32 fast; do
    result="$("$here/../../loupe" bench train --set architecture=topk --set threads=2 --set precision=$precision \
      --d "$d" --latents "$m" --k "$k" --batch "$batch" --steps 5 --json | tr -d '\n ')"
    value() { echo "$result" | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
    row="$row $(value ms_per_step) | $(value cpu_ms_per_step) |"
  done
  echo "$row $(value tokens_per_second) |"
done <<'SHAPES'
256 4096 32 4096
576 4096 32 1024
576 4096 32 4096
768 6144 32 4096
768 12288 32 4096
768 24576 32 4096
768 49152 32 4096
768 24576 8 4096
768 24576 128 4096
768 24576 32 1024
768 24576 32 16384
1536 24576 32 4096
SHAPES
