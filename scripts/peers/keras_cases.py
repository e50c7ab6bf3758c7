"""Keras 3: BatchNormalization on each of its backends."""

import os

BACKEND = os.environ["PEER"].removeprefix("keras_")
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy

from recording import ILL_CONDITIONED, THRICE, TRAIN, Case, record, write

# With a dtype of float16 Keras 3 keeps moving statistics in float16, too; norma and tf.keras in float32.
POLICIES = {"f32": "float32", "f64": "float64", "f16": "mixed_float16", "bf16": "mixed_bfloat16",
            "i32": "float32"}


def tensorflow_gradients(layer, x, dy, arguments):
    import tensorflow as tf
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **arguments)
    variables = [variable.value for variable in layer.trainable_variables]
    return y, tape.gradient(y, [x, *variables], output_gradients=dy)


def jax_gradients(layer, x, dy, arguments):
    import jax
    trainable = [variable.value for variable in layer.trainable_variables]
    rest = [variable.value for variable in layer.non_trainable_variables]
    y, pull_back, rest = jax.vjp(lambda x, *weights: layer.stateless_call(weights, rest, x, **arguments),
                                 x, *trainable, has_aux=True)
    for variable, value in zip(layer.non_trainable_variables, rest):
        variable.assign(value)
    return y, pull_back(dy)


def torch_gradients(layer, x, dy, arguments):
    import torch
    x.requires_grad_()
    y = layer(x, **arguments)
    variables = [variable.value for variable in layer.trainable_variables]
    return y, torch.autograd.grad(y, [x, *variables], dy)


GRADIENTS = {"tensorflow": tensorflow_gradients, "jax": jax_gradients, "torch": torch_gradients}


class Peer:
    def __init__(self, case, adjustment):
        arguments = dict(case.options)
        arguments["axis"], = case.options["axis"]
        if BACKEND == "jax":
            import jax
            jax.config.update("jax_enable_x64", case.dtype == "f64")
        self.layer = keras.layers.BatchNormalization(dtype=POLICIES[case.dtype], **arguments)
        self.layer.build(case.shape)

    def set_weights(self, values):
        for name, value in values.items():
            getattr(self.layer, name).assign(value)

    def weights(self):
        return {weight.name: keras.ops.convert_to_numpy(weight.value) for weight in self.layer.weights}

    def call(self, kind, inputs):
        x = keras.ops.convert_to_tensor(inputs["x"])
        arguments = {"training": kind == TRAIN}
        if "mask" in inputs:
            arguments["mask"] = keras.ops.convert_to_tensor(inputs["mask"][..., 0])
        if BACKEND not in GRADIENTS or "dy" not in inputs:
            return {"y": keras.ops.convert_to_numpy(self.layer(x, **arguments))}
        dy = keras.ops.convert_to_tensor(inputs["dy"])
        y, gradients = GRADIENTS[BACKEND](self.layer, x, dy, arguments)
        names = ["dx", *("d" + variable.name for variable in self.layer.trainable_variables)]
        values = {"y": y, **dict(zip(names, gradients))}
        return {name: keras.ops.convert_to_numpy(value) for name, value in values.items()}


def k3(*arguments, **rest):
    return Case.of("keras3", *arguments, **{"momentum": 0.9, **rest})


TABLE, SEQUENCE, NHWC, NCHW = (6, 5), (4, 3, 5), (2, 3, 3, 4), (2, 4, 3, 3)
CLIPPING = {"rmax": 1.2, "rmin": 0.9, "dmax": 0.3}


def common_cases():
    """What every backend is asked for."""
    return [
        k3("table", TABLE, [-1], calls=THRICE),
        k3("images", NHWC, [-1]),
        k3("images_channels_first", NCHW, [1]),
        k3("table_bf16", TABLE, [-1], dtype="bf16"),
        k3("masked_sequence", SEQUENCE, [-1], inputs="mask"),
        k3("renorm_clipped", TABLE, [-1], renorm=True, renorm_clipping=CLIPPING),
    ]


def more_cases():
    return [
        k3("table_from_its_first_state", TABLE, [-1], initialize=False),
        k3("table_by_rows", TABLE, [0]),
        k3("sequence", SEQUENCE, [-1]),
        k3("sequence_channels_first", SEQUENCE, [1]),
        k3("images_by_columns", NHWC, [-2]),
        k3("volumes", (2, 2, 2, 3, 3), [-1]),
        k3("volumes_channels_first", (2, 3, 2, 2, 3), [1]),
        k3("table_f64", TABLE, [-1], calls=THRICE, dtype="f64"),
        k3("images_f64", NHWC, [-1], dtype="f64"),
        k3("images_f16", NHWC, [-1], dtype="f16"),
        k3("large_numbers_f16", TABLE, [-1], dtype="f16", mean=0, deviation=1000),
        k3("table_of_integers", TABLE, [-1], dtype="i32", mean=2, deviation=20),
        k3("one_sample", (1, 5), [-1], tolerance=ILL_CONDITIONED),
        k3("constant_columns", TABLE, [-1], deviation=0, tolerance=ILL_CONDITIONED),
        k3("without_center", TABLE, [-1], center=False),
        k3("without_scale", TABLE, [-1], scale=False),
        k3("without_center_and_scale", NHWC, [-1], center=False, scale=False),
        k3("small_epsilon", NHWC, [-1], mean=0.1, deviation=0.02, epsilon=1e-7),
        k3("momentum_0", TABLE, [-1], momentum=0.0),
        k3("momentum_1", TABLE, [-1], momentum=1.0),
        k3("momentum_half", TABLE, [-1], calls=THRICE, momentum=0.5),
        k3("frozen", TABLE, [-1], trainable=False),
        k3("frozen_images", NHWC, [-1], trainable=False),
        k3("masked_table", TABLE, [-1], inputs="mask"),
        k3("masked_images", NHWC, [-1], inputs="mask"),
        k3("masked_images_channels_first", NCHW, [1], inputs="mask"),
        k3("masked_f64", SEQUENCE, [-1], dtype="f64", inputs="mask", tolerance=1e-7,
           note="Keras divides by n + 1e-7, which is n in f32"),
        k3("nothing_unmasked", SEQUENCE, [-1], inputs="empty",
           difference="the moving statistics go towards 0"),
        k3("empty_batch", (0, 5), [-1], calls=(TRAIN,), difference="the moving statistics become NaN"),
        k3("renorm", TABLE, [-1], calls=THRICE, renorm=True),
        k3("renorm_from_its_first_state", TABLE, [-1], initialize=False, renorm=True),
        k3("renorm_images_clipped", NHWC, [-1], renorm=True, renorm_clipping=CLIPPING,
           renorm_momentum=0.5),
        k3("renorm_f64", TABLE, [-1], dtype="f64", renorm=True, renorm_clipping=CLIPPING),
        k3("renorm_without_center_and_scale", TABLE, [-1], renorm=True, center=False, scale=False),
        k3("renorm_masked", SEQUENCE, [-1], inputs="mask", renorm=True, renorm_clipping=CLIPPING),
        k3("renorm_frozen", TABLE, [-1], renorm=True, trainable=False),
    ]


def version():
    if BACKEND == "numpy":
        return f"keras {keras.__version__} on numpy {numpy.__version__}"
    return f"keras {keras.__version__} on {BACKEND} {__import__(BACKEND).__version__.split('+')[0]}"


def run():
    cases = common_cases() + (more_cases() if BACKEND == "tensorflow" else [])
    write(os.environ["PEER"], version(), [record(case, Peer) for case in cases])
