#!/bin/bash
# Makes docs/experiments.md: runs every experiment at full size, or goes on with it, and puts their answers on one page.
# Usage: experiments.sh OUT [NAME…]   About four hours on two cores; what is done is not done again.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="$1"
shift
if [ $# -eq 0 ]; then
  mapfile -t names < <("$here/../loupe" experiment list | awk '{print $1}')
else
  names=("$@")
fi
for name in "${names[@]}"; do
  "$here/../loupe" experiment "$name" --out "$out/$name"
done
mapfile -t all < <("$here/../loupe" experiment list | awk '{print $1}')
python3 "$here/experiments_page.py" "$out" "$here/../docs" "${all[@]}"
