"""tf.keras 2.x (tf-keras): BatchNormalization and tf.compat.v1.keras.layers.BatchNormalization."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import tensorflow as tf
import tf_keras

from recording import CONSTRAIN, ILL_CONDITIONED, INFER, THRICE, TRAIN, Case, record, write

NAMES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "i32": "float32"}
CONSTRAINTS = {"non_neg": tf_keras.constraints.NonNeg, "max_norm": tf_keras.constraints.MaxNorm,
               "unit_norm": tf_keras.constraints.UnitNorm, "min_max_norm": tf_keras.constraints.MinMaxNorm}


def to_keras(options):
    """Options in norma's terms as arguments of the layer."""
    arguments = dict(options)
    if len(arguments["axis"]) == 1:
        arguments["axis"] = arguments["axis"][0]
    for name, value in options.items():
        if name.endswith("_regularizer"):
            arguments[name] = tf_keras.regularizers.L1L2(**value)
        elif name.endswith("_constraint"):
            rest = {key: limit for key, limit in value.items() if key != "kind"}
            renamed = {"maximum": "max_value", "minimum": "min_value"}
            if value["kind"] == "max_norm":
                arguments[name] = CONSTRAINTS["max_norm"](rest["maximum"])
            else:
                arguments[name] = CONSTRAINTS[value["kind"]](
                    **{renamed.get(key, key): limit for key, limit in rest.items()})
    return arguments


class Peer:
    def __init__(self, case, adjustment):
        module = tf.compat.v1.keras if case.preset == "kerasV1" else tf_keras
        arguments = {**to_keras(case.options), **case.library}
        if adjustment:
            scale, bias = (tf.constant(adjustment[name]) for name in ("scale", "bias"))
            arguments["adjustment"] = lambda shape: (scale, bias)
        self.case = case
        self.layer = module.layers.BatchNormalization(dtype=NAMES[case.dtype], **arguments)
        self.layer.build(case.shape)

    def set_weights(self, values):
        for name, value in values.items():
            variable = getattr(self.layer, name)
            variable.assign(value.reshape(variable.shape))

    def weights(self):
        names = ("gamma", "beta", "moving_mean", "moving_variance", "moving_stddev", "renorm_mean",
                 "renorm_stddev")
        variables = {name: getattr(self.layer, name, None) for name in names}
        return {name: variable.numpy() for name, variable in variables.items() if variable is not None}

    def call(self, kind, inputs):
        if kind == CONSTRAIN:
            for variable in self.layer.trainable_variables:
                if variable.constraint is not None:
                    variable.assign(variable.constraint(variable))
            return {}
        x = tf.constant(inputs["x"])
        mask = inputs.get("mask", inputs.get("weights"))
        arguments = {} if mask is None else {"mask": tf.constant(mask[..., 0])}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = self.layer(x, training=kind == TRAIN, **arguments)
            penalty = tf.add_n(self.layer.losses) if self.layer.losses else None
        result = {"y": y.numpy()}
        if penalty is not None:
            result["loss"] = penalty.numpy()
        if "dy" not in inputs:
            return result
        dy = tf.constant(inputs["dy"])
        result["dx"] = tape.gradient(y, x, output_gradients=dy).numpy()
        for name in ("gamma", "beta"):
            variable = getattr(self.layer, name)
            if variable is not None and variable.trainable and self.layer.trainable:
                gradient = tape.gradient(y, variable, output_gradients=dy)
                if penalty is not None:
                    gradient += tape.gradient(penalty, variable)
                result["d" + name] = gradient.numpy()
        return result


def keras_case(preset, name, shape, axis, **rest):
    # TensorFlow rounds 1 - momentum to f32 even in f64; 0.25 it leaves as it is.
    momentum = 0.75 if rest.get("dtype") == "f64" else 0.9
    return Case.of(preset, name, shape, axis, **{"momentum": momentum, **rest})


def v2(*arguments, **rest):
    return keras_case("kerasV2", *arguments, **rest)


def v1(*arguments, **rest):
    return keras_case("kerasV1", *arguments, **rest)


TABLE, SEQUENCE, NHWC, NCHW = (6, 5), (4, 3, 5), (2, 3, 3, 4), (2, 4, 3, 3)
NDHWC, NCDHW = (2, 2, 2, 3, 3), (2, 3, 2, 2, 3)
CLIPPING = {"rmax": 1.2, "rmin": 0.9, "dmax": 0.3}


