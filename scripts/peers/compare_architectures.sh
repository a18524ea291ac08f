#!/bin/bash
# Whole training steps of every architecture that the peers have too, Loupe and they in turn. What a penalty makes sparse is timed at L0 = 32 and,
# as it would be from biases (or thresholds) of 0, with half of all latents active; the peers' steps take the same time in both.
# Usage: compare_architectures.sh PYTHON [S|M]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="$1"
case "${2:-M}" in
  S) shape="--d 256 --latents 4096 --k 32 --batch 4096" ;;
  M) shape="--d 768 --latents 24576 --k 32 --batch 4096" ;;
esac

loupe() { # state, architecture, keys
  local state="$1" architecture="$2"
  shift 2
  echo "$architecture, $state: $("$here/../../loupe" bench train --set architecture="$architecture" --set threads=2 --set l0=32 \
    $(printf -- '--set %s ' "$@") $shape --steps 3 --json | tr -d '\n')"
}

for architecture in batchtopk matryoshka jumprelu relu gated; do
  loupe sparse $architecture precision=fast arch.penalty.begin=1
  case $architecture in
    jumprelu) loupe dense $architecture arch.jump.threshold=1e-6 ;;
    relu | gated) loupe dense $architecture arch.penalty.begin=0 ;;
  esac
  for peer in dictionary_learning saelens; do
    echo "$peer: $("$python" "$here/train_step.py" $peer $architecture $shape --steps 2 2>/dev/null | tail -n 1)"
  done
done
