//===- SmallCalls.cpp - What a call costs beside its kernel ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SmallCalls.h"

#include "Subject.h"

#include "Runtime/AlignedBytes.h"
#include "Runtime/Cpu/Compiler.h"
#include "Runtime/Cpu/Loader.h"
#include "Runtime/EngineImpl.h"

#include <algorithm>
#include <fmt/format.h>

namespace norma::benchmarks {

namespace {

/// The kernel that an engine compiled, outside of it.
struct BareKernel {
  std::shared_ptr<const CpuTarget> target;
  std::unique_ptr<Loader> loader;
  std::unique_ptr<LoadedCode> code;
  /// Each where it is for itself, as those of a layer are: they are read beside the data.
  std::vector<AlignedBytes> coefficients;
  // Holds addresses of itself, so it stays where it is.
  std::unique_ptr<KernelArguments> arguments = std::make_unique<KernelArguments>();

  static Expected<BareKernel> create(const Subject &subject, const std::string &targetCpu) {
    const std::string key = subject.engine->kernels().at(0).key;
    Expected<KernelSpec> spec = parseKernelSpec(key.substr(0, key.find(";cpu=")));
    if (!spec)
      return spec.takeError();
    BareKernel kernel;
    Expected<std::shared_ptr<const CpuTarget>> target = createCpuTarget(targetCpu);
    if (!target)
      return target.takeError();
    kernel.target = *target;
    Expected<LoweredKernel> lowered = Compiler(kernel.target).lowerKernel(*spec);
    if (!lowered)
      return lowered.takeError();
    Expected<CompiledObject> object = lowered->generate(KernelTier::Optimized);
    if (!object)
      return object.takeError();
    Expected<std::unique_ptr<Loader>> loader = Loader::create(*kernel.target, {});
    if (!loader)
      return loader.takeError();
    kernel.loader = std::move(*loader);
    Expected<std::unique_ptr<LoadedCode>> code =
        kernel.loader->load(object->object, object->symbol);
    if (!code)
      return code.takeError();
    kernel.code = std::move(*code);

    // The outermost extent is not part of the spec. (Of one row, the features are it.)
    const int rank = spec->extents.size();
    const Tensor &x = subject.x;
    Dims extents = spec->extents;
    int64_t inner = 1;
    for (int i = 1; i < rank; ++i)
      inner *= extents[i];
    extents[0] = x.size() / inner;
    const Dims strides = contiguousStrides(extents);
    const Dims channels{x.shape.back()};
    kernel.arguments->push(x.data, extents, strides);
    for (bool there : {spec->center, spec->scale, spec->shift})
      if (there) {
        AlignedBytes &values =
            kernel.coefficients.emplace_back(size_t(channels[0]) * sizeof(float));
        std::fill_n(reinterpret_cast<float *>(values.data()), channels[0], 0.5f);
        kernel.arguments->push(values.data(), channels, Dims{1});
      }
    kernel.arguments->push(subject.y.data, extents, strides);
    return kernel;
  }
};

} // namespace

static void measureSmallCall(benchmark::State &state, const Case &c, int threads,
                             const Settings &settings) {
  Buffers buffers;
  Expected<Subject> subject = Subject::create(c, threads, settings.targetCpu, buffers);
  if (!subject)
    return state.SkipWithError(subject.error().message().c_str());
  if (Expected<void> done = subject->call(); !done)
    return state.SkipWithError(done.error().message().c_str());
  Expected<BareKernel> bare = BareKernel::create(*subject, settings.targetCpu);
  if (!bare)
    return state.SkipWithError(bare.error().message().c_str());

  const Stopwatch call([&] { benchmark::DoNotOptimize(subject->call().hasValue()); },
                       settings.seconds);
  const Stopwatch kernel([&] { bare->arguments->call(bare->code->entry); }, settings.seconds);
  std::vector<double> seconds, kernelSeconds, overhead;
  for (auto _ : state) {
    kernelSeconds.push_back(kernel.seconds());
    seconds.push_back(call.seconds());
    overhead.push_back(seconds.back() - kernelSeconds.back());
    state.SetIterationTime(seconds.back());
  }
  state.counters["seconds"] = median(seconds);
  state.counters["kernel_seconds"] = median(kernelSeconds);
  state.counters["overhead_seconds"] = median(overhead);
  state.counters["threads"] = threads;
}

void registerSmallCalls(const Settings &settings) {
  for (const Dims &shape : {Dims{1, 13}, {32, 30}, {64, 1024}})
    for (int threads : {1, 2})
      benchmark::RegisterBenchmark(
          fmt::format("call/{}x{}/t{}", shape[0], shape[1], threads).c_str(),
          [=](benchmark::State &state) {
            measureSmallCall(state, {Work::Normalize, shape, {1}}, threads, settings);
          })
          ->UseManualTime()
          // A difference of some nanoseconds between microseconds.
          ->Iterations(3 * settings.rounds)
          ->Unit(benchmark::kNanosecond);
}

} // namespace norma::benchmarks
