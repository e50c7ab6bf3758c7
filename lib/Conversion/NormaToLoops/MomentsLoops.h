//===- MomentsLoops.h - The reduction kernel as loops -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How the statistics of a block are made (f32 data; n elements per kept index):
//
// 1. pivots    c = a value near the mean, from a few samples spread over the data.
// 2. totals    s1 = sum(x - c), s2 = sum((x - c)^2). Up to `group` vectors are
//              summed in the accumulate type, groups are summed in f64, so no f32
//              sum is longer than a group.
// 3. finish    mean = c + s1/n, m2 = s2 - s1^2/n.
//
// Step 3 loses digits by the factor 1 + (c - mean)^2/variance. The factor is
// known then: where it exceeds 5, or where squares may have left the range of
// f32, steps 2 and 3 are done again in f64 with c = mean (corrected two-pass;
// Chan, Golub, LeVeque 1983). So the common case reads the data once, and every
// case is accurate. A constant kept index has x - c = 0 and m2 = 0 exactly.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H
#define NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H

#include "LoopEmitter.h"

#include "norma/Dialect/Norma.h"

#include "mlir/IR/PatternMatch.h"

namespace norma {

using Values = LoopEmitter::Values;

/// Partial sums of one vector of kept indices, or of one run: sum of weights
/// (null where every element counts once), of deviations, of their squares.
struct Sums {
  mlir::Value weight, first, second;

  Values list() const { return weight ? Values{weight, first, second} : Values{first, second}; }
  static Sums of(mlir::ValueRange values) {
    return values.size() == 3 ? Sums{values[0], values[1], values[2]}
                              : Sums{{}, values[0], values[1]};
  }
};

/// An element of the data on its way into the sums. `valid` and `weight` are null
/// where every element counts once.
struct Element {
  mlir::Value x, valid, weight;
};

class MomentsLoops {
public:
  MomentsLoops(MomentsOp op, mlir::RewriterBase &rewriter)
      : op(op), schedule(op.getScheduleAttr()),
        e(op.getLoc(), rewriter, op.getScheduleAttr().getVector()), data(op.getData()),
        dataType(mlir::cast<mlir::MemRefType>(op.getData().getType())),
        keptRank(std::max<int64_t>(op.getKept().size(), 1)), f64(e.getF64Type()),
        accumulate(schedule.getAccumulate() ? schedule.getAccumulate() : e.getF32Type()) {
    count = withAxis(op.getCount());
    mean = withAxis(op.getMean());
    m2 = withAxis(op.getM2());
    for (int64_t axis = 0; axis < dataType.getRank(); ++axis)
      if (!llvm::is_contained(op.getKept(), axis))
        reduced.push_back(axis);
    omitsNan =
        op.getNan() == NanHandling::Omit && mlir::isa<mlir::FloatType>(dataType.getElementType());
    partial = op.getMask() || op.getWeights() || omitsNan;
  }

  void emit();

private:
  // The steps, in the order they are described above. The pivots are a buffer over
  // the kept indices; the totals are kept in the outputs.

  // MomentsPivots.cpp
  void emitPivots(mlir::Value pivots);
  mlir::Value samplePivot(Values indices, mlir::Value mask);

  // MomentsTotals.cpp: of rows (innermost axis kept), of runs (innermost axis
  // reduced), of the flat array; summed in `type` in groups.
  void emitTotals(mlir::Value pivots, mlir::Type type, int64_t unroll);
  void emitFlatTotals(mlir::Value pivots);
  void emitRows(mlir::Value view, bool rowAxisReduced,
                llvm::function_ref<Values(mlir::ValueRange)> keptIndices, mlir::Value pivots,
                Sums totals, mlir::Type type, int64_t unroll);
  void emitRuns(mlir::Value pivots, mlir::Type type, int64_t unroll);
  Sums emitGroup(mlir::Value size, mlir::Value pivot, mlir::Type type, int64_t unroll,
                 llvm::function_ref<Element(mlir::Value)> at);
  void addToTotals(Sums sums, Sums totals, mlir::ValueRange indices, mlir::Value mask);

  // MomentsToLoops.cpp
  void emitFinish(mlir::Value pivots, mlir::Value suspect);
  void emitRepair();

  // MomentsAccess.cpp
  Element loadElement(mlir::ValueRange indices, mlir::Type type, mlir::Value mask);
  Element loadLineElement(mlir::Value lines, mlir::ValueRange indices, mlir::Type type,
                          mlir::Value mask);
  mlir::Value loadLike(mlir::Value operand, mlir::ValueRange indices, mlir::Type type,
                       mlir::Value mask);
  void walkKept(llvm::function_ref<void(mlir::ValueRange, mlir::Value)> body);
  void clearOuts();
  Values keptExtents();
  Values keptOf(mlir::ValueRange indices);
  mlir::Value withAxis(mlir::Value memref);
  bool lastIsKept() {
    return !op.getKept().empty() && op.getKept().back() == dataType.getRank() - 1;
  }
  Sums outs() { return {partial ? count : mlir::Value(), mean, m2}; }

  MomentsOp op;
  ScheduleAttr schedule;
  LoopEmitter e;
  mlir::Value data;
  mlir::MemRefType dataType;
  /// The outputs, with one axis of extent 1 where no axis is kept. Until
  /// emitFinish() they hold the totals.
  mlir::Value count, mean, m2;
  int64_t keptRank;
  mlir::Type f64, accumulate;
  llvm::SmallVector<int64_t> reduced;
  /// NaN elements are left out; elements may be left out, or weighted.
  bool omitsNan = false, partial = false;
  /// Elements per kept index, as index and as f64.
  mlir::Value elements, elementsF64;
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H