def cases():
    return [
        # Ranks and axes. Rank 4 and 5 are fused where the axis is the first or the last.
        v2("table", TABLE, [-1], calls=THRICE),
        v2("table_from_its_first_state", TABLE, [-1], initialize=False),
        v2("table_by_rows", TABLE, [0]),
        v2("sequence", SEQUENCE, [-1], calls=THRICE),
        v2("sequence_channels_first", SEQUENCE, [1]),
        v2("images_fused", NHWC, [-1], calls=THRICE),
        v2("images_fused_from_its_first_state", NHWC, [-1], initialize=False),
        v2("images_channels_first_fused", NCHW, [1], calls=THRICE),
        v2("images_not_fused", NHWC, [3], fused=False),
        v2("images_channels_first_not_fused", NCHW, [-3], fused=False),
        v2("images_by_columns", NHWC, [2], fused=False),
        v2("images_by_sample", NHWC, [0], fused=False),
        v2("volumes_fused", NDHWC, [4], calls=THRICE),
        v2("volumes_channels_first_fused", NCDHW, [1]),
        v2("volumes_not_fused", NDHWC, [-1], fused=False),
        v2("volumes_by_depth", NDHWC, [2]),
        v2("wide_table", (5, 19), [-1]),
        v2("wide_images_fused", (2, 2, 1, 17), [-1]),
        # Several axes.
        v2("sequence_two_axes", SEQUENCE, [1, 2], calls=THRICE),
        v2("sequence_two_axes_in_any_order", SEQUENCE, [-1, 0]),
        v2("images_two_axes", NHWC, [1, 3]),
        v2("images_all_axes_but_the_first", NHWC, [1, 2, 3]),
        # Types.
        v2("table_f64", TABLE, [-1], calls=THRICE, dtype="f64"),
        v2("images_f64", NHWC, [-1], dtype="f64"),
        v2("images_two_axes_f64", NHWC, [2, 3], dtype="f64"),
        v2("table_f16", TABLE, [-1], calls=THRICE, dtype="f16"),
        v2("table_bf16", TABLE, [-1], dtype="bf16"),
        v2("images_f16_fused", NHWC, [-1], dtype="f16"),
        v2("images_bf16_fused", NHWC, [-1], calls=THRICE, dtype="bf16"),
        v2("images_channels_first_bf16", NCHW, [1], dtype="bf16", fused=False),
        v2("large_numbers_f16", TABLE, [-1], dtype="f16", mean=0, deviation=1000),
        v2("table_of_integers", TABLE, [-1], dtype="i32", mean=2, deviation=20),
        # Numbers.
        v2("mean_of_100", TABLE, [-1], mean=100, deviation=2, tolerance=ILL_CONDITIONED),
        v2("mean_of_100_fused", NHWC, [-1], mean=100, deviation=2, tolerance=ILL_CONDITIONED),
        v2("one_sample", (1, 5), [-1], tolerance=ILL_CONDITIONED),
        v2("one_pixel_fused", (1, 1, 1, 4), [-1]),
        v2("two_pixels_fused", (2, 1, 1, 4), [-1]),
        v2("constant_columns", TABLE, [-1], deviation=0, tolerance=ILL_CONDITIONED),
        v2("constant_channels_fused", NHWC, [-1], deviation=0, tolerance=ILL_CONDITIONED),
        # Options.
        v2("without_center", TABLE, [-1], center=False),
        v2("without_scale", TABLE, [-1], scale=False),
        v2("without_center_and_scale", TABLE, [-1], center=False, scale=False),
        v2("without_center_fused", NHWC, [-1], center=False),
        v2("without_scale_fused", NHWC, [-1], scale=False),
        v2("without_center_and_scale_fused", NHWC, [-1], center=False, scale=False),
        v2("small_epsilon", TABLE, [-1], mean=0.1, deviation=0.02, epsilon=1e-7),
        v2("small_epsilon_fused", NHWC, [-1], mean=0.1, deviation=0.02, epsilon=1e-7,
           library={"epsilon": 1.001e-5}, note="run with the epsilon that TensorFlow up to 2.11 raises it to"),
        v2("small_epsilon_not_fused", NHWC, [-1], mean=0.1, deviation=0.02, epsilon=1e-7, fused=False),
        v2("momentum_0", TABLE, [-1], momentum=0.0),
        v2("momentum_1", TABLE, [-1], momentum=1.0),
        v2("momentum_half", TABLE, [-1], calls=THRICE, momentum=0.5),
        v2("momentum_0_fused", NHWC, [-1], momentum=0.0),
        v2("momentum_1_fused", NHWC, [-1], momentum=1.0),
        v2("momentum_half_fused", NHWC, [-1], calls=THRICE, momentum=0.5),
        v2("frozen", TABLE, [-1], trainable=False),
        v2("frozen_fused", NHWC, [-1], trainable=False),
        v2("regularized", TABLE, [-1], gamma_regularizer={"l1": 0.01, "l2": 0.03},
           beta_regularizer={"l1": 0.02, "l2": 0.0}),
        v2("gamma_of_norm_1", TABLE, [-1], calls=(CONSTRAIN, INFER), gamma_constraint={"kind": "unit_norm"},
           beta_constraint={"kind": "non_neg"}),
        v2("gamma_of_limited_norm", TABLE, [-1], calls=(CONSTRAIN, INFER),
           gamma_constraint={"kind": "max_norm", "maximum": 0.75},
           beta_constraint={"kind": "min_max_norm", "minimum": 0.5, "maximum": 0.8, "rate": 0.3}),
        # Masks; numbers in place of a mask are weights.
        v2("masked_table", TABLE, [-1], inputs="mask"),
        v2("masked_sequence", SEQUENCE, [-1], calls=THRICE, inputs="mask"),
        v2("masked_sequence_f64", SEQUENCE, [-1], dtype="f64", inputs="mask"),
        v2("masked_images", NHWC, [-1], calls=THRICE, inputs="mask", fused=False),
        v2("masked_images_channels_first", NCHW, [1], inputs="mask", fused=False),
        v2("masked_two_axes", NHWC, [2, 3], inputs="mask"),
        v2("weighted_sequence", SEQUENCE, [-1], calls=THRICE, inputs="weights"),
        v2("weighted_sequence_f64", SEQUENCE, [-1], dtype="f64", inputs="weights"),
        # Renorm.
        v2("renorm", TABLE, [-1], calls=THRICE, renorm=True),
        v2("renorm_from_its_first_state", TABLE, [-1], initialize=False, renorm=True),
        v2("renorm_clipped", TABLE, [-1], calls=THRICE, renorm=True, renorm_clipping=CLIPPING),
        v2("renorm_clipped_above", TABLE, [-1], renorm=True, renorm_clipping={"rmax": 1.1}),
        v2("renorm_clipped_below", TABLE, [-1], renorm=True, renorm_clipping={"rmin": 1.3}),
        v2("renorm_clipped_shift", TABLE, [-1], renorm=True, renorm_clipping={"dmax": 0.1}),
        v2("renorm_with_its_momentum", TABLE, [-1], calls=THRICE, renorm=True, renorm_momentum=0.5),
        v2("renorm_images", NHWC, [-1], calls=THRICE, renorm=True, renorm_clipping=CLIPPING),
        v2("renorm_channels_first", NCHW, [1], renorm=True, renorm_clipping=CLIPPING),
        v2("renorm_two_axes", SEQUENCE, [1, 2], renorm=True, renorm_clipping=CLIPPING),
        v2("renorm_bf16", TABLE, [-1], dtype="bf16", renorm=True, renorm_clipping=CLIPPING),
        v2("renorm_without_scale", TABLE, [-1], renorm=True, scale=False),
        v2("renorm_without_center", TABLE, [-1], renorm=True, center=False),
        v2("renorm_without_center_and_scale", TABLE, [-1], renorm=True, center=False,
           scale=False),
        v2("renorm_masked", SEQUENCE, [-1], inputs="mask", renorm=True,
           renorm_clipping=CLIPPING),
        v2("renorm_frozen", TABLE, [-1], renorm=True, trainable=False),
        v2("renorm_of_small_deviations", TABLE, [-1], deviation=0.01, renorm=True),
        # Ghost batches, strided.
        v2("ghosts_of_2", TABLE, [-1], calls=THRICE, virtual_batch_size=2),
        v2("ghosts_of_3", TABLE, [-1], virtual_batch_size=3),
        v2("ghosts_of_1", TABLE, [-1], virtual_batch_size=1),
        v2("one_ghost", TABLE, [-1], virtual_batch_size=6),
        v2("ghosts_of_sequences", SEQUENCE, [-1], calls=THRICE, virtual_batch_size=2),
        v2("ghosts_of_images", (4, 2, 2, 3), [-1], virtual_batch_size=2),
        v2("ghosts_channels_first", (4, 3, 2, 2), [1], virtual_batch_size=2),
        v2("ghosts_two_axes", (4, 2, 2, 3), [1, 3], virtual_batch_size=2),
        v2("ghosts_f64", SEQUENCE, [-1], dtype="f64", virtual_batch_size=2),
        v2("ghosts_f16", SEQUENCE, [-1], dtype="f16", virtual_batch_size=2),
        v2("ghosts_without_center_and_scale", TABLE, [-1], virtual_batch_size=2, center=False,
           scale=False),
        v2("ghosts_renorm", SEQUENCE, [-1], virtual_batch_size=2, renorm=True),
        v2("ghosts_renorm_clipped", SEQUENCE, [-1], calls=THRICE, virtual_batch_size=2, renorm=True,
           renorm_clipping=CLIPPING),
        # Differences.
        v2("small_epsilon_fused_not_raised", NHWC, [-1], mean=0.1, deviation=0.02, epsilon=1e-7,
           difference="epsilon is what was asked for"),
        v2("masked_images_fused", NHWC, [-1], inputs="mask", difference="the fused kernel ignores masks"),
        v2("nothing_unmasked", SEQUENCE, [-1], inputs="empty",
           difference="the moving statistics go towards 0"),
        v2("empty_batch", (0, 5), [-1], calls=(TRAIN,), difference="the moving statistics become NaN"),
        v2("empty_batch_fused", (0, 3, 3, 4), [-1], calls=(TRAIN,),
           difference="the moving statistics become NaN"),
        # V1.
        v1("v1_table", TABLE, [-1], calls=THRICE),
        v1("v1_images_fused", NHWC, [-1]),
        v1("v1_fused_where_impossible", TABLE, [-1], fused=True),
        v1("v1_renorm_fused", NHWC, [-1], renorm=True, fused=True),
        v1("v1_untrainable", TABLE, [-1], calls=THRICE, trainable=False),
        v1("v1_untrainable_fused", NHWC, [-1], trainable=False),
        v1("v1_ghosts", TABLE, [-1], virtual_batch_size=3, tolerance=ILL_CONDITIONED),
        v1("v1_masked", SEQUENCE, [-1], inputs="mask"),
        # Adjustment.
        v1("adjusted_samples", TABLE, [-1], adjustment=((6, 1), (6, 1))),
        v1("adjusted_columns", TABLE, [-1], adjustment=((5,), (1, 5))),
        v1("adjusted_elements", TABLE, [-1], adjustment=((6, 5), (6, 5))),
        v1("adjusted_images", NHWC, [-1], calls=THRICE, adjustment=((2, 1, 1, 4), (2, 1, 1, 4))),
        v1("adjusted_channels_first", NCHW, [1], adjustment=((2, 1, 1, 1), (2, 4, 1, 1))),
        v1("adjusted_f64", SEQUENCE, [-1], dtype="f64", adjustment=((4, 1, 1), (4, 1, 5))),
        v1("adjusted_without_center_and_scale", SEQUENCE, [-1], adjustment=((4, 1, 1), (4, 1, 1)),
           center=False, scale=False),
        v1("adjusted_renorm", SEQUENCE, [-1], calls=THRICE, adjustment=((4, 1, 5), (4, 1, 1)), renorm=True,
           renorm_clipping=CLIPPING),
        v1("adjusted_masked", SEQUENCE, [-1], inputs="mask", adjustment=((4, 1, 1), (4, 1, 1))),
    ]


def run():
    version = f"tensorflow {tf.__version__}, tf-keras {tf_keras.__version__}"
    write("tf_keras", version, [record(case, Peer) for case in cases()])
