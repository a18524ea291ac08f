#!/usr/bin/env python3
"""A safetensors file for SafetensorsTest, written by safetensors 0.8.0 with torch 2.13.

    python3 scripts/reference/safetensors_fixture.py core/src/test/resources/io/python.safetensors

x holds values whose rounding to bfloat16 and float16 is a tie, subnormal, or out of a half's range.
"""
import sys

import torch
from safetensors.torch import save_file

x = torch.tensor([[1.0, -2.5, 3.14159274, 1.00390625], [1.01171875, 1e-40, 65504.0, -0.0]], dtype=torch.float32)
save_file(
    {
        "f32": x,
        "bf16": x.to(torch.bfloat16),
        "f16": x.to(torch.float16),
        "f64": x.to(torch.float64),
        "i32": torch.tensor([-1, 0, 2147483647], dtype=torch.int32),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7.5),
    },
    sys.argv[1],
    metadata={"made by": "safetensors"},
)
