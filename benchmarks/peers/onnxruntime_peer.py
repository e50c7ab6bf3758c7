"""ONNX Runtime: the operator BatchNormalization, inputs and outputs bound to NumPy's memory, all optimizations.
Data with the channels last is handed over as a table, which is the same memory. Two threads:
SessionOptions.intra_op_num_threads."""

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from harness import EPSILON, Unsupported

NAME = "onnxruntime"


class OnnxRuntime:
    def __init__(self, threads=2):
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

    def version(self):
        return onnxruntime.__version__

    def prepare(self, case, inputs):
        if case.work not in ("normalize", "infer"):
            raise Unsupported("ONNX Runtime is for inference")
        if case.dtype not in ("f32", "f64") or case.out != case.dtype:
            raise Unsupported("BatchNormalization has one type of data, a float of at least 32 bits")
        shape = case.shape if case.axis == 1 else (-1, case.channels)
        x, y = inputs.x.reshape(shape), inputs.y.reshape(shape)
        infer = case.work == "infer"
        values = {"scale": inputs.gamma if infer else numpy.ones_like(inputs.gamma),
                  "bias": inputs.beta if infer else numpy.zeros_like(inputs.beta),
                  "mean": inputs.mean, "variance": inputs.variance}
        element = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE}[case.dtype]
        graph = helper.make_graph(
            [helper.make_node("BatchNormalization", ["x", *values], ["y"], epsilon=EPSILON if infer else 0.0)],
            "norm", [helper.make_tensor_value_info("x", element, x.shape)],
            [helper.make_tensor_value_info("y", element, x.shape)],
            [numpy_helper.from_array(value.astype(x.dtype), name) for name, value in values.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=9)
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), self.options,
                                               providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        binding.bind_input("x", "cpu", 0, x.dtype, x.shape, x.ctypes.data)
        binding.bind_output("y", "cpu", 0, y.dtype, y.shape, y.ctypes.data)
        run = session.run_with_iobinding
        return lambda: run(binding)
