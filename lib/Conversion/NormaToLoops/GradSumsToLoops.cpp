//===- GradSumsToLoops.cpp - The gradient's reduction as loops ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormaToLoops.h"
#include "ReductionLoops.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

namespace {

/// sum(dy) and sum(dy * (x - center)). The pivot is the center, rounded to the
/// accumulate type; what that takes from it is made good at the end.
class GradSumsLoops final : private ReductionLoops {
public:
  GradSumsLoops(GradSumsOp op, RewriterBase &rewriter, RunCompanion *beside)
      : ReductionLoops(op, rewriter), op(op), center(withAxis(op.getCenter())),
        sum(withAxis(op.getSum())), dot(withAxis(op.getDot())) {
    inputs.push_back(op.getDy());
    keptLike = sum;
    companion = beside;
  }

  void emit() {
    Value pivots = keptScratch(accumulate);
    totals = {keptScratch(f64), keptScratch(f64)};
    walkKept(wideLanes, [&](ValueRange k, Value tail) {
      e.store(e.load(center, k, accumulate, false, tail), pivots, k);
      clear(totals, k);
    });
    emitScheduledTotals(pivots);
    emitFinish();
    for (Value scratch : {pivots, totals[0], totals[1]})
      e.release(scratch);
  }

private:
  Values addElements(const Place &place, Value pivot, ValueRange sums) override {
    Type type = getElementTypeOrSelf(pivot);
    Value x = e.load(place.inputs[0], place.indices, type, op.getUnsignedData(), place.tail);
    Value dy = e.load(place.inputs[1], place.indices, type, false, place.tail);
    Value d = e.subf(x, pivot);
    if (Value valid = takesPart(place, x)) {
      Value zero = e.constant(0, pivot.getType());
      dy = e.select(valid, dy, zero);
      d = e.select(valid, d, zero);
    }
    return {e.addTo(sums[0], dy), e.addProductTo(sums[1], dy, d)};
  }

  /// The lanes that count; null for all. What mask or weights leave out counts, too,
  /// unless it is not finite.
  Value takesPart(const Place &place, Value x) {
    Value valid;
    // Integers are finite.
    if (isa<FloatType>(dataType.getElementType()))
      for (Value factor : {mask, weights})
        if (factor) {
          // In the type in memory: a small weight is no zero.
          Value w = e.loadRepeating(factor, dataType, place.indices, getElementTypeOrSelf(factor),
                                    false, place.tail);
          valid = valid ? e.both(valid, e.notZero(w)) : e.notZero(w);
        }
    if (valid)
      valid = e.either(valid, e.isFinite(x));
    if (valid && place.tail)
      return e.both(valid, place.tail);
    return valid ? valid : place.tail;
  }

  /// sum(dy * (x - c)) to sum(dy * (x - center)), where c is the rounded center: adds
  /// (c - center) * sum(dy).
  void emitFinish() {
    walkKept(wideLanes, [&](ValueRange k, Value tail) {
      Value first = e.load(totals[0], k, f64), second = e.load(totals[1], k, f64);
      if (!accumulate.isF64()) {
        Value exact = e.load(center, k, f64, false, tail);
        Value rounded = e.convert(e.convert(exact, accumulate), f64);
        Value error = e.finiteOrZero(e.subf(rounded, exact));
        // No error changes nothing, not even an infinite sum.
        Value lost = e.mulf(error, first);
        lost = e.select(e.notZero(error), lost, e.constant(0, lost.getType()));
        second = e.addf(second, lost);
      }
      e.store(first, sum, k, tail);
      e.store(second, dot, k, tail);
    });
  }

  GradSumsOp op;
  /// With one axis of extent 1 where no axis is kept.
  Value center, sum, dot;
};

} // namespace

void norma::emitLoops(GradSumsOp op, RewriterBase &rewriter, RunCompanion *companion) {
  GradSumsLoops(op, rewriter, companion).emit();
}
