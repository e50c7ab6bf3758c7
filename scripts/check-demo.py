"""Compares what the demo computed with NumPy in f64.

usage: check-demo.py NAME...    for NAME.npy, NAME.safetensors and NAME-normalized.npy in this folder
"""

import json
import subprocess
import sys

import numpy

# Statistics: the accuracy that norma promises. Normalized data: f32 carries seven digits, and the mean
# of the result inherits their rounding.
STATISTICS_TOLERANCE = 1e-6
RESULT_TOLERANCE = 1e-5


def largest_relative_error(actual, expected):
    return float(numpy.max(numpy.abs(actual - expected) / numpy.maximum(numpy.abs(expected), 1e-300)))


def check(name):
    data = numpy.load(f"{name}.npy").astype(numpy.float64)
    axes = tuple(range(data.ndim - 1))
    text = subprocess.run(["norma", "inspect", f"{name}.safetensors", "--json"],
                          check=True, capture_output=True, text=True).stdout
    features = json.loads(text)["features"]
    mean = numpy.array([feature["mean"] for feature in features])
    variance = numpy.array([feature["variance"] for feature in features])
    result = numpy.load(f"{name}-normalized.npy").astype(numpy.float64)

    rows = [
        ("mean, relative error", largest_relative_error(mean, data.mean(axes)), STATISTICS_TOLERANCE),
        ("variance, relative error", largest_relative_error(variance, data.var(axes)),
         STATISTICS_TOLERANCE),
        ("mean of the result", float(numpy.abs(result.mean(axes)).max()), RESULT_TOLERANCE),
        ("variance of the result - 1", float(numpy.abs(result.var(axes) - 1).max()), RESULT_TOLERANCE),
    ]
    passed = result.shape == data.shape
    for what, error, tolerance in rows:
        good = error <= tolerance
        passed &= good
        print(f"  {name:<6} {what:<27} {error:9.2e}  {'ok' if good else f'WRONG, more than {tolerance}'}")
    return passed


if __name__ == "__main__":
    results = [check(name) for name in sys.argv[1:]]
    if not all(results):
        sys.exit("check-demo.py: error: the results differ from NumPy's")
