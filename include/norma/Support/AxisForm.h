//===- AxisForm.h - Shapes reduced to what matters --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Neighbouring axes that are all kept, or all reduced, act as one axis, and axes
// with an extent of 1 do not act at all. What remains is the axis form, written
// outermost first with R (reduced) and K (kept):
//
//   shape (32, 224, 224, 3), kept {3}     ->  RK   of 1605632 x 3
//   shape (32, 64, 56, 56),  kept {1}     ->  RKR  of 32 x 64 x 3136
//   shape (178, 13),         kept {}      ->  R    of 2314
//
// A tensor that only some axes of which repeat (a mask, weights) splits groups
// further: axes merge only where they also agree in `repeats`.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_AXISFORM_H
#define NORMA_SUPPORT_AXISFORM_H

#include "norma/Support/Tensor.h"

#include <vector>

namespace norma {

/// An extent that is not known when a kernel is compiled. (MLIR's
/// ShapedType::kDynamic.)
inline constexpr int64_t kDynamic = INT64_MIN;

struct AxisForm {
  /// 'R' or 'K' for every group of axes, outermost first. Never empty: a shape
  /// with no axis that matters is "R" with an extent of 1.
  std::string kinds;
  /// The extent of every group; kDynamic when it holds a dynamic axis.
  Dims extents;
  /// The axes of every group, as tensor.collapse_shape wants them: together they
  /// list every axis once, in order. Empty groups stand only for rank 0.
  std::vector<Dims> groups;

  int rank() const { return extents.size(); }
  bool isKept(int group) const { return kinds[group] == 'K'; }
};

/// The axis form of a tensor of `shape` whose `kept` axes (ascending, in range)
/// have statistics of their own. `repeats`, when not empty, has one bit set per
/// axis for every further operand that repeats along it.
AxisForm collapseAxes(std::span<const int64_t> shape, std::span<const int64_t> kept,
                      std::span<const int64_t> repeats = {});

/// Negative axes counted from the back, sorted. Errors: an axis out of
/// [-rank, rank), the same axis twice. `name` names the argument.
Expected<Dims> canonicalAxes(std::span<const int64_t> axes, int rank, std::string_view name);

/// The axes of a tensor of `rank` that are not in `kept`.
Dims complementAxes(std::span<const int64_t> kept, int rank);

/// The extents of the `kept` axes.
Dims keptShape(std::span<const int64_t> shape, std::span<const int64_t> kept);

} // namespace norma

#endif // NORMA_SUPPORT_AXISFORM_H
