//===- EngineWithCaches.h - Engines as of another processor -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How data is cut, and which kernels it gets, depends on the caches of the machine. Tests
// that expect a certain cut say how large these are.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_ENGINEWITHCACHES_H
#define NORMA_UNITTESTS_RUNTIME_ENGINEWITHCACHES_H

#include "EngineTest.h"
#include "Runtime/EngineImpl.h"

#include <stdexcept>
#include <type_traits>

namespace norma::test {

inline constexpr int64_t kLastLevel = int64_t(32) << 20;

/// Cores with a second level of 2 MiB each, which share a last one, past which they write, and
/// which they read in several streams.
inline constexpr MemorySystem kMesh{.caches = {48 << 10, 2 << 20, kLastLevel}};
/// A last level next to its cores, which is kept to, and read in order.
inline constexpr MemorySystem kNearLastLevel{.caches = {48 << 10, 2 << 20, kLastLevel},
                                             .readStreams = 1,
                                             .keptInLastLevel = kLastLevel / 2,
                                             .leastPartBytes = 192 << 10};

/// An engine as on another machine.
inline std::shared_ptr<Engine> engineWithCaches(const EngineOptions &options,
                                                const MemorySystem &memory = kMesh) {
  using State = std::remove_reference_t<decltype(stateOf(std::declval<Engine &>()))>;
  Expected<std::shared_ptr<Engine>> created = State::create(options, memory);
  if (!created)
    throw std::runtime_error(created.error().message());
  return *created;
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_ENGINEWITHCACHES_H
