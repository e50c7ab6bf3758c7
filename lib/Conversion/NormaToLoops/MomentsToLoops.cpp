//===- MomentsToLoops.cpp - The steps of the statistics kernel ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"
#include "NormaToLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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

  auto kernel = [&] {
    Value pivots = e.scratch(keptExtents(), accumulate);
    emitPivots(pivots);
    clearOuts();
    emitScheduledTotals(pivots);

    // Deviations of 8-bit integers sum exactly: nothing can go wrong.
    if (dataType.getElementType().isInteger(8) && !weights) {
      emitFinish(pivots, {});
    } else {
      Value suspect = e.scratch({}, e.getI8Type());
      e.storeScalar(arith::ConstantOp::create(e, e.getI8IntegerAttr(0)), suspect, {});
      emitFinish(pivots, suspect);
      e.ifTrue(e.notZero(e.loadScalar(suspect, {})), [&] { emitRepair(); });
    }
    e.release(pivots);
  };
  // No data: zeros, and nothing to sample.
  if (auto known = getConstantIntValue(elements); known && *known > 0)
    return kernel();
  e.ifElse(e.notZero(arith::IndexCastOp::create(e, e.getI64Type(), elements)), kernel,
           [&] { clearOuts(); });
}

Values MomentsLoops::keptExtents() {
  Values extents;
  for (int64_t axis : llvm::seq<int64_t>(0, keptRank))
    extents.push_back(e.extent(mean, axis));
  return extents;
}

/// Once more, in f64, around the mean itself: first with the pivot that the first
/// try gave (or 0 where that is not finite), to have the mean right, then with
/// that mean.
void MomentsLoops::emitRepair() {
  Value pivots = e.scratch(keptExtents(), f64);
  auto recenter = [&] {
    walkKept([&](ValueRange k, Value tail) {
      e.store(e.finiteOrZero(e.load(mean, k, f64, false, tail)), pivots, k, tail);
    });
  };
  recenter();
  // A loop of two rounds, so that the code is there once.
  e.forEach(e.index(0), e.index(2), 1, [&](Value) {
    clearOuts();
    // Rare, so short code rather than fast code.
    emitTotals(pivots, f64, /*unroll=*/1);
    emitFinish(pivots, {});
    recenter();
  });
  e.release(pivots);
}

//===----------------------------------------------------------------------===//
// Finish
//===----------------------------------------------------------------------===//

/// Turns the totals in the outputs into statistics. With `suspect`, notes there
/// (nonzero) whether one of them may be inaccurate.
void MomentsLoops::emitFinish(Value pivots, Value suspect) {
  walkKept([&](ValueRange k, Value tail) {
    Type type = e.vectorOf(f64);
    Value zero = e.constant(0, type);
    Value n = partial ? e.load(count, k, f64, false, tail) : e.broadcast(elementsF64);
    Value pivot = e.load(pivots, k, f64, false, tail);
    Value first = e.load(mean, k, f64, false, tail);
    Value second = e.load(m2, k, f64, false, tail);
    Value shift = e.divf(first, n);
    Value correction = e.mulf(first, shift);
    Value center = e.addf(pivot, shift);
    Value squares = e.maxf(e.subf(second, correction), zero);
    Value counted;
    if (partial) {
      counted = e.notZero(n);
      center = e.select(counted, center, zero);
      squares = e.select(counted, squares, zero);
    }
    e.store(n, count, k, tail);
    e.store(center, mean, k, tail);
    e.store(squares, m2, k, tail);
    if (!suspect)
      return;

    // (pivot - mean)^2 is at most 4 variances; false for NaN, too.
    Value good = e.lessEqual(correction, e.mulf(e.constant(4, type), squares));
    if (accumulate.isF32() && isa<FloatType>(dataType.getElementType())) {
      // Squares far from where f32 underflows, or deviations that cannot be that
      // small next to the pivot. (Overflow has made m2 infinite or NaN.)
      Value large = e.lessEqual(e.mulf(n, e.constant(1e-30, type)), squares);
      Value coarse = e.lessEqual(e.constant(1e-8, type), e.absf(pivot));
      good = e.both(good, e.either(large, coarse));
      good =
          e.both(good, e.lessEqual(squares, e.constant(std::numeric_limits<double>::max(), type)));
    }
    if (counted)
      good = e.either(good, e.negate(counted));
    Value bad = e.negate(good);
    if (tail)
      bad = e.both(bad, tail);
    Value any = arith::ExtUIOp::create(e, e.getI8Type(), e.anyLane(bad));
    e.storeScalar(arith::OrIOp::create(e, any, e.loadScalar(suspect, {})), suspect, {});
  });
}

void norma::emitLoops(MomentsOp op, RewriterBase &rewriter) { MomentsLoops(op, rewriter).emit(); }
