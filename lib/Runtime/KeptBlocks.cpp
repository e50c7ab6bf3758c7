//===- KeptBlocks.cpp - Ranges of kept indices ----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KeptBlocks.h"

#include <algorithm>

namespace norma {

std::optional<KeptBlocks> KeptBlocks::of(const Problem &problem) {
  if (std::count(problem.kinds.begin(), problem.kinds.end(), 'K') != 1 || !problem.keptInOrder)
    return std::nullopt;
  KeptBlocks blocks;
  blocks.group = int(problem.kinds.find('K'));
  blocks.extent = blocks.width = problem.extents[blocks.group];
  return blocks;
}

Tensor KeptBlocks::slice(const Problem &problem, size_t t, int64_t begin, int64_t end) const {
  const GroupedTensor &tensor = problem.tensors[t];
  const int64_t offset = begin * tensor.strides[group] * int64_t(sizeOf(tensor.dtype));
  Dims extents = problem.extents;
  extents[group] = end - begin;
  return Tensor(tensor.data + offset, tensor.dtype, extents, tensor.strides);
}

} // namespace norma
