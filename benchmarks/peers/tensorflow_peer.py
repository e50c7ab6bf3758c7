"""TensorFlow and Keras. Keras layers inside tf.function, once as a graph of TensorFlow's kernels and once with
jit_compile=True; the gradient is the kernel behind the layer's (raw_ops.FusedBatchNormGradV3), and in XLA what
it becomes there, so that no forward pass is in it. Normalization.adapt is called as it is, on one batch.
TensorFlow has no preallocated outputs. Two threads: tf.config.threading."""

import time

import keras
import numpy
import tensorflow as tf

from harness import EPSILON, MOMENTUM, Unsupported

DTYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "u8": "uint8"}


class Keras:
    NAME = "keras"
    JIT = False

    def __init__(self, threads=2):
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError:
            pass  # set already, by the other of the two classes

    def version(self):
        return f"{keras.__version__} on tensorflow {tf.__version__}"

    def _layer(self, case, inputs):
        layer = keras.layers.BatchNormalization(axis=case.axis, epsilon=EPSILON, momentum=MOMENTUM)
        layer.build(case.shape)
        layer.set_weights([inputs.gamma, inputs.beta, inputs.mean, inputs.variance])
        return layer

    def _function(self, case, inputs):
        """What is to be called, and its arguments."""
        x = tf.constant(inputs.x)
        if case.work == "normalize":
            layer = keras.layers.Normalization(axis=case.axis, mean=inputs.mean, variance=inputs.variance,
                                               dtype=DTYPES[case.out])
            layer.build(case.shape)
            return lambda x: layer(x), (x,)
        if case.dtype != "f32" or case.out != "f32":
            raise Unsupported("other types are compared in normalize")
        if case.work in ("infer", "forward"):
            layer = self._layer(case, inputs)
            training = case.work == "forward"
            return lambda x: layer(x, training=training), (x,)
        if case.work == "backward":
            return self._gradient(case, inputs, x)
        raise Unsupported(f"no {case.work} here")

    def _gradient(self, case, inputs, x):
        # TensorFlow's kernel takes images; a table is an image of one pixel. On processors it has the
        # channels last, as Keras knows.
        if not case.channels_last:
            raise Unsupported("TensorFlow's gradient wants the channels last on a CPU")
        rank4 = case.shape if len(case.shape) == 4 else (case.shape[0], 1, 1, case.shape[1])
        gamma = tf.constant(inputs.gamma)
        forward = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, rank4), scale=gamma, offset=tf.constant(inputs.beta), mean=[], variance=[],
            epsilon=EPSILON, is_training=True)

        def function(dy, x, r1, r2, r3):
            return tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy, x=x, scale=gamma, reserve_space_1=r1, reserve_space_2=r2, reserve_space_3=r3,
                epsilon=EPSILON, is_training=True)[:3]

        dy = tf.constant(inputs.dy.reshape(rank4))
        return function, (dy, tf.reshape(x, rank4), forward.reserve_space_1, forward.reserve_space_2,
                          forward.reserve_space_3)

    def prepare(self, case, inputs):
        if case.work == "moments":
            return self._adapt(case, inputs)
        function, arguments = self._function(case, inputs)
        compiled = tf.function(function, jit_compile=self.JIT, autograph=False).get_concrete_function(*arguments)

        def call():
            result = compiled(*arguments)
            # Kernels are done when the call returns; this is for those that are not.
            tf.nest.map_structure(lambda tensor: tensor.shape, result)

        return call

    def _adapt(self, case, inputs):
        if self.JIT:
            raise Unsupported("adapt is not compiled by users")
        if case.dtype != "f32":
            raise Unsupported("adapt converts other types first")
        layer = keras.layers.Normalization(axis=case.axis)
        layer.adapt(inputs.x[:1])
        x = tf.constant(inputs.x)
        # Arrays are reduced by NumPy, tensors by TensorFlow, which has threads.
        return lambda: layer.adapt(x)


class KerasXla(Keras):
    NAME = "keras-xla"
    JIT = True

    def compile_seconds(self, case, inputs):
        """Tracing and compiling: the first call without its own run."""
        function, arguments = self._function(case, inputs)
        compiled = tf.function(function, jit_compile=True, autograph=False)
        start = time.perf_counter()
        compiled(*arguments)
        first = time.perf_counter() - start
        start = time.perf_counter()
        compiled(*arguments)
        return first - (time.perf_counter() - start)
