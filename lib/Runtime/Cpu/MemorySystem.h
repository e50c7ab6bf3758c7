//===- MemorySystem.h - How a machine reads and keeps data ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What schedules and the engine know of a machine beside its instructions.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_MEMORYSYSTEM_H
#define NORMA_RUNTIME_CPU_MEMORYSYSTEM_H

#include "CacheSizes.h"

#include <string_view>

namespace norma {

struct MemorySystem {
  CacheSizes caches;
  /// A thread reads the most from beyond its second level where it follows so many streams, each in
  /// pages of its own. Intel's processors look ahead within a page; AMD's Zen loses most of what it
  /// reads from a last level to more than one.
  int64_t readStreams = 8;
  /// How much of the last level is counted on to keep the results of maps. None where all cores
  /// reach it by one mesh: there a store into it, which reads the line and later writes it back,
  /// takes longer than one past all caches.
  int64_t keptInLastLevel = 0;
  /// Little data has two parts in a reduction, for two threads, if each has so many bytes: what is
  /// handed over and merged goes from core to core.
  int64_t leastPartBytes = int64_t(384) << 10;
};

/// Of a processor as LLVM names it, such as "znver5".
MemorySystem memorySystemOf(std::string_view cpu, const CacheSizes &caches);

/// Of the machine this runs on.
const MemorySystem &memorySystem();

} // namespace norma

#endif // NORMA_RUNTIME_CPU_MEMORYSYSTEM_H
