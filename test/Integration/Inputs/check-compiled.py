"""Compiles kernels of all kinds to one object, links it, calls them, and compares with NumPy.

usage: check-compiled.py NORMA CC FOLDER [CPU...]

A processor that this machine is not as good as is passed over.
"""

import ctypes
import os
import subprocess
import sys

import numpy as np

rng = np.random.default_rng(1)
LEVELS = {"x86-64-v2": "sse4_2", "x86-64-v3": "avx2", "x86-64-v4": "avx512vl"}
NUMPY = {"f32": "f4", "f64": "f8", "f16": "f2", "i8": "i1", "u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4",
         "i64": "i8", "bool": "u1"}
ROUNDING = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}


def to_memory(values, dtype):
    """Numbers as the bits that are in memory."""
    if dtype == "bf16":
        bits = np.asarray(values, "f4").view("u4")
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("u2")
    return np.asarray(values).astype(NUMPY[dtype])


def from_memory(values, dtype):
    if dtype == "bf16":
        return (values.astype("u4") << 16).view("f4").astype("f8")
    return values.astype("f8")


def aligned(shape, dtype):
    """An array on a multiple of 64 bytes."""
    memory = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + 64, "u1")
    start = -memory.ctypes.data % 64
    return memory[start:memory.size - 64 + start].view(dtype).reshape(shape)


class Spec:
    def __init__(self, text):
        fields = text.split(";")
        self.text, self.family, self.data = text, fields[0], fields[2]
        self.kinds, extents = fields[1].rstrip("]").split("[")
        self.extents = extents.split("x")
        self.options = dict(f.split("=") for f in fields[3:] if "=" in f)
        self.interleaved, self.exact = "interleaved" in fields, "exact" in fields
        self.layout = next((f for f in fields if f in ("dense-rows", "unit-inner", "strided")), "contiguous")
        is_float = self.data in ROUNDING
        self.out = self.options.get("to", self.data if is_float else "f32")
        self.dy = self.options.get("dy", self.data if is_float else "f32")
        wide = "f64" in (self.data, self.out, self.dy if self.family == "grad_map" else "")
        self.compute = self.options.get("compute", "f64" if wide else "f32")


