//===- HostileCalls.h - Every public call that takes tensors ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_HOSTILECALLS_H
#define NORMA_UNITTESTS_RUNTIME_HOSTILECALLS_H

#include "norma/Runtime/Engine.h"

#include <limits>

namespace norma::test {

inline constexpr int64_t kRows = 4, kColumns = 3;
inline constexpr int64_t kHuge = int64_t(1) << 62;
inline constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

/// Memory of a tensor of 4 x 3 elements in the middle of bytes that must stay.
class Guarded {
public:
  Tensor tensor(DType dtype = DType::F32) {
    return Tensor(bytes.data() + kGuard, dtype, {kRows, kColumns});
  }
  bool isUntouched() const { return bytes == untouched(); }

private:
  static constexpr size_t kGuard = 256;
  static std::vector<uint8_t> untouched() {
    return std::vector<uint8_t>(2 * kGuard + kRows * kColumns * 8, 0x3f);
  }
  std::vector<uint8_t> bytes = untouched();
};

/// The tensors that a call takes, and the name each has in messages.
struct TensorCall {
  const char *name;
  std::vector<const char *> inputs, outputs;
  /// With the inputs, then the outputs.
  std::function<std::optional<Error>(std::span<const Tensor>)> run;
};

std::vector<TensorCall> tensorCalls(const std::shared_ptr<Engine> &engine);

/// Good tensors for all arguments of a call.
struct CallMemory {
  explicit CallMemory(const TensorCall &call) : memory(call.inputs.size() + call.outputs.size()) {
    for (Guarded &one : memory)
      tensors.push_back(one.tensor());
  }

  std::vector<Guarded> memory;
  std::vector<Tensor> tensors;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_HOSTILECALLS_H
