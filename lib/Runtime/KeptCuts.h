//===- KeptCuts.h - Ranges of kept indices ----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kept index needs its own data only, so a call may be cut into ranges of them. Where the cuts
// are depends on the shape and the processor alone.
//
// A reduction of few rows is cut into slices of columns: what a kernel keeps of each kept index,
// its sums and its pivot, stays in the first level while it goes down the rows of a slice, and
// threads share slices without a merge.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_KEPTCUTS_H
#define NORMA_RUNTIME_KEPTCUTS_H

#include "Problem.h"

#include <algorithm>
#include <optional>

namespace norma {

/// Kept indices [begin, end).
struct KeptRange {
  int64_t begin, end;
};

/// Ranges of kept indices along one group of a problem, equal but for the last.
struct KeptCuts {
  int group = 0;
  int64_t extent = 0, width = 0;

  int64_t count() const { return (extent + width - 1) / width; }
  int64_t begin(int64_t range) const { return range * width; }
  int64_t end(int64_t range) const { return std::min(extent, begin(range) + width); }
  /// Of the last range.
  int64_t lastWidth() const { return extent - begin(count() - 1); }

  /// Kept indices [begin, end) of a tensor of the problem.
  Tensor slice(const Problem &problem, size_t t, int64_t begin, int64_t end) const;
  /// The problem of the first kept indices, so many.
  Problem first(const Problem &problem, int64_t many) const;

  /// The slices of a reduction of few rows, each with `leastBytes` of every tensor; none for other
  /// problems, and where there would be one.
  static std::optional<KeptCuts> ofFewRows(const Problem &problem, int64_t leastBytes);
};

} // namespace norma

#endif // NORMA_RUNTIME_KEPTCUTS_H
