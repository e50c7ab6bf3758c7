"""ONNX' BatchNormalization of opset 15, by ONNX Runtime and by the evaluator of the onnx package."""

import os

import numpy
import onnx
import onnx.reference
import onnxruntime
from onnx import TensorProto, helper

from recording import ILL_CONDITIONED, INFER, THRICE, TRAIN, Case, record, write

TYPES = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "f16": TensorProto.FLOAT16}
IN_MODEL = ("X", "scale", "B", "input_mean", "input_var")
WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def model_of(case, training):
    outputs = ["Y", "running_mean", "running_var"] if training else ["Y"]
    node = helper.make_node("BatchNormalization", list(IN_MODEL), outputs,
                            epsilon=case.options.get("epsilon", 1e-5),
                            momentum=case.options.get("momentum", 0.9), training_mode=int(training))
    data, parameter = TYPES[case.dtype], TYPES["f64" if case.dtype == "f64" else "f32"]
    kept = case.kept_shape()

    def value(name):
        is_data = name in ("X", "Y")
        return helper.make_tensor_value_info(name, data if is_data else parameter,
                                             case.shape if is_data else kept)

    graph = helper.make_graph([node], "batch_norm", [value(n) for n in IN_MODEL], [value(n) for n in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    return model


class Peer:
    def __init__(self, case, adjustment):
        self.values = {}
        models = {kind: model_of(case, kind == TRAIN) for kind in (TRAIN, INFER)}
        if os.environ["PEER"] == "onnxruntime":
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            sessions = {kind: onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                           providers=["CPUExecutionProvider"])
                        for kind, model in models.items()}
        else:
            sessions = {kind: onnx.reference.ReferenceEvaluator(model) for kind, model in models.items()}
        self.sessions = sessions

    def set_weights(self, values):
        self.values = dict(values)

    def weights(self):
        return dict(self.values)

    def call(self, kind, inputs):
        feeds = dict(zip(IN_MODEL, [inputs["x"], *(self.values[name] for name in WEIGHTS)]))
        y, *moving = self.sessions[kind].run(None, feeds)
        self.values.update(zip(WEIGHTS[2:], moving))
        return {"y": y}


def onnx_case(name, shape, **rest):
    return Case.of("onnx", name, shape, [1], **rest)


# Attributes are f32; these are the same numbers in f64.
EXACT = {"dtype": "f64", "momentum": 0.75, "epsilon": 2 ** -10}


TABLE, SEQUENCE, IMAGES, VOLUMES = (6, 5), (4, 3, 5), (2, 4, 3, 3), (2, 3, 2, 2, 3)


def cases():
    return [
        onnx_case("table", TABLE, calls=THRICE),
        onnx_case("sequence", SEQUENCE),
        onnx_case("images", IMAGES, calls=THRICE),
        onnx_case("volumes", VOLUMES),
        onnx_case("table_f64", TABLE, calls=THRICE, **EXACT),
        onnx_case("images_f64", IMAGES, **EXACT),
        onnx_case("epsilon", IMAGES, epsilon=0.1),
        onnx_case("momentum_0", TABLE, momentum=0.0),
        onnx_case("momentum_1", TABLE, momentum=1.0),
        onnx_case("momentum_half", IMAGES, calls=THRICE, momentum=0.5),
        onnx_case("one_sample", (1, 5), tolerance=ILL_CONDITIONED),
        onnx_case("constant_columns", TABLE, deviation=0, tolerance=ILL_CONDITIONED),
        onnx_case("images_f16", IMAGES, calls=(INFER,), dtype="f16"),
    ]


def run():
    library = (f"onnxruntime {onnxruntime.__version__}" if os.environ["PEER"] == "onnxruntime"
               else f"onnx {onnx.__version__}, its reference evaluator")
    write(os.environ["PEER"], library, [record(case, Peer) for case in cases()])
