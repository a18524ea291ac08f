#!/bin/bash
# Makes docs/ground-truth.md: worlds, Loupe's architectures and the peers' on them, three seeds each, tables. What has a line in
# docs/ground-truth.jsonl is not trained again; delete lines to repeat them. Usage: ground-truth.sh OUT [PYTHON-WITH-PEERS]
# All of it takes about three hours of CPU. Without PYTHON-WITH-PEERS the peers' lines stay as they are.
set -euo pipefail
export OMP_NUM_THREADS=1
here="$(cd "$(dirname "$0")" && pwd)"
lines="$here/../docs/ground-truth.jsonl"
for world in easy zipf correlated hierarchical; do
  [ -f "$1/worlds/$world/synth.json" ] ||
    "$here/../loupe" synth --world $world --seed 0 --rows 98304 --eval-rows 8192 --out "$1/worlds/$world"
done
[ -z "${2-}" ] || python3 "$here/ground_truth_run.py" peers "$lines" "$1" "$2"
python3 "$here/ground_truth_run.py" loupe "$lines" "$1"
python3 "$here/ground_truth_page.py" "$lines" >"$here/../docs/ground-truth.md"
