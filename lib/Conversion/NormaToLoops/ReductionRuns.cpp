//===- ReductionRuns.cpp - Reductions along the innermost axis ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The innermost axis is reduced: vectors along it are of one kept index, or of two where runs that
// are not whole vectors fill rows that are. Where lanes would be added up for every run, neighbours
// are a strip, keep theirs, and have them added up as many at once as a vector has lanes.
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// Adds [begin, end) of a run, in steps of as many vectors as there are sets of sums.
Values ReductionLoops::addVectors(const Run &run, Value begin, Value end, ValueRange sums) {
  size_t sets = sums.size() / totals.size();
  return e.carry(begin, end, int64_t(sets) * e.width, sums, [&](Value i, ValueRange carried) {
    Values next, at = run.indices;
    for (size_t set = 0; set < sets; ++set) {
      if (!at.empty())
        at.back() = e.add(i, e.index(int64_t(set) * e.width));
      prefetch(run.inputs, at, int64_t(set));
      llvm::append_range(
          next, addElements({run.inputs, at, {}, run.lines}, run.pivot, setOf(carried, set)));
      visit(at, {});
    }
    return next;
  });
}

/// Adds [begin, extent) to the first set, a vector at a time.
Values ReductionLoops::addMasked(const Run &run, Value begin, Value extent, ValueRange sums) {
  Values first = e.carry(begin, extent, e.width, setOf(sums, 0), [&](Value i, ValueRange carried) {
    Values at = run.indices;
    if (!at.empty())
      at.back() = i;
    Value tail = e.maskOf(i, extent);
    Values next = addElements({run.inputs, at, tail, run.lines}, run.pivot, carried);
    visit(at, tail);
    return next;
  });
  llvm::append_range(first, sums.drop_front(totals.size()));
  return first;
}

/// The sums of all sets.
Values ReductionLoops::added(ValueRange sums) {
  size_t each = totals.size();
  Values result(setOf(sums, 0));
  for (size_t i = each; i < sums.size(); ++i)
    result[i % each] = e.plus(result[i % each], sums[i]);
  return result;
}

/// The same in f64: of as many lanes as that has.
Values ReductionLoops::joined(ValueRange sums) {
  Values result = added(sums);
  for (Value &sum : result)
    sum = e.convert(e.width > wideLanes ? e.addHalves(sum) : sum, f64);
  return result;
}

Value ReductionLoops::pivotOfRun(Value pivots, ValueRange k, Type type) {
  return pivots ? e.loadBroadcast(pivots, k, type) : Value();
}

/// The run at `indices`, as it is in memory.
ReductionLoops::Run ReductionLoops::enterRunAt(const Values &indices, Value pivots) {
  Run run{inputs, indices, pivotOfRun(pivots, keptOf(indices), accumulate)};
  enterRun(indices);
  return run;
}

Value ReductionLoops::lengthOfRun() {
  int64_t innermost = dataType.getRank() - 1;
  return innermost < 0 ? e.index(1) : e.extent(data, innermost);
}

int64_t ReductionLoops::vectorsOfShortRun(int64_t abreast) const {
  ArrayRef<int64_t> shape = dataType.getShape();
  if (shape.empty() || ShapedType::isDynamic(shape.back()))
    return 0;
  // The steps, the vectors left, and the tail.
  int64_t vectors = shape.back() / e.width, tail = shape.back() % e.width != 0;
  int64_t perRun = vectors / abreast + vectors % abreast + tail;
  return perRun <= group ? perRun : 0;
}

/// The f64 lanes of a run that is not longer than a group, or of those of the samples
/// [begin, end), which share one.
Values ReductionLoops::sumsOfShortRuns(const Values &indices, Value pivots,
                                       const Samples &samples) {
  int64_t abreast = schedule.getUnroll();
  Value extent = lengthOfRun(), stepped = e.roundDown(extent, abreast * e.width);
  Run run = enterRunAt(indices, pivots);
  auto addRun = [&](ValueRange sums) {
    return addMasked(run, stepped, extent, addVectors(run, e.index(0), stepped, sums));
  };
  Values none = noSums(abreast, e.vectorOf(accumulate));
  if (samples.axis < 0)
    return joined(addRun(none));
  return joined(e.carry(samples.begin, samples.end, 1, none, [&](Value s, ValueRange carried) {
    run.indices[samples.axis] = s;
    return addRun(carried);
  }));
}

