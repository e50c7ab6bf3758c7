//===- KeptCuts.cpp - Ranges of kept indices ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KeptCuts.h"

#include <algorithm>
#include <bit>

namespace norma {

Tensor KeptCuts::slice(const Problem &problem, size_t t, int64_t begin, int64_t end) const {
  const GroupedTensor &tensor = problem.tensors[t];
  const int64_t offset = begin * tensor.strides[group] * int64_t(sizeOf(tensor.dtype));
  Dims extents = problem.extents;
  extents[group] = end - begin;
  return Tensor(tensor.data + offset, tensor.dtype, extents, tensor.strides);
}

Problem KeptCuts::first(const Problem &problem, int64_t many) const {
  Problem part = problem;
  part.extents[group] = many;
  return part;
}

std::optional<KeptCuts> KeptCuts::ofFewRows(const Problem &problem, int64_t leastBytes) {
  // Of so many, ranges are as good: each fetches what it keeps of all kept indices less often.
  constexpr int64_t kManyRows = 512;
  // Shorter pieces of rows are read slowly. Of this width, pivots, sums and some rows find room in
  // the first level.
  constexpr int64_t kLeastWidth = 1024;
  // Slices begin where cache lines do, if the first one does.
  constexpr int64_t kLine = 64;
  if (problem.kinds != "RK" || problem.outer() >= kManyRows)
    return std::nullopt;
  KeptCuts cuts{.group = 1, .extent = problem.extents[1]};
  const int64_t worthwhile = problem.partsOf(leastBytes);
  // As many for each of 2, 4, ... threads.
  auto parts = int64_t(std::bit_floor(
      uint64_t(std::max<int64_t>(std::min(cuts.extent / kLeastWidth, worthwhile), 1))));
  for (; parts > 1; parts /= 2) {
    cuts.width = (cuts.extent + kLine * parts - 1) / (kLine * parts) * kLine;
    // The last one has what is left.
    if (cuts.extent - (parts - 1) * cuts.width >= kLeastWidth / 2)
      return cuts;
  }
  return std::nullopt;
}

} // namespace norma
