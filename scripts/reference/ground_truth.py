#!/usr/bin/env python3
"""Rows made of known directions, for docs/performance.md ("Ground truth"); numpy 2.4.6, safetensors 0.8.0.

    python3 scripts/reference/ground_truth.py FOLDER

A row of width 64 is a sum of 256 random unit directions, each present with probability 0.02 at a strength uniform in [0, 1), and
Gaussian noise of deviation 0.01. Writes train.safetensors [196608, 64], eval.safetensors [16384, 64], neither of which
shares a row with the other, and dict.safetensors [256, 64]. The seed and the order of the draws are those of the data that the
peers' figures were taken on.
"""
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

WIDTH, DIRECTIONS, BLOCK = 64, 256, 16384
random = np.random.default_rng(20261122)
directions = random.standard_normal((DIRECTIONS, WIDTH)).astype(np.float32)
directions /= np.linalg.norm(directions, axis=1, keepdims=True)


def block():
    present = random.random((BLOCK, DIRECTIONS), dtype=np.float32) < 0.02
    strength = np.where(present, random.random((BLOCK, DIRECTIONS), dtype=np.float32), np.float32(0))
    return strength @ directions + np.float32(0.01) * random.standard_normal((BLOCK, WIDTH), dtype=np.float32)


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
save_file({"rows": np.concatenate([block() for _ in range(12)])}, folder / "train.safetensors")
save_file({"rows": block()}, folder / "eval.safetensors")
save_file({"dict": directions}, folder / "dict.safetensors")
