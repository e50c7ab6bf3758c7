"""norma, by its C interface: libnorma_c.so through ctypes.

Two threads: norma_engine_options.threads. Outputs are preallocated. The kernel cache is off.
"""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p

import numpy

from harness import EPSILON, MOMENTUM, Unsupported, seconds_of

NAME = "norma"
# The numbers of include/norma-c/norma.h.
DTYPES = {"f32": 0, "f64": 1, "f16": 2, "bf16": 3, "u8": 5}
PRESET_KERAS_3 = 2


class Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_int32), ("rank", c_int32), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64))]


class EngineOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("target_cpu", c_char_p), ("cache_directory", c_char_p),
                ("cache_bytes", c_uint64), ("cached_kernels", c_int64), ("log", c_void_p),
                ("log_user_data", c_void_p), ("threads", c_int64)]


class NormalizationOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("axis", POINTER(c_int64)), ("axis_count", c_size_t),
                ("mean", POINTER(Tensor)), ("variance", POINTER(Tensor)), ("epsilon", c_double),
                ("steps_per_execution", c_int64), ("name", c_char_p), ("invert", c_int32),
                ("zero_variance", c_int32), ("nan_policy", c_int32), ("compute_dtype", c_int32),
                ("output_dtype", c_int32), ("run_eagerly", c_int32)]


class BatchNormalizationOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("axis", POINTER(c_int64)), ("axis_count", c_size_t),
                ("momentum", c_double), ("epsilon", c_double), ("virtual_batch_size", c_int64),
                ("name", c_char_p), ("preset", c_int32), ("cumulative", c_int32), ("center", c_int32),
                ("scale", c_int32), ("renorm", c_int32), ("trainable", c_int32), ("compute_dtype", c_int32),
                ("output_dtype", c_int32)]


def as_tensor(array, dtype):
    shape = (c_int64 * max(1, array.ndim))(*array.shape)
    tensor = Tensor(array.ctypes.data, DTYPES[dtype], array.ndim, shape, None)
    tensor.keep = (array, shape)  # borrowed by the structure
    return tensor


