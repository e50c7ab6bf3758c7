"""Compares the statistics in a state file with NumPy in f64, without norma's help.

usage: state.py STATE.safetensors AXIS EXPRESSION [WEIGHTS]

AXIS is "none" or numbers with commas between them. EXPRESSION is the data, WEIGHTS broadcasts to it; both are
Python with numpy as np and load() for .npy files. NaN in the data count for nothing where the weight is 0.
"""

import json
import struct
import sys

import numpy as np

load = np.load


def read_safetensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        body = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F64", (name, entry)
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], "<f8").reshape(entry["shape"])
    return metadata, tensors


metadata, tensors = read_safetensors(sys.argv[1])
data = np.asarray(eval(sys.argv[3])).astype(np.float64)
weights = eval(sys.argv[4]) if len(sys.argv) > 4 else 1.0
weights = np.broadcast_to(np.asarray(weights, np.float64), data.shape)
axis = sys.argv[2]
kept = [] if axis == "none" else sorted(int(a) % data.ndim for a in axis.split(","))
reduced = tuple(i for i in range(data.ndim) if i not in kept)

data = np.where(weights == 0, 0.0, data)
count = weights.sum(reduced)
mean = (weights * data).sum(reduced, keepdims=True) / weights.sum(reduced, keepdims=True)
m2 = (weights * (data - mean) ** 2).sum(reduced)
mean = mean.reshape(count.shape)

assert set(tensors) == {"count", "mean", "m2"}, tensors
for name, expected, tolerance in [("count", count, 0), ("mean", mean, 1e-9), ("m2", m2, 1e-6)]:
    actual = tensors[name]
    assert actual.shape == expected.shape, (name, actual.shape, expected.shape)
    scale = np.maximum(np.abs(expected), 1e-12)
    error = np.max(np.abs(actual - expected) / scale, initial=0)
    limit = max(tolerance, 1e-6 if tolerance else 1e-12)
    assert error <= limit or (np.isnan(expected) == np.isnan(actual)).all() and np.isnan(expected).any(), (
        name, error, actual, expected)
print("statistics agree")
