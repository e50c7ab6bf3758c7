//===- ToolSupport.h - Who sees kernels by name -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TOOLSUPPORT_H
#define NORMA_RUNTIME_TOOLSUPPORT_H

#include "norma/Support/Error.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace norma {

/// The tools that are told of every kernel when it is loaded.
struct ToolSupport {
  bool perf = false, gdb = false;
  /// Is told, once, when a tool cannot be; may be empty.
  std::function<void(std::string_view)> log = {};
};

/// Of EngineOptions::tools; reads the environment where there is no choice.
Expected<ToolSupport> toolSupportOf(const std::optional<std::string> &choice);

} // namespace norma

#endif // NORMA_RUNTIME_TOOLSUPPORT_H
