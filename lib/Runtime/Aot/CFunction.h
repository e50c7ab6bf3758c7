//===- CFunction.h - A C function around compiled code ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One description gives the declaration in the C header and the code that turns its
// arguments into what the compiled function takes. The C function has first an
// int64_t for every extent that is not static, then for each buffer a pointer and an
// int64_t for every stride that is not.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_AOT_CFUNCTION_H
#define NORMA_RUNTIME_AOT_CFUNCTION_H

#include "norma/Support/DType.h"

#include <cstdint>
#include <string>
#include <vector>

namespace norma {

/// An extent or a stride: the int64_t argument of that name, or a number.
struct CSize {
  std::string argument;
  int64_t value = 0;

  bool isArgument() const { return !argument.empty(); }
  /// As it is written in C.
  std::string text() const { return isArgument() ? argument : std::to_string(value); }
};

struct CBuffer {
  enum class Role {
    /// Only read.
    Input,
    /// Only written.
    Output,
    /// Allocated by the function. The argument points to a structure that takes the
    /// memory, the data in it and its extents.
    Allocated,
  };
  std::string name;
  DType dtype = DType::F32;
  Role role = Role::Input;
  std::vector<CSize> extents;
  /// In elements. Empty: row-major and dense.
  std::vector<CSize> strides;
  /// Shares memory with no other buffer of the call.
  bool restricted = true;
  /// Stored to in vectors that must be aligned.
  bool aligned = false;
};

struct CFunction {
  std::string symbol;
  /// What it computes, in lines.
  std::vector<std::string> description;
  /// The int64_t arguments before the buffers.
  std::vector<std::string> extents;
  /// In the order of the compiled function: its arguments, then its results.
  std::vector<CBuffer> buffers;
};

} // namespace norma

#endif // NORMA_RUNTIME_AOT_CFUNCTION_H
