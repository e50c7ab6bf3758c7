//===- ToolSupport.cpp - Who sees kernels by name -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ToolSupport.h"

#include <cstdlib>

namespace norma {

Expected<ToolSupport> toolSupportOf(const std::optional<std::string> &choice) {
  const char *environment = choice ? nullptr : std::getenv("NORMA_TOOLS");
  const std::string text = choice ? *choice : environment ? environment : "";
  ToolSupport tools;
  if (text.empty())
    return tools;
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(',', begin);
    const std::string tool = text.substr(begin, end - begin);
    if (tool == "perf")
      tools.perf = true;
    else if (tool == "gdb")
      tools.gdb = true;
    else
      return invalidArgument(std::string(choice ? "tools" : "NORMA_TOOLS") + ": '" + text +
                             "', expected 'perf', 'gdb', 'perf,gdb', or nothing");
  }
  return tools;
}

} // namespace norma
