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

#include <bit>

using namespace mlir;
using namespace norma;

/// Samples are spread over every reduced axis, so that a trend in the data does not take the
/// pivot far from the mean.
static constexpr int64_t kSamples = 8, kRunSamples = 4;
/// Of runs, as many vectors of so many neighbours at most: with twice as many places pivots would
/// be a tenth more of what short runs cost, and longer vectors are mostly more lanes to add up.
static constexpr int64_t kRunVectors = 4, kRunLanes = 4;

/// Samples along `extent` are `step` apart and, from one to the next, `further`, which is 1 if
/// there are enough elements. In steps of one length, data that repeats after two elements, or
/// after as many as divide a step, would show one and the same of all that it goes through, and a
/// pivot as far from the mean as that is costs digits. The sums of 1, 2, 3... take every rest by a
/// power of 2. Fewer elements than samples are gone through again: see wrapped().
MomentsLoops::Spread MomentsLoops::spreadOf(Value extent, int64_t samples) {
  Value further = e.min(e.floorDiv(extent, e.index(samples * samples)), e.index(1));
  Value shorter = e.mul(further, e.index(samples / 2));
  Value step = e.sub(e.floorDiv(extent, e.index(samples)), shorter);
  return {e.select(e.less(extent, e.index(samples)), e.index(1), step), further};
}

/// A place along `extent`, behind the last of fewer elements than samples from the first one on
/// again: that one alone may be a pivot as far from the mean as any.
Value MomentsLoops::wrapped(Value place, Value extent, int64_t samples) {
  if (isConstantIntValue(place, 0) || getConstantIntValue(extent).value_or(0) >= samples)
    return place;
  return e.rem(place, extent);
}

/// Where sample s of so many is.
Value MomentsLoops::sampleAlong(Value extent, Value s, int64_t samples) {
  auto [step, further] = spreadOf(extent, samples);
  Value sum = e.floorDiv(e.mul(s, e.add(s, e.index(1))), e.index(2));
  return wrapped(e.add(e.mul(step, s), e.mul(further, sum)), extent, samples);
}

/// Where sample s is along several reduced axes, the same for every kept index: s/n of the way
/// along the first; along the others, a third of the way further from sample to sample.
Values MomentsLoops::samplePlace(Value s) {
  Values place;
  for (int64_t axis : reduced) {
    Value at = axis == reduced.front() ? s : e.rem(e.mul(s, e.index(3)), e.index(kSamples));
    place.push_back(sampleAlong(e.extent(data, axis), at, kSamples));
  }
  return place;
}

/// The mean of a few samples, where all count. `indices` names the kept position: entries of
/// reduced axes are not used.
Value MomentsLoops::samplePivot(Values indices, Value tail) {
  Type type = e.vectorOf(accumulate);
  auto sample = [&](ValueRange places) {
    for (auto [axis, index] : llvm::zip(reduced, places))
      indices[axis] = index;
    return e.load(data, indices, accumulate, op.getUnsignedData(), tail);
  };
  // Deviations from the first sample: exactly 0 for constants.
  Value origin = sample(Values(reduced.size(), e.index(0))), sum = e.constant(0, type);
  auto addSample = [&](Value before, ValueRange places) {
    return e.addTo(before, e.subf(sample(places), origin));
  };
  if (reduced.size() == 1) {
    Value extent = e.extent(data, reduced.front());
    auto [first, further] = spreadOf(extent, kSamples);
    // The sum, the place and the step before it. Few elements are one apart: behind the last is the
    // first.
    auto addNext = [&, further = further](ValueRange before) -> Values {
      Value step = e.add(before[2], further), place = e.add(before[1], step);
      place = e.select(e.less(place, extent), place, e.index(0));
      return {addSample(before[0], place), place, step};
    };
    Values next{sum, e.index(0), first};
    // The end of a loop would be a surprise for the processor, at every few kept indices. Masks are
    // too much code for that.
    if (tail)
      next = e.carry(e.index(1), e.index(kSamples), 1, next,
                     [&](Value, ValueRange before) { return addNext(before); });
    else
      for (int64_t s = 1; s < kSamples; ++s)
        next = addNext(next);
    sum = next.front();
  } else {
    sum = e.carry(e.index(1), e.index(kSamples), 1, sum, [&](Value s, ValueRange before) {
             return Values{addSample(before[0], samplePlace(s))};
           }).front();
  }
  return finished(e.addf(origin, e.mulf(sum, e.constant(1.0 / kSamples, type))));
}

/// Of the vectors that are sampled of a run.
int64_t MomentsLoops::lanesOfSample() const { return std::min(schedule.getVector(), kRunLanes); }

/// Whether vectors of a run are as soon summed as elements sampled.
bool MomentsLoops::samplesVectors() const {
  return !lastIsKept() && !dataType.getShape().empty() &&
         !ShapedType::isDynamic(dataType.getShape().back()) &&
         dataType.getShape().back() >= lanesOfSample();
}

/// Where vector s is along the reduced axes: like samplePlace(), but to the very end of the run.
Values MomentsLoops::vectorPlace(int64_t s, int64_t samples) {
  const int64_t innermost = dataType.getRank() - 1, run = dataType.getShape().back();
  Values place;
  for (int64_t axis : reduced) {
    const int64_t at = axis == reduced.front() ? s : s * 3 % samples;
    place.push_back(axis == innermost
                        ? e.index((run - e.width) * at / std::max<int64_t>(samples - 1, 1))
                        : sampleAlong(e.extent(data, axis), e.index(at), samples));
  }
  return place;
}

