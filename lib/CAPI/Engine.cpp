//===- Engine.cpp - The engine from C -------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Options.h"

using namespace norma;
using namespace norma::capi;

static norma_engine_options defaultEngineOptions() {
  const EngineOptions defaults;
  norma_engine_options options{};
  options.struct_size = sizeof(options);
  options.cache_bytes = defaults.cacheBytes;
  options.cached_kernels = defaults.cachedKernels;
  options.threads = defaults.threads;
  return options;
}

void norma_engine_options_init_sized(norma_engine_options *options, size_t structSize) {
  initOptions(defaultEngineOptions(), options, structSize);
}

static Expected<EngineOptions> toEngineOptions(const norma_engine_options &from) {
  EngineOptions options;
  const Expected<CompilePolicy> policy = toChoice(
      "compile_policy", from.compile_policy, {CompilePolicy::Optimized, CompilePolicy::Tiered});
  if (!policy)
    return policy.error();
  options.compilePolicy = *policy;
  // What does not fit is out of range, too.
  options.threads = int(std::clamp<int64_t>(from.threads, INT_MIN, INT_MAX));
  if (from.target_cpu)
    options.targetCpu = from.target_cpu;
  if (from.cache_directory)
    options.cacheDirectory = from.cache_directory;
  options.cacheBytes = from.cache_bytes;
  options.cachedKernels = from.cached_kernels;
  if (from.tools)
    options.tools = from.tools;
  if (from.log)
    options.log = [log = from.log, data = from.log_user_data](std::string_view message) {
      try {
        log(std::string(message).c_str(), data);
      } catch (const std::bad_alloc &) {
        // What is logged is no error, and the code that logs takes no exception.
      }
    };
  return options;
}

norma_status norma_engine_create(const norma_engine_options *options, norma_engine **engine) {
  return guarded({{"engine", engine}}, [&]() -> Expected<void> {
    const Expected<norma_engine_options> read = readOptions(options, defaultEngineOptions());
    if (!read)
      return read.error();
    const Expected<EngineOptions> wanted = toEngineOptions(*read);
    if (!wanted)
      return wanted.error();
    return give(Engine::create(*wanted), engine);
  });
}

void norma_engine_destroy(norma_engine *engine) { delete engine; }

norma_status norma_engine_get_stats(const norma_engine *engine, norma_engine_stats *stats) {
  return guarded({{"engine", engine}, {"stats", stats}}, [&]() -> Expected<void> {
    const size_t size = stats->struct_size;
    if (Expected<void> valid =
            checkStructSize("stats", size, sizeof(*stats), alignof(norma_engine_stats));
        !valid)
      return valid;
    const EngineStats from = engine->value->stats();
    norma_engine_stats result{};
    result.memory_hits = from.memoryHits;
    result.disk_hits = from.diskHits;
    result.misses = from.misses;
    result.compiles = from.compiles;
    result.failures = from.failures;
    result.compile_milliseconds = from.compileMilliseconds;
    result.load_milliseconds = from.loadMilliseconds;
    result.object_bytes = from.objectBytes;
    result.quick_compiles = from.quickCompiles;
    result.swaps = from.swaps;
    writeStruct(result, stats, size);
    return {};
  });
}

norma_status norma_engine_get_threads(const norma_engine *engine, int64_t *threads) {
  return guarded({{"engine", engine}, {"threads", threads}}, [&]() -> Expected<void> {
    *threads = engine->value->threads();
    return {};
  });
}

norma_status norma_engine_get_target_cpu(const norma_engine *engine, norma_string **targetCpu) {
  return guarded({{"engine", engine}, {"target_cpu", targetCpu}},
                 [&]() -> Expected<void> { return give(engine->value->targetCpu(), targetCpu); });
}

norma_status norma_engine_get_cache_directory(const norma_engine *engine,
                                              norma_string **directory) {
  return guarded({{"engine", engine}, {"directory", directory}}, [&]() -> Expected<void> {
    return give(engine->value->cacheDirectory(), directory);
  });
}

norma_status norma_engine_finish_compiling(norma_engine *engine) {
  return guarded({{"engine", engine}}, [&]() -> Expected<void> {
    engine->value->finishCompiling();
    return {};
  });
}
