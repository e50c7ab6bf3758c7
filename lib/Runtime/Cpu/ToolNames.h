//===- ToolNames.h - Tells perf and gdb where kernels are -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ORC has plugins for both tools, which do not fit here: what is told to gdb is not
// taken back when code goes, so that gdb reads memory that is gone; and the recordings
// for perf must be merged with its own by hand, and there is one in a process. What
// the tools need is little: names, and where an object is.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_TOOLNAMES_H
#define NORMA_RUNTIME_CPU_TOOLNAMES_H

#include "norma/Support/Error.h"

#include <memory>

namespace norma {

/// Adds the functions of an object to /tmp/perf-PID.map, where perf looks for the names
/// of code that is in no file. `entry` is where its function `symbol` has been loaded.
/// Lines are never removed: the file is read when the process has ended.
Expected<void> addToPerfMap(const std::string &object, const std::string &symbol,
                            const void *entry);

/// An object that gdb knows of, as long as this lives.
class GdbObject {
public:
  static Expected<std::unique_ptr<GdbObject>> create(const std::string &object,
                                                     const std::string &symbol, const void *entry);
  GdbObject(const GdbObject &) = delete;
  GdbObject &operator=(const GdbObject &) = delete;
  ~GdbObject();

private:
  struct State;
  explicit GdbObject(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_TOOLNAMES_H
