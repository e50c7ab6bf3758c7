"""PyTorch: torch.nn.BatchNorm1d, 2d and 3d."""

import numpy
import torch

from recording import ILL_CONDITIONED, THRICE, TRAIN, Case, record, write

DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16}
CLASSES = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d, 5: torch.nn.BatchNorm3d}
# norma's names of what PyTorch calls otherwise.
NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


class Peer:
    def __init__(self, case, adjustment):
        self.case = case
        options = case.options
        affine = options.get("scale", True)
        dtype = torch.float64 if case.dtype == "f64" else torch.float32
        self.layer = CLASSES[len(case.shape)](
            case.shape[1], eps=options.get("epsilon", 1e-5), momentum=options.get("momentum", 0.1),
            affine=affine, dtype=dtype, **case.library)

    def tensors(self):
        tensors = {name: getattr(self.layer, other) for name, other in NAMES.items()}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def set_weights(self, values):
        tensors = self.tensors()
        with torch.no_grad():
            for name in tensors:
                tensors[name].copy_(torch.from_numpy(values[name]))

    def weights(self):
        return {name: tensor.detach().numpy().copy() for name, tensor in self.tensors().items()}

    def call(self, kind, inputs):
        self.layer.train(kind == TRAIN)
        dtype = DTYPES[self.case.dtype]
        # NumPy has no bfloat16 that PyTorch knows; by way of f64 every number stays the same.
        x, dy = (torch.from_numpy(inputs[name].astype(numpy.float64)).to(dtype) for name in ("x", "dy"))
        x.requires_grad_()
        y = self.layer(x)
        parameters = dict(self.layer.named_parameters())
        gradients = torch.autograd.grad(y, [x, *parameters.values()], dy)
        result = {"y": y.detach(), **dict(zip(["dx"] + ["d" + name for name in parameters], gradients))}
        renamed = {"dweight": "dgamma", "dbias": "dbeta"}
        to_numpy = self.case.numpy_dtype()
        return {renamed.get(name, name): tensor.to(torch.float64).numpy().astype(
            to_numpy if name in ("y", "dx") else self.case.parameter_dtype())
            for name, tensor in result.items()}


def pytorch(name, shape, **rest):
    return Case.of("pytorch", name, shape, [1], **rest)


TABLE, SEQUENCE, IMAGES, VOLUMES = (6, 5), (4, 3, 5), (2, 4, 3, 3), (2, 3, 2, 2, 3)
NOT_AFFINE = {"center": False, "scale": False}


def cases():
    return [
        pytorch("table", TABLE, calls=THRICE),
        pytorch("table_from_its_first_state", TABLE, initialize=False),
        pytorch("sequence", SEQUENCE, calls=THRICE),
        pytorch("images", IMAGES, calls=THRICE),
        pytorch("images_from_their_first_state", IMAGES, initialize=False),
        pytorch("volumes", VOLUMES),
        pytorch("wide_table", (5, 19)),
        pytorch("two_samples", (2, 5), tolerance=ILL_CONDITIONED),
        pytorch("constant_columns", TABLE, deviation=0, tolerance=ILL_CONDITIONED),
        pytorch("mean_of_100", TABLE, mean=100, deviation=2, tolerance=ILL_CONDITIONED),
        pytorch("table_f64", TABLE, calls=THRICE, dtype="f64"),
        pytorch("images_f64", IMAGES, dtype="f64"),
        pytorch("table_f16", TABLE, dtype="f16"),
        pytorch("images_f16", IMAGES, dtype="f16"),
        pytorch("table_bf16", TABLE, dtype="bf16"),
        pytorch("images_bf16", IMAGES, calls=THRICE, dtype="bf16"),
        pytorch("cumulative", TABLE, calls=THRICE, momentum=None),
        pytorch("cumulative_images", IMAGES, calls=THRICE, momentum=None),
        pytorch("momentum_0", TABLE, momentum=0.0),
        pytorch("momentum_1", TABLE, momentum=1.0),
        pytorch("momentum_half", TABLE, calls=THRICE, momentum=0.5),
        pytorch("epsilon", TABLE, epsilon=0.1),
        pytorch("small_epsilon", IMAGES, mean=0.1, deviation=0.02, epsilon=1e-8),
        pytorch("not_affine", TABLE, **NOT_AFFINE),
        pytorch("not_affine_images", IMAGES, **NOT_AFFINE),
        pytorch("empty_batch", (0, 5)),
        pytorch("empty_images", (0, 4, 3, 3), momentum=0.5),
        pytorch("without_running_statistics", TABLE, calls=(TRAIN, TRAIN), leave_out=("weights",),
                note="track_running_stats=False: statistics of the batch always, and none are kept",
                library={"track_running_stats": False}),
    ]


def run():
    torch.manual_seed(0)
    write("torch", f"torch {torch.__version__.split('+')[0]}", [record(case, Peer) for case in cases()])
