"""The GoogleTest programs below unittests/ of the build, each test case by itself."""

import os

import lit.formats

config.name = "norma-unit"
config.test_format = lit.formats.GoogleTest(".", "Tests")
config.suffixes = []
config.test_exec_root = os.path.join(config.norma_binary_root, "unittests")
config.test_source_root = config.test_exec_root

# LLVM's allocators poison memory in our half of an instrumented build, which its own libraries know nothing of.
config.environment["ASAN_OPTIONS"] = "allow_user_poisoning=0:allocator_may_return_null=1"
# LLVM, MLIR and oneTBB are not instrumented: what they do to memory is left out, what they do with mutexes is not.
config.environment["TSAN_OPTIONS"] = "ignore_noninstrumented_modules=1:allocator_may_return_null=1"
for name in ["ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]
