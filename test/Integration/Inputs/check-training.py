"""Repeats the inference of a trained network with NumPy in f64.

usage: check-training.py FOLDER DATA.npy    FOLDER is what example-TrainBreastCancer wrote
"""

import json
import struct
import sys

import numpy

folder, data = sys.argv[1], numpy.load(sys.argv[2]).astype(numpy.float64)


def read_layer(path):
    """The tensors of a safetensors file of F32, and its configuration."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", (name, entry)
        begin, end = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(body[begin:end], "<f4").reshape(entry["shape"])
    return tensors, json.loads(metadata["config"])


def batch_norm(x, path):
    tensors, config = read_layer(path)
    wide = {name: value.astype(numpy.float64) for name, value in tensors.items()}
    return ((x - wide["moving_mean"]) / numpy.sqrt(wide["moving_variance"] + config["epsilon"])
            * wide["gamma"] + wide["beta"])


hidden = batch_norm(data, f"{folder}/input.safetensors")
projected = hidden @ numpy.load(f"{folder}/weights.npy").astype(numpy.float64)
expected = batch_norm(projected[:, None], f"{folder}/output.safetensors")
actual = numpy.load(f"{folder}/logits.npy")
assert actual.shape == expected.shape and actual.dtype == numpy.float32
error = numpy.max(numpy.abs(actual - expected)) / numpy.max(numpy.abs(expected))
assert error < 1e-6, error
print("logits agree")
