"""Compares a .npy file with an expected array.

usage: compare.py FILE.npy DTYPE EXPRESSION [TOLERANCE]

EXPRESSION is Python with numpy as np, load() for .npy files, and normalize(x, axis): f64, axis None or a tuple of
kept axes. The shapes and DTYPE must be equal, the values up to TOLERANCE (1e-6), absolute or relative.
"""

import sys

import numpy as np

load = np.load


def normalize(x, axis=(-1,)):
    x = np.asarray(x, np.float64)
    kept = [] if axis is None else [a % x.ndim for a in axis]
    reduced = tuple(i for i in range(x.ndim) if i not in kept)
    mean = x.mean(reduced, keepdims=True)
    return (x - mean) / np.maximum(np.sqrt(x.var(reduced, keepdims=True)), 1e-7)


def widen(x):
    # NumPy has no bfloat16: it comes as two raw bytes, the upper half of a f32.
    if x.dtype.kind == "V" or x.dtype == np.uint16:
        return (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return x.astype(np.float64)


actual = np.load(sys.argv[1])
expected = np.asarray(eval(sys.argv[3]), np.float64)
tolerance = float(sys.argv[4]) if len(sys.argv) > 4 else 1e-6
assert actual.dtype.name == sys.argv[2] or sys.argv[2] == "any", (actual.dtype, sys.argv[2])
assert actual.shape == expected.shape, (actual.shape, expected.shape)
actual = widen(actual)
error = np.abs(actual - expected) / np.maximum(np.abs(expected), 1)
same = (error <= tolerance) | (np.isnan(actual) & np.isnan(expected)) | (actual == expected)
assert same.all(), (float(np.nanmax(error)), actual[~same][:5], expected[~same][:5])
print("arrays agree")
