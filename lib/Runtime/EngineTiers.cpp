//===- EngineTiers.cpp - Quick code first, the best code behind it --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both tiers come from the same optimized LLVM IR, in which every rounding is an
// operation and the order of sums is fixed: the tiers differ in how fast they are, not
// in what they compute. A call waits for lowering and the quick tier; the IR then goes
// to the background, where other processes are waited for, and what comes of it is
// stored. Only the best code is.
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include <fmt/format.h>
#include <new>

namespace norma {

Expected<std::shared_ptr<Kernel::State>> Engine::State::compileQuickly(const KernelOrder &order) {
  ++counters.misses;
  Expected<LoweredKernel> lowered = lower(order);
  if (!lowered)
    return lowered.takeError();
  Expected<CompiledObject> compiled = generate(*lowered, KernelTier::Quick);
  if (!compiled)
    return compiled.takeError();
  Expected<KernelCode> code = linkCompiled(*compiled, KernelTier::Quick);
  if (!code)
    return code.takeError();
  const std::shared_ptr<Kernel::State> kernel =
      newKernel(order, lowered->schedule(), lowered->block(), std::move(*code));

  const auto say = [this, kernel](const std::string &problem) {
    if (log)
      log(fmt::format("kernel {} keeps its quick code: {}", kernel->key, problem));
  };
  // Shared, because a function object is copied.
  const auto source = std::make_shared<LoweredKernel>(std::move(*lowered));
  const bool pushed = background.push([=, this](const std::stop_token &stop) {
    try {
      if (Expected<void> done = improve(*kernel, *source, stop); !done)
        say(done.error().message());
    } catch (const std::bad_alloc &) {
      say("out of memory");
    }
  });
  if (!pushed)
    say("the system has no thread for the background");
  return kernel;
}

Expected<void> Engine::State::improve(Kernel::State &kernel, LoweredKernel &lowered,
                                      const std::stop_token &stop) {
  std::optional<KernelCode> better;
  const io::Descriptor turn = disk ? disk->awaitTurn(kernel.key, stop) : io::Descriptor(-1);
  if (stop.stop_requested())
    return {};
  // Another process may have stored it meanwhile.
  std::string schedule;
  int64_t block = 0;
  if (turn.get() >= 0)
    better = loadCode(kernel.key, schedule, block);
  // Another schedule, which the key rules out, could be other bits.
  if (!better || schedule != kernel.schedule || block != kernel.block) {
    Expected<KernelCode> compiled = compileBest(lowered, kernel.key);
    if (!compiled)
      return compiled.takeError();
    better = std::move(*compiled);
  }
  kernel.publish(std::move(*better));
  ++counters.swaps;
  return {};
}

} // namespace norma
