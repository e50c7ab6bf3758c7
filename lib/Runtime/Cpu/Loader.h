//===- Loader.h - Object bytes in, function pointer out ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_LOADER_H
#define NORMA_RUNTIME_CPU_LOADER_H

#include "../ToolSupport.h"

#include <memory>
#include <string>

namespace norma {

struct CpuTarget;

/// `void (*)(void **arguments)`, see Compiler.h.
using EntryPoint = void (*)(void **);

/// Machine code in memory. Freed with the last handle, which must go before the
/// Loader does.
class LoadedCode {
public:
  virtual ~LoadedCode() = default;
  EntryPoint entry = nullptr;
};

/// Links objects into the process with ORC, and tells tools of them. Safe from several
/// threads.
class Loader {
public:
  static Expected<std::unique_ptr<Loader>> create(const CpuTarget &target,
                                                  const ToolSupport &tools);
  virtual ~Loader() = default;
  virtual Expected<std::unique_ptr<LoadedCode>> load(const std::string &object,
                                                     const std::string &symbol) = 0;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_LOADER_H
