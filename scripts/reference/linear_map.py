#!/usr/bin/env python3
"""The least-squares affine map of six rows [x | y] for LinearMapTest, made with numpy 2.4.6.

    python3 scripts/reference/linear_map.py
"""

import numpy as np

rows = np.array([
    [1, 2, 0.5, -1, 3],
    [0, 1, 2, 2, 1],
    [-1, 0.5, 1, 0, 0],
    [2, -1, 0, 1, 4],
    [0.5, 0.5, -2, 3, 1],
    [1, 1, 1, -2, 2],
])
x, y = rows[:, :3], rows[:, 3:]
weights, residuals, _, _ = np.linalg.lstsq(np.c_[x, np.ones(6)], y, rcond=None)
print("weights", weights[:3].T.tolist())
print("fvu", residuals.sum() / ((y - y.mean(0)) ** 2).sum())