class Norma:
    def __init__(self, library, threads=2):
        self.c = ctypes.CDLL(library)
        self.c.norma_error_message.restype = c_char_p
        self.c.norma_version.restype = c_char_p
        for name in ["norma_engine_destroy", "norma_normalization_destroy", "norma_batch_normalization_destroy",
                     "norma_saved_forward_destroy"]:
            getattr(self.c, name).restype = None
        self.threads = threads
        self.engine = self._new_engine()
        # Data of no case.
        self._warmup = as_tensor(numpy.zeros((2, 2, 2), numpy.uint8), "u8")
        # What the calls of the last case need: (function that destroys, handle).
        self._held = []

    def version(self):
        return self.c.norma_version().decode()

    def prepare(self, case, inputs):
        while self._held:
            destroy, handle = self._held.pop()
            destroy(handle)
        if case.work in ("normalize", "moments"):
            return self._normalization(case, inputs, self.engine)
        return self._batch_normalization(case, inputs, self.engine)

    def compile_seconds(self, case, inputs):
        """The first call without its own run, in a new engine: it lowers, compiles and links the kernels of the
        call. As for the others, what is done once for all kernels was done before, and a gradient's forward
        pass, too."""
        engine = self._new_engine()
        self._check(self.c.norma_normalization_adapt(self._plain_layer(engine), byref(self._warmup), None))
        prepare = self._normalization if case.work in ("normalize", "moments") else self._batch_normalization
        call = prepare(case, inputs, engine)
        first = seconds_of(call, 1)
        second = seconds_of(call, 1)
        self.c.norma_engine_destroy(engine)
        return first - second

    def _plain_layer(self, engine):
        layer = c_void_p()
        self._check(self.c.norma_normalization_create(engine, None, byref(layer)))
        self._held.append((self.c.norma_normalization_destroy, layer))
        return layer

    def _new_engine(self):
        options = EngineOptions()
        self.c.norma_engine_options_init_sized(byref(options), c_size_t(ctypes.sizeof(options)))
        options.threads = self.threads
        options.cache_directory = b"off"
        engine = c_void_p()
        self._check(self.c.norma_engine_create(byref(options), byref(engine)))
        return engine

    def _check(self, status):
        if status != 0:
            raise RuntimeError(f"norma: {self.c.norma_error_message().decode()}")

    def _normalization(self, case, inputs, engine):
        options = NormalizationOptions()
        self.c.norma_normalization_options_init_sized(byref(options), c_size_t(ctypes.sizeof(options)))
        axis = (c_int64 * max(1, len(case.kept)))(*case.kept)
        options.axis, options.axis_count = axis, len(case.kept)
        options.compute_dtype = DTYPES["f64" if case.dtype == "f64" else "f32"]
        if case.work == "normalize":
            mean, variance = as_tensor(inputs.mean, "f32"), as_tensor(inputs.variance, "f32")
            options.mean, options.variance = ctypes.pointer(mean), ctypes.pointer(variance)
        layer = c_void_p()
        self._check(self.c.norma_normalization_create(engine, byref(options), byref(layer)))
        self._held.append((self.c.norma_normalization_destroy, layer))
        x = as_tensor(inputs.x, case.dtype)
        if case.work == "moments":
            c, check = self.c, self._check
            mean, variance = (c_double * case.channels)(), (c_double * case.channels)()

            def adapt_and_finish():
                # adapt() leaves the variances to whoever asks for them; others make them at once.
                check(c.norma_normalization_adapt(layer, byref(x), None))
                check(c.norma_normalization_get_moments(layer, mean, variance, c_size_t(case.channels)))

            return adapt_and_finish
        y = as_tensor(inputs.y, case.out)
        apply, check = self.c.norma_normalization_apply, self._check
        return lambda: check(apply(layer, byref(x), byref(y)))

    def _batch_normalization(self, case, inputs, engine):
        options = BatchNormalizationOptions()
        self.c.norma_batch_normalization_options_init_sized(
            byref(options), c_size_t(ctypes.sizeof(options)), c_int32(PRESET_KERAS_3))
        axis = (c_int64 * 1)(*case.kept)
        options.axis, options.axis_count = axis, 1
        options.epsilon, options.momentum = EPSILON, MOMENTUM
        layer = c_void_p()
        self._check(self.c.norma_batch_normalization_create(engine, byref(options), byref(layer)))
        self._held.append((self.c.norma_batch_normalization_destroy, layer))
        shape = (c_int64 * len(case.shape))(*case.shape)
        self._check(self.c.norma_batch_normalization_build(layer, c_int32(len(case.shape)), shape))
        for name in ["gamma", "beta", "moving_mean", "moving_variance"]:
            values = getattr(inputs, name.replace("moving_", "")).astype(numpy.float64)
            self._check(self.c.norma_batch_normalization_set_weight(
                layer, name.encode(), values.ctypes.data_as(POINTER(c_double)), c_size_t(values.size)))
        x, y = as_tensor(inputs.x, case.dtype), as_tensor(inputs.y, case.out)
        c, check = self.c, self._check
        if case.work == "infer":
            return lambda: check(c.norma_batch_normalization_apply(layer, byref(x), byref(y)))

        def train():
            saved = c_void_p()
            check(c.norma_batch_normalization_train(layer, byref(x), byref(y), None, None, byref(saved)))
            return saved

        if case.work == "forward":
            return lambda: c.norma_saved_forward_destroy(train())
        if case.work != "backward":
            raise Unsupported(f"no {case.work} here")
        saved = train()
        self._held.append((self.c.norma_saved_forward_destroy, saved))
        dy = as_tensor(inputs.dy, case.dtype)
        size = case.channels
        dgamma, dbeta = (c_double * size)(), (c_double * size)()
        return lambda: check(c.norma_batch_normalization_gradient(
            layer, saved, byref(x), byref(dy), None, None, byref(y), dgamma, dbeta, c_size_t(size)))