/// The mean of the lanes of a few vectors. They are a power of two and summed as a tree, so that
/// of constants it is exactly that. If f32 overflows, that is found out; f64 must not, since
/// nothing is wider.
Value MomentsLoops::vectorPivot(Values indices) {
  // No more than a single run has, of which two are the beginning and the end.
  const int64_t vectors = dataType.getShape().back() / e.width;
  const auto taken = int64_t(std::bit_floor(
      uint64_t(reduced.size() > 1 ? kRunVectors : std::clamp<int64_t>(vectors, 2, kRunVectors))));
  const double each = 1.0 / double(taken * e.width);
  Values samples;
  for (int64_t s = 0; s < taken; ++s) {
    for (auto [axis, index] : llvm::zip(reduced, vectorPlace(s, taken)))
      indices[axis] = index;
    Value sample = e.load(data, indices, accumulate, op.getUnsignedData());
    samples.push_back(accumulate.isF64() ? e.mulf(sample, e.constant(each, sample.getType()))
                                         : sample);
  }
  for (; samples.size() > 1; samples.pop_back_n(samples.size() / 2))
    for (size_t i = 0; i < samples.size() / 2; ++i)
      samples[i] = e.addf(samples[2 * i], samples[2 * i + 1]);
  // In every lane: what follows is a few operations of vectors, for scalars it would be branches.
  Value sum = e.sumToEveryLane(samples.front());
  return finished(accumulate.isF64() ? sum : e.mulf(sum, e.constant(each, sum.getType())));
}

/// The mean of those samples that count: in the lanes of `tail` where the innermost axis is
/// kept, else of a run's lanes together.
Value MomentsLoops::countedPivot(const Values &indices, Value tail) {
  bool rows = lastIsKept();
  int64_t samples = rows ? kSamples : kRunSamples;
  int64_t innermost = dataType.getRank() - 1;
  Type type = e.vectorOf(accumulate);
  Value zero = e.constant(0, type);
  Value lanes = rows || innermost < 0 ? tail : e.maskOf(e.index(0), e.extent(data, innermost));
  auto sample = [&](Value s) {
    Values at = indices;
    for (int64_t axis : reduced) {
      Value extent = e.extent(data, axis);
      if (axis == innermost)
        extent = e.add(e.sub(extent, e.min(extent, e.index(e.width))), e.index(1));
      at[axis] = sampleAlong(extent, s, samples);
    }
    return loadElement({inputs, at, lanes}, accumulate);
  };

  // Deviations from the first sample that counts in every lane, and of a run's lanes, from one
  // for all: exactly 0 for constants.
  Values found = e.carry(e.index(0), e.index(samples), 1, {zero, zero},
                         [&](Value s, ValueRange carried) -> Values {
                           Element element = sample(s);
                           Value seen = e.notZero(carried[1]);
                           Value take = e.both(element.valid, e.negate(seen));
                           return {e.select(take, element.x, carried[0]),
                                   e.select(element.valid, e.constant(1, type), carried[1])};
                         });
  Value origin = rows ? found[0] : e.broadcast(e.largestLane(found[0], e.notZero(found[1])));
  Values sums = e.carry(e.index(0), e.index(samples), 1, {zero, zero},
                        [&](Value s, ValueRange carried) -> Values {
                          auto [x, valid, weight] = sample(s);
                          return {e.addf(carried[0], e.select(valid, e.subf(x, origin), zero)),
                                  e.addf(carried[1], e.select(valid, e.constant(1, type), zero))};
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

void MomentsLoops::emitPivots(Value pivots) {
  const bool rows = lastIsKept();
  // Runs that are read once have their pivots made then, when they are in the first level.
  if (runsAreAlone())
    return walkKept(wideLanes, [&](ValueRange k, Value) { clear(totals, k); });
  // Those that are gone through as lines are few, and a mask makes for less code.
  const bool masksLast = schedule.getTraversal() == Traversal::Flat;
  Values indices(dataType.getRank(), e.index(0));
  auto emitPivot = [&](ValueRange k, Value tail) {
    for (auto [axis, index] : llvm::zip(kept, k))
      indices[axis] = index;
    if (rows)
      e.store(partial ? countedPivot(indices, tail) : samplePivot(indices, tail), pivots, k);
    else
      e.withWidth(schedule.getVector(), [&] { emitPivotOfRun(indices, pivots); });
    clear(totals, k);
  };
  walkKept(rows ? e.width : 1, emitPivot, masksLast);
}

/// The pivot of the kept index at `indices`, of which entries of reduced axes are not used.
void MomentsLoops::emitPivotOfRun(Values indices, Value pivots) {
  Value pivot;
  if (partial)
    pivot = countedPivot(indices, {});
  else if (samplesVectors())
    e.withWidth(lanesOfSample(), [&] { pivot = vectorPivot(indices); });
  else
    e.withWidth(1, [&] { pivot = samplePivot(indices, {}); });
  e.storeScalar(isa<VectorType>(pivot.getType()) ? vector::ExtractOp::create(e, pivot, 0) : pivot,
                pivots, keptOf(indices));
}
