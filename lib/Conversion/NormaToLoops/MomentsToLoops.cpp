//===- MomentsToLoops.cpp - The steps of the statistics kernel ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"
#include "NormaToLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// The whole kernel
//===----------------------------------------------------------------------===//

void MomentsLoops::emit() {
  elements = e.index(1);
  for (int64_t axis : reduced)
    elements = e.mul(elements, e.extent(data, axis));
  elementsF64 = e.indexToF64(elements);

  // Parts of the work are asked for where there is some.
  auto known = getConstantIntValue(elements);
  if (op.getPart() != MomentsPart::All || (known && *known > 0))
    return emitKernel();
  // No data: zeros, and nothing to sample.
  e.ifElse(
      e.notZero(arith::IndexCastOp::create(e, e.getI64Type(), elements)), [&] { emitKernel(); },
      [&] {
        walkKept(1, [&](ValueRange k, Value) {
          for (Value out : {count, mean, m2})
            e.storeScalar(e.constant(0, f64), out, k);
        });
      });
}

void MomentsLoops::emitKernel() {
  for (int64_t sums = partial ? 3 : 2; sums > 0; --sums)
    totals.push_back(keptScratch(f64));
  MomentsPart part = op.getPart();
  if (part != MomentsPart::Exact)
    emitFast();
  if (part == MomentsPart::Exact)
    emitExact();
  else if (part == MomentsPart::All && !sumsExactly)
    e.ifTrue(anySuspect(), [&] { emitExact(); });
  for (Value total : totals)
    e.release(total);
}

void MomentsLoops::emitFast() {
  if (sumsExactly) {
    walkKept(wideLanes, [&](ValueRange k, Value) { clear(totals, k); });
    emitScheduledTotals({});
    return emitFinish({}, false);
  }
  Value pivots = keptScratch(accumulate);
  emitPivots(pivots);
  emitScheduledTotals(pivots);
  emitFinish(pivots, /*marks=*/true);
  e.release(pivots);
}

/// Twice, in f64: around the mean that there is (or 0 where that is not finite), to have the mean
/// right, then around that. A loop, so that the code is there once.
void MomentsLoops::emitExact() {
  Value pivots = keptScratch(f64);
  e.forEach(e.index(0), e.index(2), 1, [&](Value) {
    walkKept(wideLanes, [&](ValueRange k, Value tail) {
      e.store(e.finiteOrZero(e.load(mean, k, f64, false, tail)), pivots, k);
      clear(totals, k);
    });
    emitWideTotals(pivots);
    emitFinish(pivots, /*marks=*/false);
  });
  e.release(pivots);
}

/// Whether one of the statistics is marked.
Value MomentsLoops::anySuspect() {
  Value any;
  e.withWidth(wideLanes, [&] {
    Value zero = e.constant(0, e.vectorOf(f64)), marks = e.scratch(e.index(e.width), f64);
    Values first{e.index(0)};
    e.store(zero, marks, first);
    walkKept(wideLanes, [&](ValueRange k, Value tail) {
      Value one = e.load(m2, k, f64, false, tail);
      Value isLess = arith::CmpFOp::create(e, arith::CmpFPredicate::OLT, one, zero);
      e.store(e.addf(e.load(marks, first, f64), e.select(isLess, one, zero)), marks, first);
    });
    any = e.notZero(e.sumLanes(e.load(marks, first, f64)));
  });
  return any;
}

//===----------------------------------------------------------------------===//
// Finish
//===----------------------------------------------------------------------===//

/// The quotient by way of the reciprocal, which is found once for all, with the remainder made good
/// (Markstein 1990): the nearest one where the target fuses, else one beside it at most. For
/// infinite sums it is NaN.
Value MomentsLoops::perElement(Value sum, Value n) {
  Value reciprocal = e.divf(e.constant(1, n.getType()), n), quotient = e.mulf(sum, reciprocal);
  Value rest = e.fma(quotient, e.subf(e.constant(0, n.getType()), n), sum);
  return e.fma(rest, reciprocal, quotient);
}

