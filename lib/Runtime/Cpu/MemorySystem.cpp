//===- MemorySystem.cpp - How a machine reads and keeps data --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MemorySystem.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/TargetParser/Host.h"

namespace norma {

MemorySystem memorySystemOf(std::string_view cpu, const CacheSizes &caches) {
  MemorySystem system{.caches = caches};
  // AMD's Zen has a last level for every few cores, next to them; others use that, too.
  if (cpu.starts_with("znver")) {
    system.readStreams = 1;
    system.keptInLastLevel = caches.lastLevel / 2;
    system.leastPartBytes = int64_t(192) << 10;
  }
  return system;
}

const MemorySystem &memorySystem() {
  static const MemorySystem system = memorySystemOf(llvm::sys::getHostCPUName(), cacheSizes());
  return system;
}

} // namespace norma
