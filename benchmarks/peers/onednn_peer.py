"""oneDNN: its batch normalization primitive through its C interface, on NumPy's memory, in the layouts nchw,
nhwc and nc. Two threads: OMP_NUM_THREADS, see run.py. The library is the package onednn-cpu-gomp, the newest
one that needs nothing but OpenMP."""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_float, c_int, c_int64, c_uint, c_void_p

import numpy

from harness import EPSILON, Unsupported

NAME = "onednn"

# The numbers of dnnl_types.h (version 3).
CPU, DEFAULT_STREAM, F32 = 1, 1, 3
FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD = 64, 96, 128
USE_GLOBAL_STATS, USE_SCALE, USE_SHIFT = 1, 2, 4
SRC, DST, MEAN, VARIANCE, SCALE, SHIFT = 1, 17, 49, 50, 51, 52
DIFF_SRC, DIFF_DST, DIFF_SCALE, DIFF_SHIFT = 129, 145, 255, 256
MAX_RANK = 12


class Argument(ctypes.Structure):
    _fields_ = [("arg", c_int), ("memory", c_void_p)]


class Version(ctypes.Structure):
    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int)]


def dims(values):
    return (c_int64 * MAX_RANK)(*values)


class OneDnn:
    def __init__(self, threads=2):
        self.c = ctypes.CDLL(os.path.join(sys.prefix, "lib", "libdnnl.so.3"))
        self.c.dnnl_version.restype = POINTER(Version)
        self.engine, self.stream = c_void_p(), c_void_p()
        self._check(self.c.dnnl_engine_create(byref(self.engine), CPU, 0))
        self._check(self.c.dnnl_stream_create(byref(self.stream), self.engine, DEFAULT_STREAM))

    def version(self):
        version = self.c.dnnl_version().contents
        return f"{version.major}.{version.minor}.{version.patch}"

    def _check(self, status):
        if status != 0:
            raise RuntimeError(f"oneDNN: status {status}")

    def _description(self, shape, strides):
        description = c_void_p()
        self._check(self.c.dnnl_memory_desc_create_with_strides(
            byref(description), len(shape), dims(shape), F32, dims(strides)))
        return description

    def _memory(self, description, array):
        memory = c_void_p()
        self._check(self.c.dnnl_memory_create(byref(memory), description, self.engine,
                                              c_void_p(array.ctypes.data)))
        return memory

    def _run(self, primitive_description, memories):
        """A call that runs the primitive on the memories."""
        primitive = c_void_p()
        self._check(self.c.dnnl_primitive_create(byref(primitive), primitive_description))
        arguments = (Argument * len(memories))(*[Argument(arg, memory.value) for arg, memory in memories.items()])
        execute, wait, count = self.c.dnnl_primitive_execute, self.c.dnnl_stream_wait, len(memories)

        def call():
            self._check(execute(primitive, self.stream, count, arguments))
            self._check(wait(self.stream))

        return call

    def prepare(self, case, inputs):
        if case.work == "moments" or case.dtype != "f32" or case.out != "f32":
            raise Unsupported("batch normalization of f32 is compared")
        # Channels are axis 1 to oneDNN, wherever they lie in memory.
        order = list(range(len(case.shape)))
        order.insert(1, order.pop(case.axis))
        shape = [case.shape[axis] for axis in order]
        strides = [inputs.x.strides[axis] // 4 for axis in order]
        data = self._description(shape, strides)
        channels = self._description([case.channels], [1])

        plain = case.work == "normalize"
        inference = case.family == "map"
        flags = 0 if plain else USE_SCALE | USE_SHIFT
        flags |= USE_GLOBAL_STATS if inference else 0
        forward = c_void_p()
        self._check(self.c.dnnl_batch_normalization_forward_primitive_desc_create(
            byref(forward), self.engine, FORWARD_INFERENCE if inference else FORWARD_TRAINING, data, data,
            c_float(0.0 if plain else EPSILON), c_uint(flags), None))
        memories = {
            SRC: self._memory(data, inputs.x), DST: self._memory(data, inputs.y),
            MEAN: self._memory(channels, inputs.mean), VARIANCE: self._memory(channels, inputs.variance)}
        if not plain:
            memories[SCALE] = self._memory(channels, inputs.gamma)
            memories[SHIFT] = self._memory(channels, inputs.beta)
        call = self._run(forward, memories)
        if case.work != "backward":
            return call

        call()  # leaves mean and variance of the batch
        backward = c_void_p()
        self._check(self.c.dnnl_batch_normalization_backward_primitive_desc_create(
            byref(backward), self.engine, BACKWARD, data, data, data, c_float(EPSILON), c_uint(flags), forward, None))
        inputs.keep = numpy.empty_like(inputs.gamma), numpy.empty_like(inputs.beta)
        del memories[DST], memories[SHIFT]
        memories[DIFF_DST] = self._memory(data, inputs.dy)
        memories[DIFF_SRC] = self._memory(data, inputs.y)
        memories[DIFF_SCALE] = self._memory(channels, inputs.keep[0])
        memories[DIFF_SHIFT] = self._memory(channels, inputs.keep[1])
        return self._run(backward, memories)
