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
// Before that the disk is asked for a schedule that was found by measuring (EngineTuning.cpp). A
// kernel that has one is another kernel, with the schedule in its key. None of the reductions that
// may go beside a map has one, so that their sums are the same bits with it and without it.
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"
#include "EngineTimer.h"
#include "Tuning/TuningCase.h"

namespace norma {

Expected<std::shared_ptr<Kernel::State>> Engine::State::kernel(const KernelSpec &spec) {
  return kernels.get(spec, [&] { return makeKernel(spec); });
}

std::string Engine::State::keyOf(const KernelSpec &spec) const {
  return spec.key() + origin.key() + ";format=" + std::to_string(kCacheFormatVersion);
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::makeKernel(const KernelSpec &spec) {
  const KernelOrder byRules{spec, keyOf(spec)};
  const std::string schedule = tunedSchedule(byRules);
  if (schedule.empty())
    return makeKernel(byRules);
  Expected<std::shared_ptr<Kernel::State>> tuned =
      makeKernel(KernelOrder{spec, byRules.key + ";schedule=" + schedule, schedule});
  if (tuned)
    return tuned;
  // An entry that nobody measured may be whole, and trusted, and still make no sense.
  disk->complain(tunedKeyOf(byRules.key), tuned.error().message());
  return makeKernel(byRules);
}

std::string Engine::State::tunedSchedule(const KernelOrder &order) {
  if (!disk || !checkTunable(order.spec))
    return {};
  std::optional<CacheEntry> entry = disk->load(tunedKeyOf(order.key), origin);
  return entry ? std::move(entry->schedule) : std::string();
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::makeKernel(const KernelOrder &order) {
  if (std::shared_ptr<Kernel::State> found = loadKernel(order))
    return found;
  if (policy == CompilePolicy::Tiered)
    return compileQuickly(order);
  if (!disk)
    return compileKernel(order);
  // Another process may be about to store it, or may just have done so.
  const io::Descriptor turn = disk->awaitTurn(order.key);
  if (turn.get() >= 0)
    if (std::shared_ptr<Kernel::State> found = loadKernel(order))
      return found;
  return compileKernel(order);
}

std::shared_ptr<Kernel::State> Engine::State::newKernel(const KernelOrder &order,
                                                        std::string schedule, int64_t block,
                                                        KernelCode code) {
  auto kernel = std::make_shared<Kernel::State>();
  kernel->key = order.key;
  kernel->family = toString(order.spec.family);
  kernel->axisForm = order.spec.kinds;
  kernel->schedule = std::move(schedule);
  kernel->tuned = !order.schedule.empty();
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

std::shared_ptr<Kernel::State> Engine::State::loadKernel(const KernelOrder &order) {
  std::string schedule;
  int64_t block = 0;
  std::optional<KernelCode> code = loadCode(order.key, schedule, block);
  if (!code)
    return nullptr;
  return newKernel(order, std::move(schedule), block, std::move(*code));
}

//===----------------------------------------------------------------------===//
// From the compiler
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Kernel::State>> Engine::State::compileKernel(const KernelOrder &order) {
  ++counters.misses;
  Expected<LoweredKernel> lowered = lower(order);
  if (!lowered)
    return lowered.takeError();
  Expected<KernelCode> code = compileBest(*lowered, order.key);
  if (!code)
    return code.takeError();
  return newKernel(order, lowered->schedule(), lowered->block(), std::move(*code));
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

Expected<LoweredKernel> Engine::State::lower(const KernelOrder &order) {
  Timer timer(counters.compileNanoseconds);
  Expected<LoweredKernel> lowered = compiler->lowerKernel(order.spec, order.schedule);
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
