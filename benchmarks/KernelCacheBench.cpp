//===- KernelCacheBench.cpp - What a kernel costs before it runs ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MemoryHit is the lookup alone, with as many threads as its name says, and kernels
// of their own or one for all; Compile and DiskHit are what an engine reports of a
// kernel that it had to get, without what it does once for all kernels.
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cache/MemoryCache.h"
#include "Runtime/KernelSpec.h"

#include "norma/Runtime/Engine.h"

#include <benchmark/benchmark.h>
#include <filesystem>

using namespace norma;

namespace {

KernelSpec specOf(int64_t features) {
  KernelSpec spec;
  spec.family = KernelFamily::Affine;
  spec.kinds = "RK";
  spec.extents = {kDynamic, features};
  spec.scale = spec.shift = true;
  return spec;
}

using Cache = MemoryCache<KernelSpec, int64_t>;

/// A cache with as many kernels as engines keep.
Cache &filledCache() {
  static Cache cache(1024);
  static const bool filled = [] {
    for (int64_t i = 0; i < 1024; ++i)
      (void)cache.get(specOf(i), [&] { return Expected(std::make_shared<int64_t>(i)); }).hasValue();
    return true;
  }();
  benchmark::DoNotOptimize(filled);
  return cache;
}

void memoryHit(benchmark::State &state, bool shared) {
  Cache &cache = filledCache();
  const KernelSpec spec = specOf(shared ? 13 : 13 + state.thread_index());
  auto make = []() -> Expected<std::shared_ptr<int64_t>> {
    return Error(ErrorCode::Internal, "the kernel is not there");
  };
  for (auto _ : state) {
    Expected<std::shared_ptr<int64_t>> value = cache.get(spec, make);
    if (!value)
      return state.SkipWithError(value.error().message().c_str());
    benchmark::DoNotOptimize(**value);
  }
}

/// Milliseconds that `part` finds in the counters of an engine that was asked for
/// one kernel more.
void getKernel(benchmark::State &state, const std::string &directory,
               double (*part)(const EngineStats &)) {
  std::vector<float> data(13 * 8);
  const Tensor x(data.data(), DType::F32, {8, 13});
  const Coefficients coefficients{{13}, {}, std::vector<double>(13, 2), std::vector<double>(13, 1)};
  for (auto _ : state) {
    Expected<std::shared_ptr<Engine>> engine =
        Engine::create({.threads = 1, .cacheDirectory = directory});
    // The first kernel of an engine pays for what all use.
    Expected<Statistics> first =
        engine ? (*engine)->moments(x, Dims{1}) : Expected<Statistics>(engine.takeError());
    if (!first)
      return state.SkipWithError(first.error().message().c_str());
    const double before = part((*engine)->stats());
    Expected<Kernel> kernel = (*engine)->affineKernel(x, Dims{1}, coefficients, DType::F32, x);
    if (!kernel)
      return state.SkipWithError(kernel.error().message().c_str());
    state.SetIterationTime((part((*engine)->stats()) - before) * 1e-3);
  }
}

} // namespace

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  std::string directory = std::filesystem::temp_directory_path() / "norma-bench-XXXXXX";
  if (!::mkdtemp(directory.data()))
    return 1;
  for (bool shared : {true, false})
    benchmark::RegisterBenchmark(shared ? "MemoryHit/OneKernel" : "MemoryHit/OwnKernels",
                                 [=](benchmark::State &state) { memoryHit(state, shared); })
        ->ThreadRange(1, 4);
  benchmark::RegisterBenchmark(
      "Compile",
      [](benchmark::State &state) {
        getKernel(state, "off", [](const EngineStats &s) { return s.compileMilliseconds; });
      })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("DiskHit",
                               [&](benchmark::State &state) {
                                 getKernel(state, directory,
                                           [](const EngineStats &s) { return s.loadMilliseconds; });
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::filesystem::remove_all(directory);
  return 0;
}
