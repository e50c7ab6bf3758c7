//===- BlockedCall.cpp - A reduction and a map of the same data -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockedCall.h"

#include <algorithm>

namespace norma {

BlockedCall::BlockedCall(std::vector<Tensor> data, const Operands &operands,
                         std::span<const int64_t> kept, NanPolicy nan, DType compute)
    : tensors(std::move(data)), inputs(tensors.size() - 1), operands(operands), kept(kept),
      nan(nan), compute(compute) {
  operands.appendTo(tensors);
}

std::vector<Tensor> BlockedCall::reduced() const {
  std::vector<Tensor> all = tensors;
  all.erase(all.begin() + std::ptrdiff_t(inputs));
  return all;
}

bool BlockedCall::resultFollowsInput() const {
  // These are 12 bits on x86-64; and a store that is two lines behind is done.
  constexpr uintptr_t kAliasBytes = 4096, kCloseBytes = 128;
  const auto address = [](const Tensor &tensor) {
    return reinterpret_cast<uintptr_t>(tensor.data);
  };
  return std::ranges::any_of(std::span(tensors).first(inputs), [&](const Tensor &input) {
    const uintptr_t behind = (address(result()) - address(input)) % kAliasBytes;
    return behind > 0 && behind < kCloseBytes;
  });
}

BlockedKey BlockedCall::key() const {
  BlockedKey key;
  key.push(int64_t(inputs));
  key.push(int64_t(operands.mask.has_value()));
  key.push(int64_t(nan));
  key.push(int64_t(compute));
  key.push(tensors.front().shape);
  key.push(kept);
  // Of addresses it matters whether the map is in place, and whether the result is aligned and does
  // not follow an input closely: these decide how it is written.
  for (const Tensor &tensor : tensors) {
    key.push(int64_t(tensor.dtype) << 1 | int64_t(tensor.data == result().data));
    key.push(tensor.strides);
  }
  key.push(int64_t(reinterpret_cast<uintptr_t>(result().data) % kStreamingAlignment == 0));
  key.push(int64_t(resultFollowsInput()));
  return key;
}

} // namespace norma
