//===- ReductionScheduleRules.cpp - Which schedule a reduction gets -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionRules.h"

using namespace mlir;
using namespace norma;

/// f32 holds every value of the narrow types.
static bool exceedsF32(Value value) {
  Type element = getElementTypeOrSelf(value);
  return element.getIntOrFloatBitWidth() > 32 || element.isInteger(32);
}

/// How many rows are a block. What one costs by itself, its call, pivots, and the totals of a line,
/// is little beside its sums, and so is what it costs for each of its kept indices. Rows have many
/// of these. Where there is none of it, small blocks keep more threads at work, and leave short
/// runs in a cache.
static int64_t chooseBlock(const Reduction &reduction, const ReductionSteps &steps,
                           const ReductionReads &reads) {
  constexpr int64_t kKiB = 1024;
  const bool hasSamples = reads.streams > 0 && steps.areFarApart(reduction.form);
  const bool costs = reduction.findsPivots || steps.traversal == Traversal::Flat ||
                     (hasSamples && reduction.isExact());
  const int64_t bytes = (costs ? 2048 : steps.traversal == Traversal::Rows ? 1024 : 256) * kKiB;
  const int64_t ofKept = costs ? 1024 : 256;
  const int64_t each = std::max<int64_t>(reduction.form.elementsPerKeptOfRow(), 1);
  const int64_t block = blockOf(reduction.form.row(), reduction.rowBytes(), steps.vector, bytes,
                                llvm::divideCeil(ofKept, each));
  // No sample is left over but in the last block.
  return hasSamples ? llvm::alignTo(block, reads.streams) : block;
}

static ScheduleAttr chooseReduction(const Reduction &reduction) {
  const ReductionSteps steps = chooseSteps(reduction);
  const ReductionReads reads = chooseReads(reduction, steps);
  return ScheduleAttr::get(reduction.accumulate.getContext(), steps.traversal, steps.vector,
                           reads.abreast, reads.group, steps.line, reduction.accumulate,
                           chooseBlock(reduction, steps, reads), /*nontemporal=*/false,
                           reads.prefetch, reads.parts, reads.streams, /*interleave=*/false);
}

/// f32, or f64 where the sums need it even within a group.
static Type floatSums(MLIRContext *context, bool wide) {
  return wide ? Type(Float64Type::get(context)) : Type(Float32Type::get(context));
}

ScheduleAttr norma::chooseSchedule(MomentsOp op, const TargetDescription &target,
                                   const ReductionUse &use) {
  MLIRContext *context = op->getContext();
  // Weights need f64 to be counted exactly.
  Type accumulate = floatSums(context, exceedsF32(op.getData()) || op.getWeights());
  bool exact = getElementTypeOrSelf(op.getData()).isInteger(8) && !op.getWeights();
  if (exact)
    accumulate = IntegerType::get(context, 32);
  return chooseReduction({.operands = op->getOperands(),
                          .tensors = {op.getData()},
                          .mask = op.getMask(),
                          .weights = op.getWeights(),
                          .form = {cast<ShapedType>(op.getData().getType()), op.getKept()},
                          .accumulate = accumulate,
                          .findsPivots = !exact,
                          .sums = op.getMask() || op.getWeights() ? 3 : 2,
                          .omitsNan = op.getNan() == NanHandling::Omit && !exact,
                          .target = target,
                          .use = use});
}

ScheduleAttr norma::chooseSchedule(GradSumsOp op, const TargetDescription &target,
                                   const ReductionUse &use) {
  return chooseReduction({.operands = op->getOperands(),
                          .tensors = {op.getData(), op.getDy()},
                          .mask = op.getMask(),
                          .weights = op.getWeights(),
                          .form = {cast<ShapedType>(op.getData().getType()), op.getKept()},
                          .accumulate = floatSums(op->getContext(), exceedsF32(op.getData()) ||
                                                                        exceedsF32(op.getDy())),
                          .findsPivots = false,
                          .sums = 2,
                          .target = target,
                          .use = use});
}
