"""The lit suite of norma.

Substitutions: %norma, %norma-opt, %python (a python3 with NumPy), %data (examples/data), %examples (the
built example programs), %faults (a library to preload), %norma-src, %plugin-file (for mlir-opt) and %plugin (its
options), %libraries (where they were built), %libdir (where they are below a prefix), %cmake, %cc, %cxx. The
programs, and LLVM's FileCheck, not, count and split-file, are also on the PATH.

Features: pkg-config, numpy, clang, asan, tsan, root (the tests run as root, who may write everywhere),
benchmarks (they are built).
"""

import os
import shutil

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
# To run out of memory is a result like others.
environment["ASAN_OPTIONS"] = "allow_user_poisoning=0:allocator_may_return_null=1"
# LLVM, MLIR and oneTBB are not instrumented: what they do to memory is left out, what they do with mutexes is not.
environment["TSAN_OPTIONS"] = "ignore_noninstrumented_modules=1:allocator_may_return_null=1"
for name in ["ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"]:
    if name in os.environ:
        environment[name] = os.environ[name]

plugin = os.path.join(config.norma_libraries, "norma-plugin.so")
# lit replaces in this order, so a name comes after the longer ones that begin with it.
config.substitutions += [
    ("%norma-opt", os.path.join(config.norma_programs, "norma-opt")),
    ("%plugin-file", plugin),
    ("%plugin", f"--load-dialect-plugin={plugin} --load-pass-plugin={plugin}"),
    ("%norma-src", config.norma_source_root),
    ("%norma-build", config.norma_binary_root),
    ("%norma", os.path.join(config.norma_programs, "norma")),
    ("%faults", os.path.join(config.test_exec_root, "Faults", "libnorma_faults.so")),
    ("%capi", os.path.join(config.test_exec_root, "CAPI")),
    ("%python", config.python),
    ("%cmake", config.cmake),
    ("%cxx", config.cxx_compiler),
    ("%cc", config.c_compiler),
    ("%launcher", f"-DCMAKE_CXX_COMPILER_LAUNCHER={config.compiler_launcher}"),
    ("%libdir", config.install_libdir),
    ("%libraries", config.norma_libraries),
    ("%data", os.path.join(config.norma_source_root, "examples", "data")),
    ("%examples", os.path.join(config.norma_binary_root, "bin")),
]

if config.python:
    config.available_features.add("numpy")
if shutil.which("pkg-config", path=environment["PATH"]):
    config.available_features.add("pkg-config")
if os.path.exists(os.path.join(config.llvm_tools, "clang")):
    config.available_features.add("clang")
if config.benchmarks in ("ON", "1", "TRUE", "YES"):
    config.available_features.add("benchmarks")
if "address" in config.sanitizers:
    config.available_features.add("asan")
if "thread" in config.sanitizers:
    config.available_features.add("tsan")
if hasattr(os, "geteuid") and os.geteuid() == 0:
    config.available_features.add("root")