/// The f64 lanes of a run that is longer than a group.
Values ReductionLoops::sumsOfLongRun(const Values &indices, Value pivots) {
  int64_t abreast = schedule.getUnroll(), step = group * abreast * e.width;
  Type type = e.vectorOf(accumulate);
  Run run = enterRunAt(indices, pivots);
  auto addTo = [&](ValueRange wide, ValueRange sums) {
    Values next;
    for (auto [total, sum] : llvm::zip(wide, joined(sums)))
      next.push_back(e.addf(total, sum));
    return next;
  };
  Value extent = lengthOfRun();
  std::optional<int64_t> known = getConstantIntValue(extent);
  bool isWhole = known && *known % (abreast * e.width) == 0;
  Value stepped = isWhole ? extent : e.roundDown(extent, abreast * e.width);
  Values wide = e.carry(e.index(0), stepped, step, noSums(1, VectorType::get(wideLanes, f64)),
                        [&](Value start, ValueRange carried) {
                          Value end = e.min(e.add(start, e.index(step)), stepped);
                          return addTo(carried, addVectors(run, start, end, noSums(abreast, type)));
                        });
  // Where nothing is left of a run, there is nothing to add.
  return stepped == extent ? wide : addTo(wide, addMasked(run, stepped, extent, noSums(1, type)));
}

/// Kept indices of a strip at most, which are whole vectors of any type: samples are read in long
/// pieces, or lanes stay in the first level.
static constexpr int64_t kStrip = 256, kNearStrip = 64;

static SmallVector<int64_t> axesBefore(int64_t axis) {
  return llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(axis, 0)));
}

void ReductionLoops::emitRuns(Value pivots) {
  int64_t rank = dataType.getRank(), keptAxis = rank - 2;
  int64_t perRun = vectorsOfShortRun(schedule.getUnroll());
  bool hasNeighbours = llvm::is_contained(kept, keptAxis);
  bool repeats = hasNeighbours && llvm::is_contained(reduced, keptAxis - 1);
  auto sumsOf = [&](const Values &indices, const Samples &samples) {
    return perRun ? sumsOfShortRuns(indices, pivots, samples) : sumsOfLongRun(indices, pivots);
  };
  if (fillsRows)
    return emitStrips(keptAxis - 1, kStrip, [&, rows = enterRows()](const Strip &strip, Values) {
      addRows(strip, rows, pivots);
    });
  // One run of every kept index.
  if (hasNeighbours && !repeats)
    return emitStrips(keptAxis, kNearStrip, [&](const Strip &strip, Values indices) {
      e.forEach(strip.first, strip.end, 1, [&](Value k) {
        indices[keptAxis] = k;
        storeTo(strip, strip.lanes, k, sumsOf(indices, {}));
      });
    });
  if (!repeats || !perRun)
    return e.nest(data, axesBefore(rank - 1),
                  [&](Values indices) { addLanes(sumsOf(indices, {}), keptOf(indices)); });
  // Several samples are a group, so that lanes are added up once for all of them.
  e.nest(data, axesBefore(keptAxis - 1), [&](Values indices) {
    Value samples = e.extent(data, keptAxis - 1);
    int64_t step = std::max<int64_t>(group / perRun, 1);
    e.forEach(e.index(0), samples, step, [&](Value begin) {
      Value end = e.min(e.add(begin, e.index(step)), samples);
      e.forEach(e.index(0), e.extent(data, keptAxis), 1, [&](Value k) {
        indices[keptAxis] = k;
        addLanes(sumsOf(indices, {keptAxis - 1, begin, end}), keptOf(indices));
      });
    });
  });
}

/// Adds the lanes of f64 sums to the totals of a kept index.
void ReductionLoops::addLanes(ValueRange sums, ValueRange k) {
  for (auto [lanes, total] : llvm::zip(sums, totals)) {
    Value old = e.loadScalar(total, k);
    Value sum = wideLanes > 1 ? e.sumLanes(lanes, old)
                              : e.addf(old, vector::ExtractOp::create(e, lanes, 0));
    e.storeScalar(sum, total, k);
  }
}

