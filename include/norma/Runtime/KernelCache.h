//===- KernelCache.h - Looking after the kernels on the disk ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Engines share compiled kernels through a directory; see docs/cache.md. They need
// no help with it: this is for people and programs that want to look at it, or to
// empty it. All calls are safe while engines use the directory.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_KERNELCACHE_H
#define NORMA_RUNTIME_KERNELCACHE_H

#include "norma/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace norma {

/// The directory that an engine with EngineOptions::cacheDirectory of `choice` uses,
/// as an absolute path; empty when it uses none. Reads the environment where there is no choice:
/// NORMA_CACHE_DIR, then $XDG_CACHE_HOME/norma, then ~/.cache/norma.
Expected<std::string> kernelCacheDirectory(const std::optional<std::string> &choice = {});

/// A file in the directory that has, or should have, a kernel in it.
struct StoredKernel {
  /// Its name in the directory.
  std::string file;
  uint64_t bytes = 0;
  /// Since it was last used.
  double ageSeconds = 0;
  /// Why no engine would use it; empty when one would, and then the rest is known.
  std::string problem;
  /// See KernelInfo.
  std::string key, schedule;
  /// It holds no code, only the schedule which the kernel is to have, as Engine::tune() found it.
  bool tuned = false;
  /// Who made it, and for what.
  std::string normaVersion, llvmVersion, targetCpu;
  /// How long the compilation took, which a hit saves.
  double compileMilliseconds = 0;
};

/// All files, least recently used first; every byte is read and checked. A directory
/// that does not exist has none.
Expected<std::vector<StoredKernel>> listKernelCache(const std::string &directory);

/// What to remove; everything when neither is given.
struct PruneOptions {
  /// Kernels that were not used for longer.
  std::optional<double> olderThanSeconds = {};
  /// The least recently used kernels, until the others have no more bytes.
  std::optional<uint64_t> maxBytes = {};
};

struct PruneResult {
  uint64_t kernels = 0, bytes = 0;
};

/// Removes kernels, and says how many.
Expected<PruneResult> pruneKernelCache(const std::string &directory,
                                       const PruneOptions &options = {});

} // namespace norma

#endif // NORMA_RUNTIME_KERNELCACHE_H
