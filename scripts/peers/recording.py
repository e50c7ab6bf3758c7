"""Cases: what is put into a library's batch normalization, and what came out of it, as JSON.

A case is described in norma's terms. Its data follow from its name alone, so cases can be added and
removed without changing the others.
"""

import dataclasses
import json
import pathlib
import zlib

import ml_dtypes
import numpy

DTYPES = {"f32": numpy.float32, "f64": numpy.float64, "f16": numpy.float16, "bf16": ml_dtypes.bfloat16,
          "i32": numpy.int32}

DATA = pathlib.Path(__file__).resolve().parents[2] / "unittests/Runtime/data/batch_norm_peers"

TRAIN, INFER, CONSTRAIN = "train", "infer", "constrain"
ONCE = (TRAIN, INFER)
THRICE = (TRAIN, TRAIN, TRAIN, INFER)

# Where the variance is small against the mean or epsilon: an error of the library's f32 mean is multiplied
# by 1 / sqrt(variance + epsilon).
ILL_CONDITIONED = 1e-5


@dataclasses.dataclass
class Case:
    preset: str
    name: str
    shape: tuple
    # Of BatchNormalizationOptions; `axis` is required.
    options: dict
    # Of the data and the result; parameters are f64 for f64, else f32.
    dtype: str = "f32"
    calls: tuple = ONCE
    # Of the data.
    mean: float = 0.7
    deviation: float = 1.5
    # "mask": about three in four positions count. "weights": they count 0 to 3 times. "empty": none
    # does. All have the shape of the data with an extent of 1 at the end.
    inputs: str = ""
    # The shapes of the adjustment's scale and bias, which broadcast to the data from the right.
    adjustment: tuple = ()
    # The parameters and moving statistics are random, not what the layer begins with.
    initialize: bool = True
    # What of the result is not compared, and why.
    leave_out: tuple = ()
    note: str = ""
    # Where norma differs on purpose; such cases are compared in tests of their own.
    difference: str = ""
    # Relative, in place of the one of the type.
    tolerance: float = 0
    # The samples that each participant of synchronized statistics has.
    participants: tuple = ()
    # Arguments for the library beyond norma's terms, or in their place.
    library: dict = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(preset, name, shape, axis, **rest):
        """A case whose options and other fields are given side by side."""
        fields = {field.name for field in dataclasses.fields(Case)}
        options = {key: value for key, value in rest.items() if key not in fields}
        others = {key: value for key, value in rest.items() if key in fields}
        return Case(preset, name, shape, {"axis": axis, **options}, **others)

    def kept(self):
        return tuple(sorted(axis % len(self.shape) for axis in self.options["axis"]))

    def kept_shape(self):
        return tuple(self.shape[axis] for axis in self.kept())

    def reduced(self):
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.kept())

    def numpy_dtype(self):
        return DTYPES[self.dtype]

    def parameter_dtype(self):
        return numpy.float64 if self.dtype == "f64" else numpy.float32


class Data:
    """The numbers of a case. Few digits, so that the files stay small and legible."""

    def __init__(self, case):
        self.case = case
        self.random = numpy.random.default_rng(zlib.crc32(case.name.encode()))

    def normal(self, shape, mean, deviation, digits):
        return numpy.round(self.random.normal(mean, deviation, shape), digits)

    def uniform(self, shape, low, high, digits):
        return numpy.round(self.random.uniform(low, high, shape), digits)

    def weights(self):
        shape, dtype = self.case.kept_shape(), self.case.parameter_dtype()
        options = self.case.options
        values = {"gamma": self.uniform(shape, 0.5, 1.5, 2), "beta": self.normal(shape, 0, 1, 2),
                  "moving_mean": self.normal(shape, 0, 0.5, 2),
                  "moving_variance": self.uniform(shape, 0.5, 2, 2)}
        if options.get("renorm"):
            values["moving_stddev"] = self.uniform(shape, 0.7, 1.4, 2)
            values["renorm_mean"] = self.normal(shape, 0, 0.5, 2)
            values["renorm_stddev"] = self.uniform(shape, 0.7, 1.4, 2)
        if not options.get("scale", True):
            del values["gamma"]
        if not options.get("center", True):
            del values["beta"]
        return {name: value.astype(dtype) for name, value in values.items()}

    def step(self):
        case = self.case
        x = self.normal(case.shape, case.mean, case.deviation, 0 if case.dtype == "i32" else 3)
        values = {"x": x.astype(case.numpy_dtype())}
        shape = case.shape[:-1] + (1,)
        if case.inputs == "mask":
            values["mask"] = self.random.uniform(size=shape) < 0.75
        elif case.inputs == "empty":
            values["mask"] = numpy.zeros(shape, bool)
        elif case.inputs == "weights":
            values["weights"] = self.random.integers(0, 4, shape).astype(case.parameter_dtype())
        if case.dtype != "i32":
            values["dy"] = self.normal(case.shape, 0, 1, 2).astype(case.numpy_dtype())
        return values

    def adjustment(self):
        scale, bias = self.case.adjustment
        dtype = self.case.parameter_dtype()
        return {"scale": self.uniform(scale, 0.5, 1.5, 2).astype(dtype),
                "bias": self.normal(bias, 0, 0.5, 2).astype(dtype)}


