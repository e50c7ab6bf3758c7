//===- CacheSizes.h - What the caches of a processor hold -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As Linux tells for every cache and who shares it. The C library's sysconf() knows less: on
// processors of several dies it gives the last levels of all dies as one, of which a thread
// reaches its own only.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_CACHESIZES_H
#define NORMA_RUNTIME_CPU_CACHESIZES_H

#include <cstdint>
#include <string>

namespace norma {

/// In bytes; 0 where there is no such cache, or that is not known.
struct CacheSizes {
  /// The first level for data and the second, as much of them as one core has for itself.
  int64_t l1 = 0, l2 = 0;
  /// What comes behind, the last of several levels: all that the cores beside one share.
  int64_t lastLevel = 0;
};

/// The caches of the processor that `folder` describes, such as /sys/devices/system/cpu/cpu0.
CacheSizes readCacheSizes(const std::string &folder);

/// The caches of this machine, of its first processor wherever the caller runs: what
/// depends on them shall be the same in every process.
const CacheSizes &cacheSizes();

} // namespace norma

#endif // NORMA_RUNTIME_CPU_CACHESIZES_H
