#!/usr/bin/env python3
"""Sparse codes for CodingTest, made with scikit-learn 1.9.1 (orthogonal_mp; Lasso by coordinate descent).

    python3 scripts/reference/sparse_coding.py > core/src/test/resources/sae/coding.json

scikit-learn's Lasso minimises ||x - D'f||^2 / (2 d) + alpha |f|_1; ours ||x - D'f||^2 + lambda |f|_1, so alpha = lambda / (2 d).
"""
import json

import numpy as np
import sklearn
from sklearn.linear_model import Lasso, orthogonal_mp

rng = np.random.default_rng(0)
rows, d, m, k, penalty = 12, 16, 40, 5, 2.0
dictionary = rng.standard_normal((m, d))
dictionary = (dictionary / np.linalg.norm(dictionary, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
x = (3 * rng.standard_normal((rows, d))).astype(np.float32).astype(np.float64)


def lasso(positive):
    model = Lasso(alpha=penalty / (2 * d), fit_intercept=False, positive=positive, tol=1e-14, max_iter=1_000_000)
    return np.stack([model.fit(dictionary.T, row).coef_ for row in x])


def flat(a):
    return [float(v) for v in a.ravel()]


print(json.dumps({
    "sklearn": sklearn.__version__, "rows": rows, "d": d, "m": m, "k": k, "penalty": penalty,
    "dictionary": flat(dictionary), "x": flat(x),
    "omp": flat(orthogonal_mp(dictionary.T, x.T, n_nonzero_coefs=k).T),
    "lasso": flat(lasso(False)), "lasso_positive": flat(lasso(True)),
}))
