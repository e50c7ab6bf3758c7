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

namespace norma::test {

/// The last level of a processor of the size that engineWithCaches() is about.
inline constexpr int64_t kLastLevel = int64_t(64) << 20;

/// An engine that takes each core for one with a second level of 2 MiB, and all for such with a
/// last level of kLastLevel.
inline std::shared_ptr<Engine> engineWithCaches(const EngineOptions &options) {
  std::shared_ptr<Engine> engine = engineWith(options);
  auto &state = stateOf(*engine);
  state.l2Bytes = int64_t(2) << 20;
  state.lastLevelBytes = kLastLevel;
  return engine;
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_ENGINEWITHCACHES_H
