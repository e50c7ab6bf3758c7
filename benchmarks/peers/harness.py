"""What all contestants have in common: cases, the memory they share, and measuring in turns."""

import math
import time

import ml_dtypes
import numpy

NUMPY_TYPES = {"f32": numpy.float32, "f64": numpy.float64, "f16": numpy.float16,
               "bf16": ml_dtypes.bfloat16, "u8": numpy.uint8}

EPSILON = 1e-3
MOMENTUM = 0.99


class Unsupported(Exception):
    """A contestant has no way of doing a case; the text says why."""


class Case:
    """One line of what `NormaBench --cases` prints."""

    def __init__(self, fields):
        for name in ["name", "family", "work", "form", "out", "bytes", "footprint", "quick", "peers"]:
            setattr(self, name, fields[name])
        self.dtype = fields["in"]
        self.shape = tuple(fields["shape"])
        self.kept = tuple(fields["kept"])
        self.axis = self.kept[-1] if self.kept else None
        self.channels = self.shape[self.axis] if self.kept else 1
        self.channels_last = self.axis == len(self.shape) - 1

    def largest_tensor(self):
        """In bytes."""
        return math.prod(self.shape) * max(numpy.dtype(NUMPY_TYPES[name]).itemsize for name in [self.dtype, self.out])

    def reduced(self):
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.kept)

    def broadcast(self):
        """The shape of per-channel values that broadcast to the data."""
        return tuple(extent if axis in self.kept else 1 for axis, extent in enumerate(self.shape))


class Inputs:
    """The arrays of a case, at the same addresses for everybody who can work in place."""

    def __init__(self, case, memory):
        self.x = memory.array("x", NUMPY_TYPES[case.dtype], case.shape)
        self.dy = memory.array("dy", NUMPY_TYPES[case.dtype], case.shape) if case.family == "gradient" else None
        self.y = memory.array("y", NUMPY_TYPES[case.out], case.shape)
        index = numpy.arange(case.channels) % 7 / 64
        self.mean = (0.125 + index).astype(numpy.float32)
        self.variance = (0.3 + index).astype(numpy.float32)
        self.gamma = (1.5 + index).astype(numpy.float32)
        self.beta = (0.25 + index).astype(numpy.float32)


class Memory:
    """Areas that are touched once and reused, aligned to pages."""

    ALIGNMENT = 4096

    def __init__(self, largest):
        self.areas = {name: self._aligned(largest) for name in ["x", "dy", "y"]}
        self.filled = {}

    def _aligned(self, size):
        raw = numpy.empty(size + self.ALIGNMENT, numpy.uint8)
        start = -raw.ctypes.data % self.ALIGNMENT
        return raw[start : start + size]

    def array(self, name, dtype, shape):
        count = math.prod(shape)
        dtype = numpy.dtype(dtype)
        array = self.areas[name][: count * dtype.itemsize].view(dtype)
        filled_dtype, filled_count = self.filled.get(name, (None, 0))
        if name != "y" and (filled_dtype != dtype or filled_count < count):
            generator = numpy.random.default_rng(1 if name == "x" else 2)
            # As many values as a prime number, so that every channel gets others.
            pattern = generator.integers(0, 256, 1048573) if dtype == numpy.uint8 else \
                generator.uniform(-1, 1, 1048573)
            numpy.copyto(array, numpy.resize(pattern.astype(dtype), count))
            self.filled[name] = (dtype, count)
        return array.reshape(shape)


# Pools of threads spin for a while when their work is done (OpenMP's for more than 5 ms): nobody's turn begins
# before that is over.
SETTLE_SECONDS = 30e-3
# Threads that slept are woken up on the processor of the one that wakes them, and get another one some ticks of the
# system later: a turn begins with calls that are not measured, for so long.
WARM_SECONDS = 20e-3
# Calls that take longer are not waiting for threads to wake up, nor for caches.
LONG_SECONDS = 1e-2


def seconds_of(call, repetitions):
    start = time.perf_counter()
    for _ in range(repetitions):
        call()
    return (time.perf_counter() - start) / repetitions


def repetitions_for(least_seconds, seconds):
    return max(1, int(least_seconds / max(seconds, 1e-7)))


def measure_in_turns(calls, rounds, least_seconds):
    """Seconds of one call of each, measured in turns: {name: seconds}. The first call, which compiles and
    touches memory, was made before. Of all rounds the best counts, for everybody: what makes a turn slower is
    somebody else's work on a machine that is shared."""
    fastest = {name: seconds_of(call, 1) for name, call in calls.items()}
    best = {name: math.inf for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(SETTLE_SECONDS)
            if fastest[name] < LONG_SECONDS:
                seconds_of(call, repetitions_for(WARM_SECONDS, fastest[name]))
            measured = seconds_of(call, repetitions_for(least_seconds, fastest[name]))
            fastest[name] = min(fastest[name], measured)
            best[name] = min(best[name], measured)
    return best
