"""Writes what batch normalization of a .npy file gives, by NumPy in f64, and its gradient.

usage: batch-norm.py FOLDER X DY GAMMA BETA EPSILON [GHOST_SIZE]

The last axis is kept. With a ghost size, samples j, j + G, j + 2G, ... are one of the G ghosts. Writes y.npy, mean.npy,
variance.npy (averages over ghosts), dx.npy, dgamma.npy and dbeta.npy.
"""

import sys

import numpy as np

folder = sys.argv[1]
x, dy, gamma, beta = (np.load(name).astype(np.float64) for name in sys.argv[2:6])
epsilon = float(sys.argv[6])
size = int(sys.argv[7]) if len(sys.argv) > 7 else len(x)


def cut(array):
    return array.reshape(size, len(x) // size, *x.shape[1:])


# Axis 1 tells ghosts apart.
data, gradient = cut(x), cut(dy)
axes = (0, *range(2, x.ndim))
mean, variance = data.mean(axes, keepdims=True), data.var(axes, keepdims=True)
scale = 1 / np.sqrt(variance + epsilon)
normalized = (data - mean) * scale
dx = gamma * scale * (gradient - gradient.mean(axes, keepdims=True)
                      - normalized * (gradient * normalized).mean(axes, keepdims=True))
channels = x.shape[-1]
results = {
    "y": (normalized * gamma + beta).reshape(x.shape),
    "mean": mean.reshape(-1, channels).mean(0),
    "variance": variance.reshape(-1, channels).mean(0),
    "dx": dx.reshape(x.shape),
    "dgamma": (gradient * normalized).reshape(-1, channels).sum(0),
    "dbeta": dy.reshape(-1, channels).sum(0),
}
for name, value in results.items():
    np.save(f"{folder}/{name}.npy", value)
