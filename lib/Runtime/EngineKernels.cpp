//===- EngineKernels.cpp - From a spec to a kernel that can be called -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel is looked for in memory, then on the disk, and compiled when it is in
// neither. What was compiled and what was read take the same way from there on: an
// entry is linked, and becomes a kernel.
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include <chrono>

namespace norma {

namespace {

/// Adds the time it lives to a counter.
class Timer {
public:
  explicit Timer(std::atomic<uint64_t> &total) : total(total) {}
  Timer(const Timer &) = delete;
  Timer &operator=(const Timer &) = delete;
  ~Timer() { total += nanoseconds(); }
  double milliseconds() const { return double(nanoseconds()) * 1e-6; }

private:
  uint64_t nanoseconds() const {
    return uint64_t(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count());
  }
  std::atomic<uint64_t> &total;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

} // namespace

Expected<std::shared_ptr<Kernel::State>> Engine::State::kernel(const KernelSpec &spec) {
  return kernels.get(spec, [&] { return makeKernel(spec); });
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::makeKernel(const KernelSpec &spec) {
  const std::string key =
      spec.key() + origin.key() + ";format=" + std::to_string(kCacheFormatVersion);
  if (std::shared_ptr<Kernel::State> found = loadKernel(spec, key))
    return found;
  if (!disk)
    return compileKernel(spec, key);
  // Another process may be about to store it, or may just have done so.
  const io::Descriptor turn = disk->awaitTurn(key);
  if (turn.get() >= 0)
    if (std::shared_ptr<Kernel::State> found = loadKernel(spec, key))
      return found;
  return compileKernel(spec, key);
}

std::shared_ptr<Kernel::State> Engine::State::loadKernel(const KernelSpec &spec,
                                                         const std::string &key) {
  if (!disk)
    return nullptr;
  Timer timer(counters.loadNanoseconds);
  std::optional<CacheEntry> entry = disk->load(key, origin);
  if (!entry)
    return nullptr;
  Expected<std::shared_ptr<Kernel::State>> kernel = link(spec, *entry, KernelSource::Disk);
  if (!kernel) {
    disk->complain(key, kernel.error().message());
    return nullptr;
  }
  (*kernel)->loadMilliseconds = timer.milliseconds();
  ++counters.diskHits;
  return *kernel;
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::compileKernel(const KernelSpec &spec,
                                                                      const std::string &key) {
  ++counters.misses;
  ++counters.compiles;
  Expected<CompiledKernelObject> object = [&] {
    Timer timer(counters.compileNanoseconds);
    return compiler->compileKernel(spec);
  }();
  if (!object) {
    ++counters.failures;
    return object.takeError();
  }
  const CacheEntry entry{key,
                         origin,
                         std::move(object->compiled.symbol),
                         std::move(object->schedule),
                         object->block,
                         object->compiled.lowerMilliseconds,
                         object->compiled.codegenMilliseconds,
                         std::move(object->compiled.object)};
  Expected<std::shared_ptr<Kernel::State>> kernel = [&] {
    Timer timer(counters.loadNanoseconds);
    Expected<std::shared_ptr<Kernel::State>> linked = link(spec, entry, KernelSource::Compiler);
    if (linked)
      (*linked)->loadMilliseconds = timer.milliseconds();
    return linked;
  }();
  // What does not link is not worth keeping.
  if (kernel && disk)
    disk->store(entry);
  return kernel;
}

Expected<std::shared_ptr<Kernel::State>>
Engine::State::link(const KernelSpec &spec, const CacheEntry &entry, KernelSource source) {
  Expected<std::unique_ptr<LoadedCode>> code = loader->load(entry.object, entry.symbol);
  if (!code)
    return code.takeError();
  counters.objectBytes += entry.object.size();
  auto kernel = std::make_shared<Kernel::State>();
  kernel->code = std::move(*code);
  kernel->key = entry.key;
  kernel->family = toString(spec.family);
  kernel->axisForm = spec.kinds;
  kernel->schedule = entry.schedule;
  kernel->block = entry.block;
  kernel->source = source;
  kernel->lowerMilliseconds = entry.lowerMilliseconds;
  kernel->codegenMilliseconds = entry.codegenMilliseconds;
  return kernel;
}

Expected<std::unique_ptr<LoadedCode>> Engine::State::load(const std::string &object,
                                                          const std::string &symbol) {
  Timer timer(counters.loadNanoseconds);
  counters.objectBytes += object.size();
  return loader->load(object, symbol);
}

Expected<CompiledProgramObject> Engine::State::compileProgram(std::string_view source,
                                                              const Program::Options &options) {
  Timer timer(counters.compileNanoseconds);
  ++counters.compiles;
  Expected<CompiledProgramObject> object = compiler->compileProgram(source, options);
  if (!object)
    ++counters.failures;
  return object;
}

} // namespace norma