class Call:
    """Arguments of a C function, in the order of its header."""

    def __init__(self, spec, rows):
        self.spec = spec
        self.shape = [rows if i == 0 else 5 if e == "?" else int(e) for i, e in enumerate(spec.extents)]
        self.kept = tuple(i for i, kind in enumerate(spec.kinds) if kind == "K")
        self.reduced = tuple(i for i, kind in enumerate(spec.kinds) if kind == "R")
        self.arguments = [ctypes.c_int64(s) for s, e in zip(self.shape, spec.extents) if e == "?"]
        self.tensors, self.arrays = [], []

    def like_data(self, values, dtype, layout=None, repeats=0):
        """A tensor with the shape of the data, in memory with gaps where the layout allows that."""
        layout = layout or self.spec.layout
        shape = [1 if repeats >> i & 1 else s for i, s in enumerate(self.shape)]
        last = len(shape) - 1
        fixed = [layout == "contiguous" or (layout == "dense-rows" and i > 0) or (layout != "strided" and i == last)
                 for i in range(len(shape))]
        base = aligned([s * (1 if f else 2) for s, f in zip(shape, fixed)], to_memory(np.zeros(1), dtype).dtype)
        base[...] = 77
        steps = tuple(slice(None, None, 1 if f else 2) for f in fixed)
        view = base[steps]
        view[...] = to_memory(values, dtype)
        self.tensors.append((base, steps))
        self.arguments.append(ctypes.c_void_p(base.ctypes.data))
        self.arguments += [ctypes.c_int64(stride // view.itemsize) for i, stride in enumerate(view.strides)
                           if not fixed[i] and not repeats >> i & 1]
        return view

    def per_kept(self, values, dtype):
        array = np.ascontiguousarray(to_memory(values, dtype))
        self.arrays.append(array)
        self.arguments.append(ctypes.c_void_p(array.ctypes.data))
        return array

    def operand(self, name, values):
        """A mask or weights, which may repeat along axes; 1 where there are none."""
        text = self.spec.options.get(name)
        if text is None:
            return 1.0
        dtype, bits = text.split("/") if "/" in text else (text, "0")
        repeats = int(bits, 16)
        shape = [1 if repeats >> i & 1 else s for i, s in enumerate(self.shape)]
        layout = "strided" if self.spec.layout == "strided" else "unit-inner"
        return from_memory(self.like_data(values(shape), dtype, layout, repeats), dtype)

    def run(self, function):
        function(*self.arguments)
        for base, steps in self.tensors:
            gaps = np.ones(base.shape, bool)
            gaps[steps] = False
            assert np.all(base[gaps] == 77), "wrote between the elements of a tensor"


def numbers(shape, dtype):
    if dtype in ("f32", "f64", "f16", "bf16"):
        return 3 + rng.standard_normal(shape)
    low, high = (0, 2) if dtype == "bool" else (0, 100) if dtype.startswith("u") else (-100, 100)
    return rng.integers(low, high, shape)


def close(name, actual, expected, scale, dtype, factor=4):
    error = np.abs(actual - expected)
    allowed = factor * ROUNDING[dtype] * scale
    assert np.all(error <= allowed), f"{name}: off by {np.max(error / allowed)} of what is allowed"


def check(spec, function, rows):
    if spec.exact and rows == 0:
        return  # It is for blocks of some data.
    call = Call(spec, rows)
    expectations = [prepare(spec, call, spec.family)]
    if spec.interleaved:
        expectations.append(prepare(spec, call, {"affine": "moments", "grad_map": "grad_sums"}[spec.family]))
    call.run(function)
    for expect in expectations:
        expect()


def prepare(spec, call, family):
    """Adds the arguments of a kernel; what is returned looks at what it wrote."""
    keep = lambda values: np.expand_dims(values, call.reduced)
    kept_shape = [call.shape[i] for i in call.kept]
    x = from_memory(call.like_data(numbers(call.shape, spec.data), spec.data), spec.data)
    worst = spec.out if ROUNDING[spec.out] > ROUNDING[spec.compute] else spec.compute

    def coefficient(values):
        return keep(call.per_kept(values, spec.compute).astype("f8"))

    if family == "affine":
        letters = spec.options["coefficients"]
        center = coefficient(rng.standard_normal(kept_shape)) if "c" in letters else 0.0
        scale = coefficient(rng.uniform(0.5, 2, kept_shape)) if "s" in letters else 1.0
        shift = coefficient(rng.standard_normal(kept_shape)) if "b" in letters else 0.0
        y = call.like_data(np.zeros(call.shape), spec.out)
        return lambda: close(spec.text, from_memory(y, spec.out), (x - center) * scale + shift,
                             np.abs((x - center) * scale) + np.abs(shift) + 1e-6, worst)
    dy = None
    if family.startswith("grad"):
        dy = from_memory(call.like_data(rng.standard_normal(call.shape), spec.dy), spec.dy)
    if family == "grad_map":
        center, slope, offset, scale = (coefficient(rng.standard_normal(kept_shape)) for _ in range(4))
    if family == "grad_sums":
        center = keep(call.per_kept(3 + rng.standard_normal(kept_shape), "f64"))
    mask = call.operand("mask", lambda shape: rng.integers(0, 2, shape)) != 0
    weight = call.operand("weights", lambda shape: rng.uniform(0.5, 2, shape)) * mask
    if family == "grad_map":
        y = call.like_data(np.zeros(call.shape), spec.out)
        terms = (dy * scale, (x - center) * slope * weight, offset * weight)
        return lambda: close(spec.text, from_memory(y, spec.out), sum(terms),
                             sum(np.abs(t) for t in terms) + 1e-6, worst)
    results = [call.per_kept(np.full(kept_shape, 77.0), "f64") for _ in range(3 if family == "moments" else 2)]

    def expect_sums():
        for actual, term in zip(results, (dy, dy * (x - center))):
            close(spec.text, actual, term.sum(call.reduced), np.abs(term).sum(call.reduced) + 1e-30, "f32", 8)

    def expect_statistics():
        each = np.broadcast_to(weight, x.shape)
        count = each.sum(call.reduced)
        mean = np.where(count > 0, (each * x).sum(call.reduced) / np.where(count > 0, count, 1), 0)
        m2 = (each * (x - keep(mean)) ** 2).sum(call.reduced)
        for name, actual, expected in zip(("count", "mean", "m2"), results, (count, mean, m2)):
            close(f"{spec.text}: {name}", actual, expected, np.abs(expected) + 1e-12, "f32", 8)

    return expect_sums if family == "grad_sums" else expect_statistics


def check_all_halves(functions):
    """Conversions of every f16 number, and of f32 numbers around every rounding, to the bit."""
    halves = np.arange(65536, dtype="u2")
    wide = np.zeros(65536, "f4")
    pointer = lambda array: ctypes.c_void_p(array.ctypes.data)
    functions["widen"](ctypes.c_int64(halves.size), pointer(halves), pointer(wide))
    expected = halves.view("f2").astype("f4")
    same = (wide.view("u4") == expected.view("u4")) | (np.isnan(wide) & np.isnan(expected))
    assert same.all(), f"widen: {halves[~same][:8]}"
    finite = expected[np.isfinite(expected)].astype("f8")
    middle = (np.sort(finite)[1:] + np.sort(finite)[:-1]) / 2
    around = np.concatenate([np.nextafter(middle.astype("f4"), np.float32(s)) for s in (-np.inf, np.inf)])
    extreme = np.array([0, -0.0, 65504, 65519.99, 65520, 65536, 1e10, 3e38, np.inf, np.nan, 2**-25, 2**-24,
                        1e-10, 1e-40], "f4")
    values = np.concatenate([expected, middle.astype("f4"), around, extreme, -extreme])
    narrow = np.zeros(values.size, "u2")
    functions["narrow"](ctypes.c_int64(values.size), pointer(values), pointer(narrow))
    with np.errstate(over="ignore"):
        expected = values.astype("f2")
    same = (narrow == expected.view("u2")) | (np.isnan(narrow.view("f2")) & np.isnan(expected))
    assert same.all(), f"narrow: {values[~same][:8]}"


SPECS = [
    "affine;RK[?x13];f32;coefficients=cs",
    "affine;RK[?x13];f32;coefficients=csb;streaming",
    "affine;RK[?x64];u8;coefficients=csb;to=f16",
    "affine;RKR[?x3x49];f16;coefficients=csb",
    "affine;RKR[?x3x49];bf16;coefficients=cs;to=bf16",
    "affine;RK[?x?];f64;coefficients=sb",
    "affine;KRK[?x4x5];i16;coefficients=c;to=f64",
    "affine;R[?];f32;coefficients=csb;compute=f64",
    "affine;RK[?x13];f32;coefficients=cs;strided",
    "affine;RKR[?x3x8];f32;coefficients=csb;unit-inner",
    "affine;RKR[?x4x12];f32;coefficients=csb;dense-rows",
    "affine;RKR[?x16x17];f32;coefficients=csb;dense-rows;streaming",
    "affine;RKR[?x3x48];f32;coefficients=csb;dense-rows;streaming;interleaved",
    "affine;RKR[?x16x49];f32;coefficients=csb;dense-rows;streaming;interleaved;ahead",
    "affine;RKR[?x3x50];u8;coefficients=cs;interleaved",
    "affine;RK[?x16];i16;coefficients=;to=bf16",
    "affine;RK[?x5];u8;coefficients=;to=f16;strided",
    "moments;RK[?x13];f32",
    "moments;RKR[?x16x49];f16",
    "moments;RKR[?x3x?];bf16;nan=omit",
    "moments;KR[?x100];u8",
    "moments;R[?];i64",
    "moments;RK[?x13];u8;exact",
    "moments;RKR[?x3x49];f32;exact",
    "moments;RK[?x13];f32;mask=u8/2",
    "moments;RKR[?x4x9];f64;weights=f64/6;mask=u8/0;unit-inner",
    "moments;RKR[?x16x7];f32;dense-rows",
    "moments;RK[?x7];f32;weights=f32;strided",
    "grad_sums;RK[?x13];f32",
    "grad_sums;RKR[?x3x49];f16;mask=u8/4",
    "grad_sums;KRK[?x?x5];bf16;weights=f16/3",
    "grad_sums;KR[?x49];f32;dy=f64;weights=bf16/2",
    "grad_map;RK[?x13];f32",
    "grad_map;RKR[?x3x20];bf16;weights=f64/6;mask=u8/6;unit-inner",
    "grad_map;RKR[?x16x49];f32;dense-rows;streaming",
    "grad_map;RKR[?x3x48];f32;dense-rows;streaming;interleaved",
    "grad_map;RKR[?x3x48];f32;dense-rows;streaming;interleaved;ahead",
    "affine;RK[?x33];bf16;coefficients=cs;streaming;ahead",
    "grad_map;RK[?x5];f64;dy=f32;strided",
]


def main():
    norma, compiler, folder, cpus = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    for cpu in cpus:
        if cpu in LEVELS and LEVELS[cpu] not in flags:
            continue
        path = os.path.join(folder, cpu)
        named = [f"k{i}={text}" for i, text in enumerate(SPECS)]
        named += ["widen=affine;R[?];f16;coefficients=;to=f32", "narrow=affine;R[?];f32;coefficients=;to=f16"]
        subprocess.run([norma, "compile", f"--target-cpu={cpu}", "-o", path + ".o", "--header", path + ".h"]
                       + [word for text in named for word in ("--spec", text)], check=True)
        subprocess.run([compiler, "-shared", path + ".o", "-o", path + ".so", "-lm"], check=True)
        library = ctypes.CDLL(path + ".so")
        for i, text in enumerate(SPECS):
            for rows in (0, 1, 3, 100, 1001):
                if rows == 0 and text.startswith("moments;K"):
                    continue
                check(Spec(text), library[f"k{i}"], rows)
        check_all_halves(library)
    print(f"{len(SPECS)} kernels agree")


main()