/// Runs of any length, with sums over lanes for each: rare, so short code rather than fast code.
void ReductionLoops::emitWideRuns(Value pivots) {
  e.nest(data, axesBefore(dataType.getRank() - 1), [&](Values indices) {
    Run run{inputs, indices, pivotOfRun(pivots, keptOf(indices), f64)};
    addLanes(addMasked(run, e.index(0), lengthOfRun(), noSums(1, e.vectorOf(f64))),
             keptOf(indices));
  });
}

//===----------------------------------------------------------------------===//
// Strips
//===----------------------------------------------------------------------===//

/// Emits `body` for strips of at most `most` kept indices, for every index of the axes before
/// `axis`: it stores their lanes.
void ReductionLoops::emitStrips(int64_t axis, int64_t most,
                                function_ref<void(const Strip &, Values)> body) {
  int64_t keptAxis = dataType.getRank() - 2;
  Value features = e.extent(data, keptAxis);
  int64_t known = getConstantIntValue(features).value_or(most);
  // Lanes are read of whole vectors of kept indices.
  Value room = e.index(std::min(most, known + wideLanes - 1));
  Value sums = e.index(int64_t(totals.size()));
  Strip strip;
  strip.lanes = e.scratch({sums, room, e.index(wideLanes)}, f64);
  if (fillsRows)
    strip.ofGroup = e.scratch({sums, room, e.index(e.width)}, accumulate);
  e.nest(data, axesBefore(axis), [&](Values indices) {
    e.forEach(e.index(0), features, most, [&](Value first) {
      strip.first = first;
      strip.end = e.min(e.add(first, e.index(most)), features);
      body(strip, indices);
      indices[keptAxis] = first;
      addStripToTotals(strip, indices);
    });
  });
  e.release(strip.lanes);
  if (fillsRows)
    e.release(strip.ofGroup);
}

Values ReductionLoops::lanesAt(const Strip &strip, size_t sum, Value k) {
  return {e.index(int64_t(sum)), e.sub(k, strip.first), e.index(0)};
}

void ReductionLoops::storeTo(const Strip &strip, Value buffer, Value k, ValueRange sums) {
  for (auto [i, sum] : llvm::enumerate(sums))
    e.store(sum, buffer, lanesAt(strip, i, k));
}

void ReductionLoops::addTo(const Strip &strip, Value buffer, Value k, ValueRange sums) {
  Values next;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    auto type = cast<VectorType>(sum.getType());
    e.withWidth(type.getNumElements(), [&] {
      next.push_back(e.plus(e.load(buffer, lanesAt(strip, i, k), type.getElementType()), sum));
    });
  }
  storeTo(strip, buffer, k, next);
}

/// Adds up the lanes, of a vector of kept indices at a time; what stands behind the last goes to
/// padding. It is much code for a sum, so it is there once, in a loop: what it gives takes the
/// place of the lanes of the first of these kept indices.
void ReductionLoops::addStripToTotals(const Strip &strip, Values indices) {
  const auto sums = int64_t(totals.size());
  e.withWidth(wideLanes, [&] {
    e.forEach(strip.first, strip.end, wideLanes, [&](Value k) {
      Value first = e.sub(k, strip.first);
      e.forEach(e.index(0), e.index(sums), 1, [&](Value sum) {
        Values each;
        for (int64_t i = 0; i < wideLanes; ++i)
          each.push_back(e.load(strip.lanes, {sum, e.add(first, e.index(i)), e.index(0)}, f64));
        e.store(e.sumLanesOfEach(each), strip.lanes, {sum, first, e.index(0)});
      });
      indices[dataType.getRank() - 2] = k;
      Values at = keptOf(indices);
      for (auto [i, total] : llvm::enumerate(totals)) {
        Value sum = e.load(strip.lanes, lanesAt(strip, i, k), f64);
        e.store(e.addf(e.load(total, at, f64), sum), total, at);
      }
    });
  });
}

//===----------------------------------------------------------------------===//
// Rows that runs fill
//===----------------------------------------------------------------------===//

