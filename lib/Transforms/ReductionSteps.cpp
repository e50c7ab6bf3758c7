//===- ReductionSteps.cpp - The way of a reduction through its data -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionRules.h"

#include <numeric>

using namespace mlir;
using namespace norma;

/// A vector of sums, or an element where the operands have no vectors.
static int64_t chooseVector(const Reduction &reduction) {
  if (reduction.form.extents.empty() || !llvm::all_of(reduction.operands, hasUnitInnerStride) ||
      !allowsVectors(reduction.mask) || !allowsVectors(reduction.weights))
    return 1;
  return reduction.target.vectorBits / reduction.accumulate.getIntOrFloatBitWidth();
}

/// Whether lines of pages give more than a `line`. A processor follows one stream of reads in a
/// page. The lines of a group are gone through side by side, so where they are pages they give more
/// from memory. Two tensors are enough streams, and integers, which have long groups, would be too
/// many.
static bool gainsFromPages(const Reduction &reduction) {
  const ScheduleForm &form = reduction.form;
  return reduction.use.streaming && !reduction.target.readsInOrder() &&
         (form.kinds == "R" || form.kinds == "RK") && !reduction.isOfTwo() &&
         isa<FloatType>(reduction.accumulate);
}

/// The line of a flat traversal, of whole rows and whole vectors; 0 where one is not worth having.
static int64_t chooseLine(const Reduction &reduction, int64_t vector) {
  const ScheduleForm &form = reduction.form;
  const int64_t row = form.row();
  if (vector <= 1 || !reduction.isPlain() || !llvm::all_of(reduction.tensors, isContiguous) ||
      row <= 0)
    return 0;
  // The totals of a line, 16 bytes an element, are touched once a group.
  auto liesWithin = [&](int64_t line, int64_t firstLevels) {
    return line * 16 <= firstLevels * reduction.target.l1Bytes;
  };
  constexpr int64_t kNear = 2, kFar = 8;
  const int64_t step = kUsualAbreast * vector, period = std::lcm(row, vector);
  int64_t line = period;
  while (line < step)
    line *= 2;
  constexpr int64_t kLongBytes = 8192;
  if (gainsFromPages(reduction) && line * reduction.bytes() < kLongBytes) {
    auto elements = int64_t(llvm::divideCeil(kLongBytes, reduction.bytes()));
    if (int64_t longer = llvm::alignTo(elements, period); liesWithin(longer, kNear))
      return longer;
  }
  // Rows that are not whole vectors, and short runs. The last step along a row that is not whole
  // steps gives some of it once more.
  const int64_t again = (step - row % step) % step;
  const bool isRagged =
      form.kinds == "RK" && (row < step || (row % vector != 0 && again * 16 > row));
  if (isRagged && liesWithin(line, kNear))
    return line;
  const int64_t run = form.extents.back();
  if (form.kinds != "RKR" || run >= 4 * vector)
    return 0;
  // To add up the lanes of a tiny run takes longer than all else, most of all if they are less than
  // a cache line. Others are as fast one by one where what is kept of a line does not stay in the
  // first level, unless memory is waited for.
  constexpr int64_t kTinyRun = 16, kLineBits = 512;
  const bool isLess = run * reduction.accumulate.getIntOrFloatBitWidth() <= kLineBits;
  const bool isKept = line * 24 <= reduction.target.l1Bytes;
  if (run > kTinyRun && !isKept && !reduction.use.streaming)
    return 0;
  return liesWithin(line, run <= kTinyRun && isLess ? kFar : kNear) ? line : 0;
}

ReductionSteps norma::chooseSteps(const Reduction &reduction) {
  const ScheduleForm &form = reduction.form;
  ReductionSteps steps;
  steps.vector = chooseVector(reduction);
  int64_t innermost = form.extents.empty() ? 1 : form.extents.back();
  steps.traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
  steps.line = chooseLine(reduction, steps.vector);
  if (steps.line > 0) {
    steps.traversal = Traversal::Flat;
    innermost = steps.line;
  }
  steps.vectors = ShapedType::isDynamic(innermost) ? 0 : innermost / steps.vector;
  steps.isBlock = steps.traversal == Traversal::Runs && form.kinds.starts_with("R") &&
                  form.row() > 0 && haveDenseRows(reduction.tensors) &&
                  !llvm::all_of(reduction.tensors, isContiguous);
  // Its runs are gone through as they are in memory. They begin and end within vectors, so that one
  // has fewer to itself.
  if (steps.isBlock && steps.vector > 1 && reduction.isPlain() && steps.vectors < kGroup) {
    steps.line = rowOfRuns(form, steps.vector);
    if (steps.line > 0)
      steps.vectors = std::max<int64_t>((innermost - steps.vector + 1) / steps.vector, 1);
  }
  return steps;
}
