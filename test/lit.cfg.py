"""The lit suite of norma.

Substitutions: %norma, %norma-opt, %python (a python3 with NumPy), %data (examples/data), %examples (the
built example programs), %norma-src. The programs, and LLVM's FileCheck, not, count and split-file, are
also on the PATH.

Features: numpy, asan, root (the tests run as root, who may write everywhere).
"""

import os

import lit.formats

config.name = "norma"
config.test_format = lit.formats.ShTest()
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.norma_binary_root, "test")

environment = config.environment
environment["PATH"] = os.pathsep.join(
    [config.norma_programs, config.llvm_tools, environment.get("PATH", os.environ["PATH"])])
# A variable of one CHECK-LABEL block cannot be used in another unless its name begins with $.
environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=all"
# What a user has in their caches and configuration must not reach a test.
environment["HOME"] = config.test_exec_root
environment["XDG_CACHE_HOME"] = os.path.join(config.test_exec_root, "cache")
environment["LC_ALL"] = "C.UTF-8"
# LLVM's allocators poison memory in our half of an instrumented build, which its own libraries know nothing of.
environment["ASAN_OPTIONS"] = "allow_user_poisoning=0"
for name in ["ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"]:
    if name in os.environ:
        environment[name] = os.environ[name]

# lit replaces in this order, so a name comes after the longer ones that begin with it.
config.substitutions += [
    ("%norma-opt", os.path.join(config.norma_programs, "norma-opt")),
    ("%norma-src", config.norma_source_root),
    ("%norma-build", config.norma_binary_root),
    ("%norma", os.path.join(config.norma_programs, "norma")),
    ("%python", config.python),
    ("%data", os.path.join(config.norma_source_root, "examples", "data")),
    ("%examples", os.path.join(config.norma_binary_root, "bin")),
]

if config.python:
    config.available_features.add("numpy")
if "address" in config.sanitizers:
    config.available_features.add("asan")
if hasattr(os, "geteuid") and os.geteuid() == 0:
    config.available_features.add("root")
