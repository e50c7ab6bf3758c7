"""tf.keras 2.x: synchronized statistics, of two participants on one machine."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy
import tensorflow as tf
import tf_keras

from recording import THRICE, TRAIN, Case, record, write

NAMES = ("gamma", "beta", "moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev")


class Peer:
    # One for all cases: those of a second strategy would be taken for the first one's reductions.
    strategy = None

    def __init__(self, case, adjustment):
        self.case = case
        Peer.strategy = Peer.strategy or tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        options = dict(case.options)
        options["axis"], = options["axis"]
        with self.strategy.scope():
            self.layer = tf_keras.layers.BatchNormalization(synchronized=True, **options)
            self.layer.build((None, *case.shape[1:]))

    def set_weights(self, values):
        with self.strategy.scope():
            for name, value in values.items():
                getattr(self.layer, name).assign(value)

    def weights(self):
        return {name: getattr(self.layer, name).numpy() for name in NAMES if hasattr(self.layer, name)}

    def call(self, kind, inputs):
        ends = numpy.cumsum(self.case.participants)[:-1]
        parts = {name: numpy.split(value, ends) for name, value in inputs.items()}

        def step(values):
            x, arguments = values["x"], {}
            if "mask" in values:
                arguments["mask"] = values["mask"][..., 0]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = self.layer(x, training=kind == TRAIN, **arguments)
            gradients = tape.gradient(y, [x, self.layer.gamma, self.layer.beta],
                                      output_gradients=values["dy"])
            return dict(zip(("y", "dx", "dgamma", "dbeta"), (y, *gradients)))

        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: {name: tf.constant(part[context.replica_id_in_sync_group])
                             for name, part in parts.items()})
        result = tf.function(lambda values: self.strategy.run(step, (values,)))(values)
        locals_of = self.strategy.experimental_local_results
        return {name: numpy.concatenate([value.numpy() for value in locals_of(values)])
                for name, values in result.items()}


def synchronized(name, shape, axis, participants, **rest):
    return Case.of("kerasV2", name, shape, axis, participants=participants,
                   **{"momentum": 0.9, "fused": False, **rest})


def cases():
    return [
        synchronized("table", (8, 5), [-1], (4, 4), calls=THRICE),
        synchronized("uneven_table", (7, 5), [-1], (5, 2)),
        synchronized("sequence", (4, 3, 5), [-1], (1, 3)),
        synchronized("images", (3, 3, 2, 4), [-1], (2, 1)),
        synchronized("images_channels_first", (3, 4, 3, 2), [1], (1, 2)),
        synchronized("masked_sequence", (5, 3, 4), [-1], (2, 3), inputs="mask"),
        synchronized("renorm", (8, 5), [-1], (4, 4), calls=THRICE, renorm=True,
                     renorm_clipping={"rmax": 1.2, "rmin": 0.9, "dmax": 0.3}),
    ]


def run():
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                               [tf.config.LogicalDeviceConfiguration()] * 2)
    version = f"tensorflow {tf.__version__}, tf-keras {tf_keras.__version__}, synchronized"
    write("tf_keras_synchronized", version, [record(case, Peer) for case in cases()])
