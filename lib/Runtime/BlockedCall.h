//===- BlockedCall.h - A reduction and a map of the same data ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKEDCALL_H
#define NORMA_RUNTIME_BLOCKEDCALL_H

#include "BlockedKey.h"
#include "EngineCall.h"

namespace norma {

/// A reduction and a map of the same data. Arguments have been checked.
struct BlockedCall {
  /// `data` are the inputs and the result of the map.
  BlockedCall(std::vector<Tensor> data, const Operands &operands, std::span<const int64_t> kept,
              NanPolicy nan, DType compute);

  BlockedKey key() const;
  /// Of statistics of x, or of sums over x and dy.
  bool isGradient() const { return inputs > 1; }
  const Tensor &result() const { return tensors[inputs]; }
  /// What the reduction reads: the inputs, then mask and weights.
  std::vector<Tensor> reduced() const;
  /// Whether the result begins so little behind an input, in the lower bits by which processors
  /// compare addresses, that what a map reads next seems to be what it has just stored.
  bool resultFollowsInput() const;

  /// The data, then mask and weights.
  std::vector<Tensor> tensors;
  size_t inputs;
  const Operands &operands;
  std::span<const int64_t> kept;
  NanPolicy nan;
  DType compute;
};

} // namespace norma

#endif // NORMA_RUNTIME_BLOCKEDCALL_H
