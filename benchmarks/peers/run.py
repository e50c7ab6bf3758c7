"""Measures norma beside other libraries, in turns and on the same memory.

usage: run.py --cases=CASES.json --library=libnorma_c.so --output=RESULTS.json [--quick] [--parts=PART,...]
              [--only=NAME,...] [--filter=TEXT]

CASES.json is what `NormaBench --cases` prints. Every library is given two threads, in the way its module says,
and the process two processors. A library that cannot be imported is left out, and the results say so.
"""

import argparse
import gc
import importlib
import json
import os
import sys
import time

# Read by the libraries when they are loaded.
os.environ["OMP_NUM_THREADS"] = "2"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

import harness  # noqa: E402

PEERS = {
    "numpy": ("numpy_peer", "NumPy"),
    "scikit-learn": ("sklearn_peer", "ScikitLearn"),
    "keras": ("tensorflow_peer", "Keras"),
    "keras-xla": ("tensorflow_peer", "KerasXla"),
    "jax": ("jax_peer", "Jax"),
    "torch": ("torch_peer", "Eager"),
    "torch.compile": ("torch_peer", "Compiled"),
    "onnxruntime": ("onnxruntime_peer", "OnnxRuntime"),
    "onednn": ("onednn_peer", "OneDnn"),
}
COMPILED_CASES = 3
COMPILE_RUNS = 3


def load(names, library):
    """The contestants that there are, norma first, and why the others are not there."""
    from norma_peer import Norma
    contestants, missing = {"norma": Norma(library)}, {}
    for name in names:
        module, cls = PEERS[name]
        try:
            contestants[name] = getattr(importlib.import_module(module), cls)()
        except (ImportError, OSError) as error:
            missing[name] = str(error).splitlines()[0]
            print(f"{name} is left out: {missing[name]}", file=sys.stderr)
    return contestants, missing


def run_case(case, contestants, memory, rounds, least_seconds):
    try:
        inputs = harness.Inputs(case, memory)
    except harness.Unsupported as error:
        return None, {"all": str(error)}
    calls, reasons = {}, {}
    for name, contestant in contestants.items():
        try:
            call = contestant.prepare(case, inputs)
            call()
            calls[name] = call
        except harness.Unsupported as error:
            reasons[name] = str(error)
        except Exception as error:  # what a library cannot do must not end the others' run
            reasons[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            print(f"{case.name}: {name} failed: {reasons[name]}", file=sys.stderr)
    return harness.measure_in_turns(calls, rounds, least_seconds), reasons


def run_compilations(cases, contestants, memory):
    """Median seconds from nothing to code that can be called, of a few cases of every kind of work."""
    results = []
    by_work = {}
    for case in sorted(cases, key=lambda case: case.footprint):
        if case.dtype == case.out == "f32" and case.footprint < 8 << 20:
            by_work.setdefault(case.work, []).append(case)
    for case in [case for listed in by_work.values() for case in listed[:COMPILED_CASES]]:
        inputs = harness.Inputs(case, memory)
        seconds = {}
        for name, contestant in contestants.items():
            if not hasattr(contestant, "compile_seconds"):
                continue
            try:
                runs = [contestant.compile_seconds(case, inputs) for _ in range(COMPILE_RUNS)]
                seconds[name] = sorted(runs)[len(runs) // 2]
            except Exception as error:
                print(f"{case.name}: {name} does not compile: {type(error).__name__}", file=sys.stderr)
        results.append({"case": case.name, "seconds": seconds})
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default="map,reduce,train,gradient,compile")
    parser.add_argument("--only", default="")
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    with open(options.cases) as file:
        cases = [harness.Case(fields) for fields in json.load(file)["cases"]]
    parts = options.parts.split(",")
    cases = [case for case in cases
             if case.peers and (case.quick or not options.quick) and options.filter in case.name]
    memory = harness.Memory(max([case.largest_tensor() for case in cases], default=1))
    # Compiling with PyTorch takes seconds for every case.
    usual = [name for name in PEERS if not options.quick or name != "torch.compile"]
    contestants, missing = load(options.only.split(",") if options.only else usual, options.library)
    rounds, least_seconds = (3, 2e-3) if options.quick else (5, 5e-3)

    results = []
    measured = [case for case in cases if case.family in parts]
    for number, case in enumerate(measured):
        start = time.perf_counter()
        seconds, reasons = run_case(case, contestants, memory, rounds, least_seconds)
        gc.collect()
        if seconds:
            results.append({"case": case.name, "bytes": case.bytes, "seconds": seconds, "reasons": reasons})
            print(f"[{number + 1}/{len(measured)}] {case.name}: " + ", ".join(
                f"{name} {value * 1e6:.1f} us" for name, value in seconds.items()) +
                f" ({time.perf_counter() - start:.1f} s)", flush=True)
    compilations = run_compilations(cases, contestants, memory) if "compile" in parts else []
    with open(options.output, "w") as file:
        json.dump({"versions": {name: contestant.version() for name, contestant in contestants.items()},
                   "missing": missing, "rounds": rounds, "results": results, "compilations": compilations}, file,
                  indent=1)


if __name__ == "__main__":
    main()
