"""PyTorch. Eager: the operators behind nn.BatchNorm in their `out=` forms, on memory of NumPy, channels-last
tensors in PyTorch's own channels_last layout. Compiled: torch.compile of the formula, writing to a given
output. No autograd. Two threads: torch.set_num_threads."""

import sys
import time

import ml_dtypes
import numpy

# It is for GPUs, and the LLVM in it cannot share a process with that of others.
sys.modules["triton"] = None

import torch  # noqa: E402

from harness import EPSILON, MOMENTUM, Unsupported  # noqa: E402


class Tensors:
    """Views of the arrays with the channels on axis 1, as PyTorch wants them."""

    def __init__(self, case, inputs):
        def view(array):
            if array is None:
                return None
            # PyTorch does not know NumPy's bfloat16.
            tensor = (torch.from_numpy(array.view(numpy.int16)).view(torch.bfloat16)
                      if array.dtype == ml_dtypes.bfloat16 else torch.from_numpy(array))
            return tensor.movedim(-1, 1) if case.channels_last and tensor.ndim > 2 else tensor

        if case.axis is None or not (case.channels_last or case.axis == 1):
            raise Unsupported("PyTorch has channels on axis 1")
        self.x, self.dy, self.y = view(inputs.x), view(inputs.dy), view(inputs.y)
        self.mean, self.variance, self.gamma, self.beta = (
            torch.from_numpy(values) for values in (inputs.mean, inputs.variance, inputs.gamma, inputs.beta))
        self.saved_mean, self.saved_invstd = (torch.empty_like(self.mean) for _ in range(2))
        self.shape = [1, -1] + [1] * (self.x.ndim - 2)


class Eager:
    NAME = "torch"

    def __init__(self, threads=2):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def version(self):
        return torch.__version__.split("+")[0]

    def prepare(self, case, inputs):
        t = Tensors(case, inputs)
        empty = torch.empty(0)
        if case.work == "moments":
            axes = [axis for axis in range(t.x.ndim) if axis != 1]
            if case.dtype == "u8":
                raise Unsupported("var_mean takes floats")
            return lambda: torch.var_mean(t.x, dim=axes, correction=0)
        if case.dtype != "f32" or case.out != "f32":
            raise Unsupported("eager operators of other types are the formula, which is compiled below")
        if case.work in ("normalize", "infer"):
            weight, bias, epsilon = (t.gamma, t.beta, EPSILON) if case.work == "infer" else (None, None, 0.0)
            return lambda: torch.native_batch_norm(
                t.x, weight, bias, t.mean, t.variance, False, 0.0, epsilon, out=(t.y, empty, empty))
        if case.work == "forward":
            return lambda: torch.native_batch_norm(
                t.x, t.gamma, t.beta, t.mean, t.variance, True, 1 - MOMENTUM, EPSILON,
                out=(t.y, t.saved_mean, t.saved_invstd))
        if case.work == "backward":
            _, mean, invstd = torch.native_batch_norm(
                t.x, t.gamma, t.beta, t.mean, t.variance, True, 1 - MOMENTUM, EPSILON)
            dgamma, dbeta = torch.empty_like(t.gamma), torch.empty_like(t.beta)
            return lambda: torch.ops.aten.native_batch_norm_backward.out(
                t.dy, t.x, t.gamma, t.mean, t.variance, mean, invstd, True, EPSILON, [True, True, True],
                out0=t.y, out1=dgamma, out2=dbeta)
        raise Unsupported(f"no {case.work} here")


class Compiled(Eager):
    NAME = "torch.compile"

    def _function(self, case, t):
        axes = [axis for axis in range(t.x.ndim) if axis != 1]
        shape = t.shape

        def moments(x):
            return torch.var_mean(x.float() if case.dtype == "u8" else x, dim=axes, correction=0)

        def normalize(x, y, mean, variance):
            y.copy_((x - mean.view(shape)) * torch.rsqrt(variance).view(shape))

        def infer(x, y, mean, variance, gamma, beta):
            scale = gamma * torch.rsqrt(variance + EPSILON)
            y.copy_((x - mean.view(shape)) * scale.view(shape) + beta.view(shape))

        def forward(x, y, mean, variance, gamma, beta):
            batch_variance, batch_mean = torch.var_mean(x, dim=axes, correction=0)
            scale = gamma * torch.rsqrt(batch_variance + EPSILON)
            y.copy_((x - batch_mean.view(shape)) * scale.view(shape) + beta.view(shape))
            mean.mul_(MOMENTUM).add_(batch_mean, alpha=1 - MOMENTUM)
            variance.mul_(MOMENTUM).add_(batch_variance, alpha=1 - MOMENTUM)
            return batch_mean, batch_variance

        def backward(x, dy, dx, mean, invstd, gamma):
            count = x.numel() / gamma.numel()
            centered = x - mean.view(shape)
            dbeta = dy.sum(dim=axes)
            dot = (dy * centered).sum(dim=axes)
            slope = invstd * invstd * dot / count
            dx.copy_((dy - (dbeta / count).view(shape) - centered * slope.view(shape))
                     * (gamma * invstd).view(shape))
            return dot * invstd, dbeta

        if case.work == "backward":
            variance, mean = torch.var_mean(t.x, dim=axes, correction=0)
            arguments = (t.x, t.dy, t.y, mean, torch.rsqrt(variance + EPSILON), t.gamma)
        elif case.work == "moments":
            arguments = (t.x,)
        elif case.work == "normalize":
            arguments = (t.x, t.y, t.mean, t.variance)
        else:
            arguments = (t.x, t.y, t.mean, t.variance, t.gamma, t.beta)
        return {"moments": moments, "normalize": normalize, "infer": infer, "forward": forward,
                "backward": backward}[case.work], arguments

    def prepare(self, case, inputs):
        function, arguments = self._function(case, Tensors(case, inputs))
        torch.compiler.reset()
        compiled = torch.compile(function, dynamic=False)
        return lambda: compiled(*arguments)

    def compile_seconds(self, case, inputs):
        """The first call without its own run; inductor's cache of earlier runs is off, see run.py."""
        function, arguments = self._function(case, Tensors(case, inputs))
        torch.compiler.reset()
        compiled = torch.compile(function, dynamic=False)
        start = time.perf_counter()
        compiled(*arguments)
        first = time.perf_counter() - start
        start = time.perf_counter()
        compiled(*arguments)
        return first - (time.perf_counter() - start)
