#!/bin/bash
# Whole TopK training steps, Loupe and the Python peers in turn. Usage: compare_training.sh PYTHON [ROUNDS]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="$1"
shape="--d 768 --latents 24576 --k 32 --batch 4096"
for _ in $(seq "${2:-2}"); do
  for precision in f32 bf16 int8; do
    echo "loupe $precision: $("$here/../../loupe" bench train --set architecture=topk --set threads=2 \
      --set precision=$precision $shape --steps 5 --json | tr -d '\n')"
  done
  for peer in sparsify dictionary_learning saelens; do
    echo "$peer: $("$python" "$here/train_step.py" $peer topk $shape --steps 3 2>/dev/null | tail -n 1)"
  done
done