def record(case, make_peer):
    """Runs a case. `make_peer(case, adjustment)` makes the library's layer, built for the case's shape:

    set_weights(values)         by norma's names
    call(kind, inputs)          returns what of y, dx, gamma and beta (their gradients) there is
    weights()                   by norma's names
    """
    data = Data(case)
    result = {"case": case.name, "preset": case.preset, "options": case.options, "dtype": case.dtype,
              "shape": case.shape}
    for key in ("note", "difference", "tolerance", "participants"):
        if getattr(case, key):
            result[key] = getattr(case, key)
    adjustment = {}
    if case.adjustment:
        adjustment = data.adjustment()
        result["adjustment"] = {name: {"shape": value.shape, "values": value}
                                for name, value in adjustment.items()}
    peer = make_peer(case, adjustment)
    if case.initialize:
        values = data.weights()
        peer.set_weights(values)
        result["weights"] = values
    result["steps"] = []
    for kind in case.calls:
        inputs = {} if kind == CONSTRAIN else data.step()
        expected = peer.call(kind, inputs)
        if "dx" not in expected:
            inputs.pop("dy", None)
        weights = peer.weights()
        if kind != CONSTRAIN:
            weights = {name: value for name, value in weights.items() if name not in ("gamma", "beta")}
        expected["weights"] = weights
        for name in case.leave_out:
            expected.pop(name, None)
        result["steps"].append({"call": kind, "inputs": inputs, "expected": expected})
    return result


def number(value):
    """The shortest number that is `value` again once it is rounded to its type; null for NaN."""
    if isinstance(value, (bool, numpy.bool_, numpy.integer, int)):
        return int(value)
    if isinstance(value, ml_dtypes.bfloat16):
        value = numpy.float32(value)
    value = float(str(value))
    if value != value:
        return None
    assert abs(value) != float("inf"), "an infinite result"
    return int(value) if value == int(value) and abs(value) < 1e6 else value


def holds_arrays(value):
    if isinstance(value, dict):
        return any(holds_arrays(v) for v in value.values())
    return isinstance(value, numpy.ndarray) or (isinstance(value, list) and any(map(holds_arrays, value)))


def to_text(value, indent=0):
    """JSON with a line for every array, and for everything that holds none."""
    if isinstance(value, numpy.ndarray):
        return json.dumps([number(element) for element in value.reshape(-1)], separators=(",", ":"))
    if isinstance(value, numpy.generic):
        return json.dumps(number(value))
    if not holds_arrays(value):
        return json.dumps(value)
    if isinstance(value, dict):
        begin, end = "{}"
        lines = [f"{json.dumps(key)}: {to_text(v, indent + 1)}" for key, v in value.items()]
    else:
        begin, end = "[]"
        lines = [to_text(v, indent + 1) for v in value]
    pad = "\n" + " " * (indent + 1)
    return begin + pad + ("," + pad).join(lines) + "\n" + " " * indent + end


def write(name, library, cases):
    assert len({case["case"] for case in cases}) == len(cases), "two cases of one name"
    DATA.mkdir(parents=True, exist_ok=True)
    path = DATA / f"{name}.json"
    path.write_text(to_text({"library": library, "cases": cases}) + "\n")
    print(f"{path.name}: {library}, {len(cases)} cases, {path.stat().st_size / 1e3:.0f} kB")
