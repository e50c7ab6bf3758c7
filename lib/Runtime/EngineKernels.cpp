//===- EngineKernels.cpp - From a spec to a kernel that can be called -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel is looked for in memory, then on the disk, and compiled when it is in
// neither. What was compiled and what was read take the same way from there on: an
// entry is linked, and becomes the code of a kernel. EngineTiers.cpp has what is
// different where the best code is made behind a call.
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"
#include "EngineTimer.h"

namespace norma {

Expected<std::shared_ptr<Kernel::State>> Engine::State::kernel(const KernelSpec &spec) {
  return kernels.get(spec, [&] { return makeKernel(spec); });
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::makeKernel(const KernelSpec &spec) {
  const std::string key =
      spec.key() + origin.key() + ";format=" + std::to_string(kCacheFormatVersion);
  if (std::shared_ptr<Kernel::State> found = loadKernel(spec, key))
    return found;
  if (policy == CompilePolicy::Tiered)
    return compileQuickly(spec, key);
  if (!disk)
    return compileKernel(spec, key);
  // Another process may be about to store it, or may just have done so.
  const io::Descriptor turn = disk->awaitTurn(key);
  if (turn.get() >= 0)
    if (std::shared_ptr<Kernel::State> found = loadKernel(spec, key))
      return found;
  return compileKernel(spec, key);
}

std::shared_ptr<Kernel::State> Engine::State::newKernel(const KernelSpec &spec, std::string key,
                                                        std::string schedule, int64_t block,
                                                        KernelCode code) {
  auto kernel = std::make_shared<Kernel::State>();
  kernel->key = std::move(key);
  kernel->family = toString(spec.family);
  kernel->axisForm = spec.kinds;
  kernel->schedule = std::move(schedule);
  kernel->block = block;
  kernel->publish(std::move(code));
  return kernel;
}

//===----------------------------------------------------------------------===//
// From the disk
//===----------------------------------------------------------------------===//

std::optional<KernelCode> Engine::State::loadCode(const std::string &key, std::string &schedule,
                                                  int64_t &block) {
  if (!disk)
    return std::nullopt;
  Timer timer(counters.loadNanoseconds);
  std::optional<CacheEntry> entry = disk->load(key, origin);
  if (!entry)
    return std::nullopt;
  Expected<std::unique_ptr<LoadedCode>> loaded = link(entry->object, entry->symbol);
  if (!loaded) {
    disk->complain(key, loaded.error().message());
    return std::nullopt;
  }
  ++counters.diskHits;
  schedule = std::move(entry->schedule);
  block = entry->block;
  return KernelCode{std::move(*loaded),       KernelTier::Optimized,      KernelSource::Disk,
                    entry->lowerMilliseconds, entry->codegenMilliseconds, timer.milliseconds()};
}

std::shared_ptr<Kernel::State> Engine::State::loadKernel(const KernelSpec &spec,
                                                         const std::string &key) {
  std::string schedule;
  int64_t block = 0;
  std::optional<KernelCode> code = loadCode(key, schedule, block);
  if (!code)
    return nullptr;
  return newKernel(spec, key, std::move(schedule), block, std::move(*code));
}

//===----------------------------------------------------------------------===//
// From the compiler
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Kernel::State>> Engine::State::compileKernel(const KernelSpec &spec,
                                                                      const std::string &key) {
  ++counters.misses;
  Expected<LoweredKernel> lowered = lower(spec);
  if (!lowered)
    return lowered.takeError();
  Expected<KernelCode> code = compileBest(*lowered, key);
  if (!code)
    return code.takeError();
  return newKernel(spec, key, lowered->schedule(), lowered->block(), std::move(*code));
}

Expected<KernelCode> Engine::State::compileBest(LoweredKernel &lowered, const std::string &key) {
  Expected<CompiledObject> compiled = generate(lowered, KernelTier::Optimized);
  if (!compiled)
    return compiled.takeError();
  Expected<KernelCode> code = linkCompiled(*compiled, KernelTier::Optimized);
  // What does not link is not worth keeping.
  if (code && disk)
    disk->store({key, origin, std::move(compiled->symbol), lowered.schedule(), lowered.block(),
                 compiled->lowerMilliseconds, compiled->codegenMilliseconds,
                 std::move(compiled->object)});
  return code;
}

Expected<LoweredKernel> Engine::State::lower(const KernelSpec &spec) {
  Timer timer(counters.compileNanoseconds);
  Expected<LoweredKernel> lowered = compiler->lowerKernel(spec);
  if (!lowered) {
    ++counters.compiles;
    ++counters.failures;
  }
  return lowered;
}

Expected<CompiledObject> Engine::State::generate(LoweredKernel &lowered, KernelTier tier) {
  Timer timer(counters.compileNanoseconds);
  ++counters.compiles;
  counters.quickCompiles += tier == KernelTier::Quick;
  Expected<CompiledObject> compiled = lowered.generate(tier);
  if (!compiled)
    ++counters.failures;
  return compiled;
}

Expected<KernelCode> Engine::State::linkCompiled(const CompiledObject &compiled, KernelTier tier) {
  Timer timer(counters.loadNanoseconds);
  Expected<std::unique_ptr<LoadedCode>> loaded = link(compiled.object, compiled.symbol);
  if (!loaded)
    return loaded.takeError();
  return KernelCode{std::move(*loaded),           tier,
                    KernelSource::Compiler,       compiled.lowerMilliseconds,
                    compiled.codegenMilliseconds, timer.milliseconds()};
}

Expected<std::unique_ptr<LoadedCode>> Engine::State::link(const std::string &object,
                                                          const std::string &symbol) {
  counters.objectBytes += object.size();
  return loader->load(object, symbol);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<LoadedCode>> Engine::State::load(const std::string &object,
                                                          const std::string &symbol) {
  Timer timer(counters.loadNanoseconds);
  return link(object, symbol);
}

Expected<CompiledProgramObject> Engine::State::compileProgram(std::string_view source,
                                                              const Program::Options &options) {
  Timer timer(counters.compileNanoseconds);
  ++counters.compiles;
  std::call_once(firstProgram, [&] { programCompiler = std::make_unique<Compiler>(target); });
  Expected<CompiledProgramObject> object = programCompiler->compileProgram(source, options);
  if (!object)
    ++counters.failures;
  return object;
}

} // namespace norma
