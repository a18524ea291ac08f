#!/usr/bin/env python3
"""Eigenvalues for SymmetricEigenTest, made with numpy 2.x (LAPACK dsyevd).

    python3 scripts/reference/eigen.py > core/src/test/resources/eval/eigen.json

Matrices are given by formula, so that the test builds the same ones: graded (i+1)(j+1)/(i+j+1), a ring of springs
(2 on the diagonal, -1 beside it, -1 in the corners: pairs of equal eigenvalues), and a sum of cosines.
"""
import json

import numpy as np


def matrix(name, n):
    i, j = np.indices((n, n)).astype(np.float64)
    if name == "graded":
        return (i + 1) * (j + 1) / (i + j + 1)
    if name == "ring":
        gap = np.minimum(abs(i - j), n - abs(i - j))
        return np.where(gap == 0, 2.0, np.where(gap == 1, -1.0, 0.0))
    return np.cos(i * j) + np.cos(i + j) + np.where(i == j, i, 0.0)


out = {"numpy": np.__version__, "cases": []}
for name, n in [("graded", 9), ("ring", 24), ("cosines", 33)]:
    values, vectors = np.linalg.eigh(matrix(name, n))
    top = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    out["cases"].append({"name": name, "n": n, "values": values[::-1].tolist(),
                         "top": None if name == "ring" else top.tolist()})
print(json.dumps(out, indent=1))
