//===- MomentsPivots.cpp - A value near every mean ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

/// Samples are taken at s/kSamples of the way along every reduced axis: spread
/// out, so that a trend in the data does not take the pivot far from the mean.
static constexpr int64_t kRowSamples = 8, kRunSamples = 4, kScalarSamples = 8;

/// The mean of a few samples at the kept position that `indices` names (its
/// entries of reduced axes are not used); in the lanes of `tail` where the
/// innermost axis is kept.
Value MomentsLoops::samplePivot(Values indices, Value tail) {
  bool rows = lastIsKept();
  int64_t samples = rows ? kRowSamples : kRunSamples;
  int64_t innermost = dataType.getRank() - 1;
  Type type = e.vectorOf(accumulate);
  Value zero = e.constant(0, type);

  Value runMask;
  if (!rows && e.width > 1 && innermost >= 0)
    runMask = vector::CreateMaskOp::create(e, e.vectorOf(e.getI1Type()), e.extent(data, innermost));
  auto sample = [&](Value s) {
    Values at = indices;
    for (int64_t axis : reduced) {
      Value extent = e.extent(data, axis);
      if (axis == innermost)
        extent = e.add(e.sub(extent, e.min(extent, e.index(e.width))), e.index(1));
      at[axis] = e.floorDiv(e.mul(extent, s), e.index(samples));
    }
    return loadElement({inputs, at, rows ? tail : runMask}, accumulate);
  };

  // Deviations from the first sample that counts: exactly 0 for constants.
  Value origin;
  if (!partial) {
    origin = sample(e.index(0)).x;
    if (!rows && e.width > 1)
      origin = e.broadcast(vector::ExtractOp::create(e, origin, 0));
  } else {
    // The first sample that counts in every lane; and of a run's lanes, one for all.
    Values found = e.carry(e.index(0), e.index(samples), 1, {zero, zero},
                           [&](Value s, ValueRange carried) -> Values {
                             Element element = sample(s);
                             Value seen = e.notZero(carried[1]);
                             Value take = e.both(element.valid, e.negate(seen));
                             return {e.select(take, element.x, carried[0]),
                                     e.select(element.valid, e.constant(1, type), carried[1])};
                           });
    origin = rows ? found[0] : e.broadcast(e.largestLane(found[0], e.notZero(found[1])));
  }
  Values sums = e.carry(e.index(0), e.index(samples), 1, {zero, zero},
                        [&](Value s, ValueRange carried) -> Values {
                          Element element = sample(s);
                          Value deviation = e.subf(element.x, origin);
                          Value one = e.constant(1, type);
                          if (element.valid) {
                            deviation = e.select(element.valid, deviation, zero);
                            one = e.select(element.valid, one, zero);
                          }
                          return {e.addf(carried[0], deviation), e.addf(carried[1], one)};
                        });
  Value sum = sums[0], taken = sums[1];
  if (!rows && e.width > 1) {
    sum = e.broadcast(e.sumLanes(sum));
    taken = e.broadcast(e.sumLanes(taken));
  }
  return finished(e.addf(origin, e.divf(sum, e.maxf(taken, e.constant(1, type)))));
}

Value MomentsLoops::finished(Value pivot) {
  Type element = dataType.getElementType();
  // As coarse as the data, so that deviations are exact: whole numbers sum exactly, and
  // what few bits have in common is not rounded the same way again and again.
  if (isa<IntegerType>(element))
    pivot = math::RoundEvenOp::create(e, pivot);
  else if (element.getIntOrFloatBitWidth() == 16)
    pivot = e.convert(e.convert(pivot, element), accumulate);
  return e.finiteOrZero(pivot);
}

/// The mean of single elements, where all count: for kept indices with short runs that takes
/// a fraction of what vectors and the sums of their lanes do. One element of every sample's
/// place along the outer axes; how far along the innermost differs, too.
Value MomentsLoops::scalarPivot(const Values &indices, ArrayRef<Values> places) {
  Value origin, sum = e.constant(0, accumulate);
  for (const Values &place : places) {
    Values at = indices;
    for (auto [axis, index] : llvm::zip(reduced, place))
      at[axis] = index;
    Value x = e.convert(e.loadScalar(data, at), accumulate, op.getUnsignedData());
    // Deviations from the first sample: exactly 0 for constants.
    if (!origin)
      origin = x;
    else
      sum = e.addf(sum, e.subf(x, origin));
  }
  return finished(e.addf(origin, e.mulf(sum, e.constant(1.0 / kScalarSamples, accumulate))));
}

void MomentsLoops::emitScalarPivots(Value pivots) {
  // The same places for every kept index. Sample s is s/n of the way along the first
  // reduced axis; along the others, a third of the way further from sample to sample.
  SmallVector<Values> places(kScalarSamples);
  for (auto [s, place] : llvm::enumerate(places))
    for (auto [a, axis] : llvm::enumerate(reduced)) {
      int64_t at = a == 0 ? int64_t(s) : int64_t(s) * 3 % kScalarSamples;
      place.push_back(
          e.floorDiv(e.mul(e.extent(data, axis), e.index(at)), e.index(kScalarSamples)));
    }
  Values indices(dataType.getRank(), e.index(0));
  auto all = llvm::to_vector(llvm::seq<int64_t>(0, keptRank));
  e.nest(mean, all, [&](Values k) {
    for (auto [axis, index] : llvm::zip(kept, k))
      indices[axis] = index;
    e.storeScalar(scalarPivot(indices, places), pivots, k);
  });
}

void MomentsLoops::emitPivots(Value pivots) {
  if (!lastIsKept() && !partial && vectorsOfShortRun(schedule.getUnroll()))
    return emitScalarPivots(pivots);
  Values indices(dataType.getRank(), e.index(0));
  auto place = [&](ValueRange k) {
    for (auto [axis, index] : llvm::zip(kept, k))
      indices[axis] = index;
  };
  if (lastIsKept())
    return walkKept([&](ValueRange k, Value tail) {
      place(k);
      e.store(samplePivot(indices, tail), pivots, k, tail);
    });
  auto all = llvm::to_vector(llvm::seq<int64_t>(0, keptRank));
  e.nest(mean, all, [&](Values k) {
    place(k);
    e.storeScalar(vector::ExtractOp::create(e, samplePivot(indices, {}), 0), pivots, k);
  });
}
