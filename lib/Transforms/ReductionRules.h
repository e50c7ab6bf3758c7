//===- ReductionRules.h - What the rules of reductions share ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A schedule is chosen in two parts: the steps that vectors take through the data,
// and what is read at each of them.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_REDUCTIONRULES_H
#define NORMA_TRANSFORMS_REDUCTIONRULES_H

#include "ScheduleForm.h"

#include "norma/Transforms/ScheduleRules.h"

#include "mlir/IR/TypeUtilities.h"

namespace norma {

/// Vectors that a sum takes in f32, and in i32, which rounds nothing.
inline constexpr int64_t kGroup = 32, kExactGroup = 256;

/// As many vectors with sums of their own hide the latency of additions.
inline constexpr int64_t kUsualAbreast = 4;

/// What the rules know of a reduction.
struct Reduction {
  /// Vectors need a unit innermost stride of every one.
  mlir::OperandRange operands;
  /// The tensors of the data's shape, data first: one or two.
  llvm::SmallVector<mlir::Value, 2> tensors;
  mlir::Value mask, weights;
  ScheduleForm form;
  /// What sums have within a group.
  mlir::Type accumulate;
  /// The sums are around pivots that every block finds for itself.
  bool findsPivots;
  /// Sums of every vector.
  int64_t sums;
  /// Elements that are NaN are left out.
  bool omitsNan = false;
  const TargetDescription &target;
  ReductionUse use;

  /// Of an element of the data.
  int64_t bytes() const { return bytesOf(tensors.front()); }
  bool isNarrow() const { return bytes() < 4; }
  bool isOfTwo() const { return tensors.size() > 1; }
  /// What a row has of all tensors.
  int64_t rowBytes() const {
    int64_t bytes = 0;
    for (mlir::Value tensor : tensors)
      bytes += form.row() * bytesOf(tensor);
    return bytes;
  }
  /// Whether sums are of integers, around nothing, so that they round nothing.
  bool isExact() const { return accumulate.isInteger(32); }
  int64_t group() const { return isExact() ? kExactGroup : kGroup; }
  /// Whether every element counts once.
  bool isPlain() const { return !mask && !weights; }
  /// Whether it asks for what is in memory, and the processor goes through that best in order.
  bool asksInOrder() const { return use.ahead && target.readsInOrder(); }
};

/// The way that vectors take through the data.
struct ReductionSteps {
  Traversal traversal;
  int64_t vector, line;
  /// Those of a row, a line or a run; 0 where that is not known.
  int64_t vectors;
  /// Whether the data is a block of kept indices by runs, whose samples lie apart.
  bool isBlock;

  bool byRuns() const { return traversal == Traversal::Runs && line == 0; }
  /// Whether several vectors that go abreast would be of several samples, as those of short runs
  /// are.
  bool areFarApart(const ScheduleForm &form) const {
    return byRuns() && form.kinds.size() > 2 && vectors < kGroup;
  }
};

/// What of the data is read at a time, and how many elements ahead it is asked for.
struct ReductionReads {
  int64_t abreast = 1, prefetch = 0, parts = 0, streams = 0, group = 0;
};

ReductionSteps chooseSteps(const Reduction &reduction);
ReductionReads chooseReads(const Reduction &reduction, const ReductionSteps &steps);

} // namespace norma

#endif // NORMA_TRANSFORMS_REDUCTIONRULES_H