/// The inputs as rows of all that a sample has.
Values ReductionLoops::enterRows() {
  Values rows;
  for (Value input : inputs)
    rows.push_back(e.flattenRows(input));
  if (accompanied)
    companion->enterRows(e.saveInsertionPoint());
  return rows;
}

/// Stores the lanes of a strip: of all samples, a group at a time.
void ReductionLoops::addRows(const Strip &strip, ValueRange rows, Value pivots) {
  auto eachOfStrip = [&](function_ref<void(Value)> body) {
    e.forEach(strip.first, strip.end, 1, body);
  };
  Values none = noSums(1, e.vectorOf(accumulate)),
         wide = noSums(1, VectorType::get(wideLanes, f64));
  eachOfStrip([&](Value k) { storeTo(strip, strip.lanes, k, wide); });
  Value samples = e.extent(data, 0);
  // No run is longer than a group.
  int64_t step = group / std::max<int64_t>(vectorsOfShortRun(schedule.getUnroll()), 1);
  e.forEach(e.index(0), samples, step, [&](Value begin) {
    Value end = e.min(e.add(begin, e.index(step)), samples);
    eachOfStrip([&](Value k) { storeTo(strip, strip.ofGroup, k, none); });
    e.forEach(begin, end, 1, [&](Value sample) { addRow(strip, rows, sample, pivots); });
    eachOfStrip([&](Value k) {
      Values sums;
      for (size_t i = 0; i < totals.size(); ++i)
        sums.push_back(e.load(strip.ofGroup, lanesAt(strip, i, k), accumulate));
      addTo(strip, strip.lanes, k, joined(sums));
    });
  });
}

/// Adds a sample in whole vectors of its row: where a run ends within one, lanes of that are of the
/// run and others of the next.
void ReductionLoops::addRow(const Strip &strip, ValueRange rows, Value sample, Value pivots) {
  int64_t abreast = schedule.getUnroll();
  Value length = lengthOfRun();
  Type type = e.vectorOf(accumulate);
  e.carry(strip.first, strip.end, 1, noSums(1, type), [&](Value k, ValueRange begun) {
    Values run{sample, k, e.index(0)}, next{sample, e.add(k, e.index(1)), e.index(0)};
    Run inRow{rows, {sample, e.index(0)}, pivotOfRun(pivots, keptOf(run), accumulate), true};
    enterRun(run);
    Value start = e.mul(k, length), end = e.add(start, length);
    Value first = e.roundDown(e.add(start, e.index(e.width - 1)), e.width);
    Value last = e.roundDown(end, e.width);
    Value stepped = e.add(first, e.roundDown(e.sub(last, first), abreast * e.width));
    Values sums(begun);
    llvm::append_range(sums, noSums(abreast - 1, type));
    sums = addVectors(inRow, first, stepped, sums);
    Values ends = abreast > 1 ? addVectors(inRow, stepped, last, setOf(sums, 0)) : sums;
    llvm::append_range(ends, noSums(1, type));
    // There is one such vector, or none.
    ends = e.carry(last, end, e.width, ends, [&](Value i, ValueRange carried) {
      Values at{sample, i};
      prefetch(rows, at, 0);
      // To leave sums as they are is to add zeros, but for the sign of a zero, which no total has.
      Value own = e.maskOf(i, end), pivot = inRow.pivot;
      if (pivots)
        pivot = e.select(own, pivot, pivotOfRun(pivots, keptOf(next), accumulate));
      Values both(carried);
      for (size_t set = 0; set < 2; ++set) {
        Values with = addElements({rows, at, {}, true}, pivot, setOf(carried, set));
        for (auto [j, sum] : llvm::enumerate(with)) {
          Value &kept = both[set * totals.size() + j];
          kept = set == 0 ? e.select(own, sum, kept) : e.select(own, kept, sum);
        }
      }
      if (accompanied)
        companion->visitBoth(e.saveInsertionPoint(), at, own, next);
      return both;
    });
    llvm::copy(setOf(ends, 0), sums.begin());
    addTo(strip, strip.ofGroup, k, added(sums));
    return Values(setOf(ends, 1));
  });
}
