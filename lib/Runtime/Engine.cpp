//===- Engine.cpp - Creation, and what an engine says of itself -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

#include "norma/Runtime/KernelCache.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>
#include <thread>

namespace norma {

Descriptor::Descriptor(const void *data, std::span<const int64_t> sizes,
                       std::span<const int64_t> strides)
    : used(int(3 + sizes.size() + strides.size())) {
  setData(data);
  words[2] = 0;
  std::copy(sizes.begin(), sizes.end(), words.begin() + 3);
  std::copy(strides.begin(), strides.end(), words.begin() + 3 + sizes.size());
}

KernelInfo Kernel::State::info() const {
  KernelInfo info;
  info.family = family;
  info.axisForm = axisForm;
  info.schedule = schedule;
  info.tuned = tuned;
  info.key = key;
  const KernelCode &running = code();
  info.source = running.source;
  info.tier = running.tier;
  info.lowerMilliseconds = running.lowerMilliseconds;
  info.codegenMilliseconds = running.codegenMilliseconds;
  info.loadMilliseconds = running.loadMilliseconds;
  info.calls = calls;
  info.bytes = bytes;
  info.runSeconds = double(nanoseconds) * 1e-9;
  return info;
}

KernelInfo Kernel::info() const { return state->info(); }

void Kernel::State::publish(KernelCode code) {
  std::unique_ptr<const KernelCode> &place = first ? better : first;
  place = std::make_unique<const KernelCode>(std::move(code));
  current.store(place.get(), std::memory_order_release);
}

Engine::Engine(std::unique_ptr<State> state) : state(std::move(state)) {}
Engine::~Engine() = default;

Expected<std::shared_ptr<Engine>> Engine::create(const EngineOptions &options) try {
  return State::create(options, memorySystem());
} catch (...) {
  return outOfMemory();
}

Expected<std::shared_ptr<Engine>> Engine::State::create(const EngineOptions &options,
                                                        const MemorySystem &memory) try {
  if (options.threads < 0 || options.threads > EngineOptions::kMostThreads)
    return invalidArgument(fmt::format("threads: {}, expected 1 to {}, or 0 for all cores",
                                       options.threads, EngineOptions::kMostThreads));
  if (options.cachedKernels < 1)
    return invalidArgument(
        fmt::format("cachedKernels: {}, expected at least 1", options.cachedKernels));
  constexpr int64_t kMostKernels = int64_t(1) << 24;
  if (options.cachedKernels > kMostKernels)
    return invalidArgument(
        fmt::format("cachedKernels: {}, expected at most {}", options.cachedKernels, kMostKernels));
  Expected<std::string> directory = kernelCacheDirectory(options.cacheDirectory);
  if (!directory)
    return directory.takeError();
  Expected<std::shared_ptr<const CpuTarget>> target = createCpuTarget(options.targetCpu, memory);
  if (!target)
    return target.takeError();
  Expected<ToolSupport> tools = toolSupportOf(options.tools);
  if (!tools)
    return tools.takeError();
  tools->log = options.log;
  Expected<std::unique_ptr<Loader>> loader = Loader::create(**target, *tools);
  if (!loader)
    return loader.takeError();
  int threads = options.threads ? options.threads : int(std::thread::hardware_concurrency());
  auto state = std::make_unique<State>(std::max(threads, 1), size_t(options.cachedKernels));
  state->origin = originOf(**target);
  state->policy = options.compilePolicy;
  state->log = options.log;
  state->target = *target;
  state->cacheDirectory = *directory;
  if (!directory->empty())
    state->disk =
        std::make_unique<DiskCache>(std::move(*directory), options.cacheBytes, options.log);
  state->l2Bytes = l2BytesOf(**target);
  state->machine = memory;
  state->loader = std::move(*loader);
  state->compiler = std::make_unique<Compiler>(*target);
  return std::shared_ptr<Engine>(new Engine(std::move(state)));
} catch (...) {
  return outOfMemory();
}

Expected<KernelCall> Engine::State::call(Problem problem, const KernelSpec &spec) {
  Expected<std::shared_ptr<Kernel::State>> found = kernel(spec);
  if (!found)
    return found.takeError();
  return KernelCall{std::move(problem), std::move(*found), isMap(spec.family) && spec.streaming};
}

Expected<ReductionCall> Engine::State::reductionCall(const KernelSpec &chosen, Problem problem,
                                                     const Operands &operands, const Dims &shape) {
  const auto cuts = KeptCuts::ofFewRows(problem, machine.leastPartBytes);
  const auto find = [&](int64_t width) -> Expected<ReductionKernel> {
    KernelSpec spec = specOf(chosen, cuts ? cuts->first(problem, width) : problem, operands);
    setStreaming(spec, problem);
    Expected<std::shared_ptr<Kernel::State>> found = kernel(spec);
    if (!found)
      return found.takeError();
    return ReductionKernel{std::move(spec), std::move(*found)};
  };
  const int64_t widths[] = {cuts ? cuts->width : 0, cuts ? cuts->lastWidth() : 0};
  const bool hasNarrower = widths[1] < widths[0];
  // At once, in case they must be compiled.
  std::optional<Expected<ReductionKernel>> found[2];
  pool->forEach(hasNarrower ? 2 : 1, ThreadPool::kManyBytes,
                [&](int64_t i) { found[i].emplace(find(widths[i])); });
  for (std::optional<Expected<ReductionKernel>> &each : found)
    if (each && !*each)
      return each->takeError();
  ReductionKernel &first = **found[0];
  ReductionCall made{.call = {std::move(problem), std::move(first.state)},
                     .spec = std::move(first.spec),
                     .shape = shape,
                     .leastPartBytes = machine.leastPartBytes,
                     .findKernel = [this](const KernelSpec &other) { return kernel(other); },
                     .cuts = cuts};
  if (hasNarrower)
    made.narrower.emplace(std::move(**found[1]));
  return made;
}

void Engine::State::setStreaming(KernelSpec &spec, const Problem &problem) const {
  const bool isFar = readsFromMemory(problem, spec.layout, farBytes());
  if (isMap(spec.family)) {
    const bool isGradient = spec.family == KernelFamily::GradMap;
    const int coefficients = isGradient ? 4 : spec.center + spec.scale + spec.shift;
    const int64_t kept = keptBytes(isGradient);
    // Coefficients are kept beside the data, which matters where few elements share one.
    const int64_t beside = coefficients * problem.keptSize() * int64_t(sizeOf(spec.compute));
    const int64_t left = beside > kept / 16 ? std::max<int64_t>(kept - beside, 0) : kept;
    spec.streaming = writesPastCaches(problem, spec.layout, left);
    spec.ahead = spec.streaming && isFar;
  } else {
    spec.streaming = isFar;
    spec.ahead = readsFromMemory(problem, spec.layout, memoryBytes());
  }
}

std::vector<std::string> Engine::stageNames() { return allStageNames(); }

std::vector<KernelInfo> Engine::kernels() const {
  std::vector<KernelInfo> infos;
  for (const std::shared_ptr<Kernel::State> &kernel : state->kernels.values())
    infos.push_back(kernel->info());
  return infos;
}

EngineStats Engine::stats() const {
  const EngineCounters &counters = state->counters;
  EngineStats stats;
  stats.memoryHits = state->kernels.hits();
  stats.diskHits = counters.diskHits;
  stats.misses = counters.misses;
  stats.compiles = counters.compiles;
  stats.failures = counters.failures;
  stats.quickCompiles = counters.quickCompiles;
  stats.swaps = counters.swaps;
  stats.compileMilliseconds = double(counters.compileNanoseconds) * 1e-6;
  stats.loadMilliseconds = double(counters.loadNanoseconds) * 1e-6;
  stats.objectBytes = counters.objectBytes;
  return stats;
}

void Engine::finishCompiling() { state->background.finish(); }

int Engine::threads() const { return state->pool->size(); }
const std::string &Engine::targetCpu() const { return state->origin.cpu; }
const std::string &Engine::cacheDirectory() const { return state->cacheDirectory; }

} // namespace norma