/// Turns the totals into statistics, and `marks` those that may be inaccurate: their m2 is -1.
void MomentsLoops::emitFinish(Value pivots, bool marks) {
  walkKept(wideLanes, [&](ValueRange k, Value tail) {
    Type type = e.vectorOf(f64);
    Value zero = e.constant(0, type);
    // What lanes of nobody hold must not look as if it had underflown.
    auto loadOf = [&](Value buffer) { return e.load(buffer, k, f64, false, tail); };
    Value n = partial ? loadOf(totals.front()) : e.broadcast(elementsF64);
    // Where counts differ, so do reciprocals; and what is not finite is marked, and done exactly.
    auto divided = [&](Value sum) {
      return partial || !(marks || sumsExactly) ? e.divf(sum, n) : perElement(sum, n);
    };
    Value first = loadOf(totals.end()[-2]), second = loadOf(totals.back());
    Value pivot;
    if (sumsExactly) {
      // Around the mean as a whole number from here on: all of this is exact.
      pivot = math::RoundEvenOp::create(e, divided(first));
      Value all = e.mulf(n, pivot);
      second = e.subf(second, e.mulf(pivot, e.subf(e.addf(first, first), all)));
      first = e.subf(first, all);
    } else {
      pivot = loadOf(pivots);
    }
    Value shift = divided(first);
    Value correction = e.mulf(first, shift);
    Value center = e.addf(pivot, shift);
    Value squares = e.maxf(e.subf(second, correction), zero);
    Value counted;
    if (partial) {
      counted = e.notZero(n);
      center = e.select(counted, center, zero);
      squares = e.select(counted, squares, zero);
    }
    if (marks)
      squares = marked(n, counted, pivot, correction, squares);
    e.store(n, count, k, tail);
    e.store(center, mean, k, tail);
    e.store(squares, m2, k, tail);
  });
}

/// The squares, or what marks them. `counted` is null where all kept indices are. Comparisons are
/// what takes longest of the finish, so there are few.
Value MomentsLoops::marked(Value n, Value counted, Value pivot, Value correction, Value squares) {
  Type type = squares.getType();
  const bool mayLeaveRange = accumulate.isF32() && isa<FloatType>(dataType.getElementType());
  // (pivot - mean)^2 is at most so many variances; false for NaN, too. What is rounded in f32 evens
  // out over many elements; of few it may not, and they are soon done again.
  Value most = e.constant(4, type);
  if (accumulate.isF32())
    most = e.select(e.lessEqual(n, e.constant(512, type)), e.constant(2, type), most);
  Value good, fits;
  if (mayLeaveRange) {
    // Overflow has made m2 infinite or NaN.
    good = e.isFiniteNonNegative(e.fma(most, squares, e.subf(e.constant(-0.0, type), correction)));
    // The mean square is at least 1e-30, far from where f32 underflows, or the pivot is at least
    // 1e-8: deviations cannot be that small next to it.
    Value scaledSquares = e.mulf(squares, e.constant(1e22, type));
    Value scaledPivot = e.mulf(n, e.absf(pivot));
    fits = e.lessEqual(e.mulf(n, e.constant(1e-8, type)), e.maxf(scaledSquares, scaledPivot));
  } else {
    good = e.lessEqual(correction, e.mulf(most, squares));
  }
  auto orNotCounted = [&](Value condition) {
    return counted ? e.either(condition, e.negate(counted)) : condition;
  };
  // Whoever calls the fast part knows whether a square was lost.
  if (fits && op.getPart() == MomentsPart::Fast)
    squares = e.select(orNotCounted(fits), squares, e.subf(e.constant(-0.0, type), squares));
  else if (fits)
    good = e.both(good, fits);
  return e.select(orNotCounted(good), squares, e.constant(-1, type));
}

void norma::emitLoops(MomentsOp op, RewriterBase &rewriter, RunCompanion *companion) {
  MomentsLoops(op, rewriter, companion).emit();
}
