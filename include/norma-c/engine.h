//===- engine.h - The engine that compiles and runs kernels -------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_ENGINE_H
#define NORMA_C_ENGINE_H

#include "norma-c/support.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Compiles, keeps and runs kernels.
typedef struct norma_engine norma_engine;

/// Hears of everything that keeps the kernel cache, or the compilation behind a call, from
/// working, which is no error. May be called from any thread, until the engine and all that was
/// made with it are destroyed.
typedef void (*norma_log_callback)(const char *message, void *user_data);

/// What a call whose kernel is not there waits for.
enum {
  /// The best code.
  NORMA_COMPILE_OPTIMIZED = 0,
  /// Code that is there in a fraction of the time. The best code is made behind the call, and run
  /// by later ones; results have the same bits (those of a NaN excepted).
  NORMA_COMPILE_TIERED = 1
};

typedef struct norma_engine_options {
  size_t struct_size;
  /// The processor to compile for, as LLVM names it ("x86-64-v3"); null for the machine's own.
  const char *target_cpu;
  /// Where compiled kernels are kept for later: a directory, or "off". Null: as the environment
  /// says, see docs/cache.md.
  const char *cache_directory;
  /// Bytes that the directory may grow to.
  uint64_t cache_bytes;
  /// Kernels kept in memory, at least 1.
  int64_t cached_kernels;
  /// May be null.
  norma_log_callback log;
  void *log_user_data;
  /// Threads that a call may use; 0 for all cores of the machine.
  int64_t threads;
  /// NORMA_COMPILE_OPTIMIZED.
  int64_t compile_policy;
  /// Tools that see kernels by name: "perf", "gdb", "perf,gdb", or "" for none. Null: as the
  /// environment says, see docs/tools.md.
  const char *tools;
} norma_engine_options;

NORMA_API void norma_engine_options_init_sized(norma_engine_options *options, size_t struct_size);
static inline void norma_engine_options_init(norma_engine_options *options) {
  norma_engine_options_init_sized(options, sizeof(*options));
}

/// The caller owns the engine.
NORMA_API norma_status norma_engine_create(const norma_engine_options *options,
                                           norma_engine **engine);
NORMA_API void norma_engine_destroy(norma_engine *engine);

/// What an engine had to do so far.
typedef struct norma_engine_stats {
  /// To be set to sizeof(norma_engine_stats) by the caller.
  size_t struct_size;
  /// Kernels found in memory, found on the disk, and found in neither.
  uint64_t memory_hits, disk_hits, misses;
  /// Compilations of kernels and programs, and those that failed.
  uint64_t compiles, failures;
  /// Wall time of compiling; of linking, and reading from the disk.
  double compile_milliseconds, load_milliseconds;
  /// Object code that was linked.
  uint64_t object_bytes;
  /// Of the compilations, the quick ones; and kernels that got better code since.
  uint64_t quick_compiles, swaps;
} norma_engine_stats;

NORMA_API norma_status norma_engine_get_stats(const norma_engine *engine,
                                              norma_engine_stats *stats);
NORMA_API norma_status norma_engine_get_threads(const norma_engine *engine, int64_t *threads);
/// The processor that kernels are compiled for.
NORMA_API norma_status norma_engine_get_target_cpu(const norma_engine *engine,
                                                   norma_string **target_cpu);
/// The directory that compiled kernels are kept in; "" when there is none.
NORMA_API norma_status norma_engine_get_cache_directory(const norma_engine *engine,
                                                        norma_string **directory);
/// Waits for the code that NORMA_COMPILE_TIERED has made behind calls.
NORMA_API norma_status norma_engine_finish_compiling(norma_engine *engine);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_ENGINE_H
