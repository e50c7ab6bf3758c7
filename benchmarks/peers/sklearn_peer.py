"""scikit-learn's StandardScaler: fit, and transform with copy=False, which works in place, without another
check for finite values. It runs NumPy and Cython on one thread; there is nothing to set."""

import sklearn
from sklearn.preprocessing import StandardScaler

from harness import Unsupported

NAME = "scikit-learn"


class ScikitLearn:
    def version(self):
        return sklearn.__version__

    def prepare(self, case, inputs):
        if case.form != "RK" or len(case.shape) != 2 or case.dtype not in ("f32", "f64") or case.out != case.dtype:
            raise Unsupported("StandardScaler takes tables of floats")
        if case.work == "moments":
            scaler = StandardScaler()
            return lambda: scaler.fit(inputs.x)
        if case.work != "normalize":
            raise Unsupported("StandardScaler normalizes, and nothing else")
        scaler = StandardScaler(copy=False).fit(inputs.x[:100])
        # Data that is transformed over and over would soon be infinite.
        scaler.mean_[:] = 0
        scaler.scale_[:] = 1
        data = inputs.y
        data[:] = inputs.x
        with sklearn.config_context(assume_finite=True):
            scaler.transform(data)

        def call():
            with sklearn.config_context(assume_finite=True):
                scaler.transform(data)

        return call
