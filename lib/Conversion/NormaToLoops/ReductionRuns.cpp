//===- ReductionRuns.cpp - Reductions along the innermost axis ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The innermost axis is reduced: vectors along it are of one kept index, or of two where runs that
// are not whole vectors fill rows that are. Where lanes would be added up for every short run,
// neighbours are a strip, keep theirs, and have them added up for several at once. These trees are
// a few additions more than a group has, so they are of its type, too.
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

#include <limits>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// Adds [begin, end) of every run, in steps of as many vectors as each has sets of sums. They lie
/// together or, where `part` is given, as many in each of the schedule's parts of so many elements.
Values ReductionLoops::addVectors(Runs runs, Value begin, Value end, ValueRange sums, Value part) {
  const size_t sets = sums.size() / totals.size() / runs.size();
  const size_t together = part ? sets / size_t(schedule.getParts()) : sets;
  auto offsetOf = [&](size_t set) {
    Value offset = e.index(int64_t(set % together) * e.width);
    return part ? e.add(e.mul(part, e.index(int64_t(set / together))), offset) : offset;
  };
  return e.carry(begin, end, int64_t(together) * e.width, sums, [&](Value i, ValueRange carried) {
    Values next;
    for (size_t n = 0; n < runs.size() * sets; ++n) {
      const Run &run = runs[n / sets];
      Values at = run.indices;
      if (!at.empty())
        at.back() = e.add(i, offsetOf(n % sets));
      prefetch(run.inputs, at, int64_t(n % sets));
      llvm::append_range(
          next, addElements({run.inputs, at, {}, run.lines}, run.pivot, setOf(carried, n)));
      visit(at, {});
    }
    return next;
  });
}

/// Adds [begin, extent) to the first set of every run, a vector at a time. Masks are for the last
/// one alone, if it is known which that is: processors without instructions for masks ask of every
/// lane whether it is there, but not where they know.
Values ReductionLoops::addRest(Runs runs, Value begin, Value extent, ValueRange sums) {
  Values all(sums), firsts;
  for (size_t r = 0; r < runs.size(); ++r)
    llvm::append_range(firsts, setOf(sumsOf(sums, r, runs.size()), 0));
  auto add = [&](Value from, Value to, bool masked) {
    firsts = e.carry(from, to, e.width, firsts, [&](Value i, ValueRange carried) {
      Values next;
      Value tail = masked ? e.maskOf(i, to) : Value();
      for (auto [r, run] : llvm::enumerate(runs)) {
        Values at = run.indices;
        if (!at.empty())
          at.back() = i;
        llvm::append_range(
            next, addElements({run.inputs, at, tail, run.lines}, run.pivot, setOf(carried, r)));
        visit(at, tail);
      }
      return next;
    });
  };
  const bool isKnown = getConstantIntValue(begin) && getConstantIntValue(extent);
  Value whole = isKnown ? e.roundDown(extent, e.width) : begin;
  add(begin, whole, /*masked=*/false);
  add(whole, extent, /*masked=*/true);
  for (size_t r = 0; r < runs.size(); ++r)
    llvm::copy(setOf(firsts, r), all.begin() + r * (all.size() / runs.size()));
  return all;
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
  if (pivots && runsAreAlone())
    emitPivotOfRun(indices, pivots);
  Run run{inputs, indices, pivotOfRun(pivots, keptOf(indices), accumulate)};
  enterRun(indices);
  return run;
}

SmallVector<ReductionLoops::Run> ReductionLoops::enterRunsAt(ArrayRef<Values> places,
                                                             Value pivots) {
  return llvm::map_to_vector(places, [&](const Values &at) { return enterRunAt(at, pivots); });
}

/// Emits `body` for the runs of kept indices [first, end), all or a strip of them: one of each of
/// as many parts of these as there are streams. The last parts may be shorter: behind these the run
/// is the very last once more, and is not there (null for those that always are).
void ReductionLoops::forRunsAbreast(Values indices, Value first, Value end,
                                    function_ref<void(ArrayRef<Values>, ValueRange)> body) {
  const int64_t streams = std::max<int64_t>(schedule.getStreams(), 1);
  std::optional<int64_t> known = getConstantIntValue(e.extent(data, runAxis()));
  const bool isEven = known && *known % streams == 0;
  Value all = e.sub(end, first);
  Value part = e.floorDiv(e.add(all, e.index(streams - 1)), e.index(streams));
  e.forEach(first, e.add(first, part), 1, [&](Value k) {
    SmallVector<Values> places(size_t(streams), indices);
    Values isThere(places.size());
    for (auto [r, place] : llvm::enumerate(places)) {
      Value of = e.add(k, e.mul(part, e.index(int64_t(r))));
      if (r > 0 && !isEven) {
        isThere[r] = e.less(of, end);
        of = e.min(of, e.sub(end, e.index(1)));
      }
      place[runAxis()] = of;
    }
    body(places, isThere);
  });
}

Value ReductionLoops::lengthOfRun() {
  int64_t innermost = dataType.getRank() - 1;
  return innermost < 0 ? e.index(1) : e.extent(data, innermost);
}

/// What i32 holds of the squares of 8-bit integers.
static constexpr int64_t kMostSquares = std::numeric_limits<int32_t>::max() / (255 * 255);

int64_t ReductionLoops::vectorsOfShortRun() const {
  ArrayRef<int64_t> shape = dataType.getShape();
  if (shape.empty() || ShapedType::isDynamic(shape.back()))
    return 0;
  if (isa<IntegerType>(accumulate) && shape.back() > kMostSquares)
    return 0;
  // The steps, the vectors left, and the tail.
  int64_t abreast = schedule.getUnroll();
  int64_t vectors = shape.back() / e.width, tail = shape.back() % e.width != 0;
  int64_t perRun = vectors / abreast + vectors % abreast + tail;
  return perRun <= group ? perRun : 0;
}

/// How many short runs of a kept index share a group.
int64_t ReductionLoops::samplesOfGroup() const {
  int64_t samples = group / std::max<int64_t>(vectorsOfShortRun(), 1);
  if (isa<IntegerType>(accumulate))
    samples = std::min(samples, kMostSquares / std::max<int64_t>(dataType.getShape().back(), 1));
  return std::max<int64_t>(samples, 1);
}

/// The sums of short runs, or of those of the samples [begin, end), which share a group.
Values ReductionLoops::sumsOfShortRuns(ArrayRef<Values> places, Value pivots,
                                       const Samples &samples) {
  int64_t abreast = schedule.getUnroll();
  Value extent = lengthOfRun(), stepped = e.roundDown(extent, abreast * e.width);
  SmallVector<Run> runs = enterRunsAt(places, pivots);
  auto addRuns = [&](ValueRange sums) {
    return addRest(runs, stepped, extent, addVectors(runs, e.index(0), stepped, sums));
  };
  Values none = noSums(abreast * int64_t(runs.size()), e.vectorOf(accumulate));
  if (samples.axis < 0)
    return addRuns(none);
  auto addSample = [&](Value s, ValueRange carried) {
    for (Run &run : runs)
      run.indices[samples.axis] = s;
    return addRuns(carried);
  };
  if (samples.end)
    return e.carry(samples.begin, samples.end, 1, none, addSample);
  Values sums = none;
  for (int64_t stream = 0; stream < schedule.getStreams(); ++stream)
    sums = addSample(e.add(samples.begin, e.index(stream)), sums);
  return sums;
}

/// The f64 lanes of runs that are longer than a group.
Values ReductionLoops::sumsOfLongRuns(ArrayRef<Values> places, Value pivots) {
  const int64_t abreast = schedule.getUnroll(), parts = std::max<int64_t>(schedule.getParts(), 1);
  Type type = e.vectorOf(accumulate);
  SmallVector<Run> runs = enterRunsAt(places, pivots);
  const auto count = int64_t(runs.size());
  auto addTo = [&](ValueRange wide, ValueRange sums) {
    Values next;
    for (size_t r = 0; r < runs.size(); ++r)
      llvm::append_range(next, joined(sumsOf(sums, r, runs.size())));
    for (auto [total, sum] : llvm::zip(wide, next))
      sum = e.addf(total, sum);
    return next;
  };
  Value extent = lengthOfRun();
  std::optional<int64_t> known = getConstantIntValue(extent);
  bool isWhole = known && *known % (abreast * e.width) == 0;
  Value stepped = isWhole ? extent : e.roundDown(extent, abreast * e.width);
  Values none = noSums(count, VectorType::get(wideLanes, f64));
  Value part = e.floorDiv(stepped, e.index(parts));
  const int64_t step = group * abreast / parts * e.width;
  Values wide = e.carry(e.index(0), part, step, none, [&](Value start, ValueRange carried) {
    Value end = e.min(e.add(start, e.index(step)), part);
    Values sums = noSums(count * abreast, type);
    return addTo(carried, addVectors(runs, start, end, sums, parts > 1 ? part : Value()));
  });
  // Where nothing is left of a run, there is nothing to add.
  return stepped == extent ? wide
                           : addTo(wide, addRest(runs, stepped, extent, noSums(count, type)));
}

/// Kept indices of a strip at most, which are whole vectors of any type: samples are read in long
/// pieces, streams lie apart, or few lanes are added up while the next runs are on their way.
static constexpr int64_t kStrip = 256, kStripOfStreams = 64, kNearStrip = 16;

static SmallVector<int64_t> axesBefore(int64_t axis) {
  return llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(axis, 0)));
}

void ReductionLoops::emitRuns(Value pivots) {
  const int64_t keptAxis = runAxis(), sampleAxis = keptAxis - 1, streams = schedule.getStreams();
  const bool isShort = vectorsOfShortRun() > 0, hasNeighbours = llvm::is_contained(kept, keptAxis),
             repeats = hasNeighbours && llvm::is_contained(reduced, sampleAxis);
  if (fillsRows) {
    Values rows = enterRows(), none = noSums(1, e.vectorOf(accumulate));
    return emitStrips(sampleAxis, kStrip, [&](const Strip &strip, const Values &indices) {
      eachPiece(
          e.index(0), e.extent(data, sampleAxis), samplesOfGroup(), [&](Value begin, Value end) {
            e.forEach(strip.first, strip.end, 1, [&](Value k) { storeTo(strip, k, none); });
            e.forEach(begin, end, 1, [&](Value sample) { addRow(strip, rows, sample, pivots); });
            addStripToTotals(strip, indices);
          });
    });
  }
  if (streams > 0 && isBlock())
    return emitSamplesAbreast(pivots);
  if (!hasNeighbours)
    return e.nest(data, axesBefore(keptAxis + 1), [&](Values indices) {
      addLanes(isShort ? joined(sumsOfShortRuns(indices, pivots, {}))
                       : sumsOfLongRuns(indices, pivots),
               keptOf(indices));
    });
  if (!isShort)
    return e.nest(data, axesBefore(keptAxis), [&](const Values &indices) {
      auto addRuns = [&](ArrayRef<Values> places, ValueRange isThere) {
        Values sums = sumsOfLongRuns(places, pivots);
        for (auto [r, at] : llvm::enumerate(places)) {
          auto add = [&] { addLanes(sumsOf(sums, r, places.size()), keptOf(at)); };
          if (isThere[r])
            e.ifTrue(isThere[r], add);
          else
            add();
        }
      };
      forRunsAbreast(indices, e.index(0), e.extent(data, keptAxis), addRuns);
    });
  // One run of every kept index.
  const int64_t most = streams > 0 ? kStripOfStreams : kNearStrip;
  if (!repeats)
    return emitStrips(keptAxis, most, [&](const Strip &strip, const Values &indices) {
      auto addRuns = [&](ArrayRef<Values> places, ValueRange) {
        Values sums = sumsOfShortRuns(places, pivots, {});
        for (auto [r, at] : llvm::enumerate(places))
          storeTo(strip, at[keptAxis], added(sumsOf(sums, r, places.size())));
      };
      forRunsAbreast(indices, strip.first, strip.end, addRuns);
      addStripToTotals(strip, indices);
    });
  // Several samples are a group, so that lanes are added up once for all of them. Beside streams
  // that is done run by run: while the lanes of a strip are added up, nothing comes from memory.
  Value lanes = streams > 0 ? Value() : lanesOfStrips(most);
  e.nest(data, axesBefore(sampleAxis), [&](Values indices) {
    auto sumsAt = [&](Value k, const Samples &samples) {
      indices[keptAxis] = k;
      return sumsOfShortRuns(indices, pivots, samples);
    };
    auto addGroup = [&](const Samples &samples) {
      if (streams > 0)
        return e.forEach(e.index(0), e.extent(data, keptAxis), 1, [&](Value k) {
          Values sums = sumsAt(k, samples);
          addLanes(joined(sums), keptOf(indices));
        });
      forEachStrip(lanes, most, indices, [&](const Strip &strip, const Values &first) {
        e.forEach(strip.first, strip.end, 1,
                  [&](Value k) { storeTo(strip, k, added(sumsAt(k, samples))); });
        addStripToTotals(strip, first);
      });
    };
    Value all = e.extent(data, sampleAxis), abreast = e.index(0);
    // Written out, each has loads of its own. The others go in a loop.
    if (streams > 1 && streams <= samplesOfGroup()) {
      abreast = e.roundDown(all, streams);
      e.forEach(e.index(0), abreast, streams,
                [&](Value begin) { addGroup({sampleAxis, begin, {}}); });
    }
    eachPiece(abreast, all, samplesOfGroup(),
              [&](Value begin, Value end) { addGroup({sampleAxis, begin, end}); });
  });
  if (lanes)
    e.release(lanes);
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
    addLanes(addRest(run, e.index(0), lengthOfRun(), noSums(1, e.vectorOf(f64))), keptOf(indices));
  });
}

//===----------------------------------------------------------------------===//
// Strips
//===----------------------------------------------------------------------===//

/// Room for the lanes of a strip of at most `most` kept indices.
Value ReductionLoops::lanesOfStrips(int64_t most) {
  int64_t known = getConstantIntValue(e.extent(data, runAxis())).value_or(most);
  // Lanes are read of whole vectors of kept indices.
  Value room = e.index(std::min(most, known + wideLanes - 1));
  return e.scratch({e.index(int64_t(totals.size())), room, e.index(e.width)}, accumulate);
}

/// Emits `body` for strips of at most `most` kept indices, one after the other in `lanes`.
void ReductionLoops::forEachStrip(Value lanes, int64_t most, Values indices,
                                  function_ref<void(const Strip &, Values)> body) {
  Value features = e.extent(data, runAxis());
  e.forEach(e.index(0), features, most, [&](Value first) {
    indices[runAxis()] = first;
    body({first, e.min(e.add(first, e.index(most)), features), lanes}, indices);
  });
}

/// The same for every index of the axes before `axis`.
void ReductionLoops::emitStrips(int64_t axis, int64_t most,
                                function_ref<void(const Strip &, Values)> body) {
  Value lanes = lanesOfStrips(most);
  e.nest(data, axesBefore(axis),
         [&](const Values &indices) { forEachStrip(lanes, most, indices, body); });
  e.release(lanes);
}

Values ReductionLoops::lanesAt(const Strip &strip, size_t sum, Value k) {
  return {e.index(int64_t(sum)), e.sub(k, strip.first), e.index(0)};
}

void ReductionLoops::storeTo(const Strip &strip, Value k, ValueRange sums) {
  for (auto [i, sum] : llvm::enumerate(sums))
    e.store(sum, strip.lanes, lanesAt(strip, i, k));
}

void ReductionLoops::addTo(const Strip &strip, Value k, ValueRange sums) {
  Values next;
  for (auto [i, sum] : llvm::enumerate(sums))
    next.push_back(e.plus(e.load(strip.lanes, lanesAt(strip, i, k), accumulate), sum));
  storeTo(strip, k, next);
}

/// The sums over all lanes, of a vector of kept indices from `k` on, not longer than f64 fills;
/// behind the last kept index it has anything.
Value ReductionLoops::sumLanesOf(const Strip &strip, Value sum, Value k) {
  const int64_t lanes = cast<MemRefType>(strip.lanes.getType()).getShape().back();
  Values each;
  for (int64_t i = 0; i < e.width; ++i) {
    Value row = e.add(e.sub(k, strip.first), e.index(i)), part;
    for (int64_t lane = 0; lane < lanes; lane += e.width) {
      Value next = e.load(strip.lanes, {sum, row, e.index(lane)}, accumulate);
      part = part ? e.plus(part, next) : next;
    }
    each.push_back(part);
  }
  return e.sumLanesOfEach(each);
}

/// Adds up the lanes, of as many kept indices at a time as f64 fills a vector with; what stands
/// behind the last goes to padding. It is much code for a sum, so it is there once, in a loop: what
/// it gives takes the place of the lanes of the first of these kept indices.
void ReductionLoops::addStripToTotals(const Strip &strip, Values indices) {
  const auto sums = int64_t(totals.size());
  e.withWidth(wideLanes, [&] {
    e.forEach(strip.first, strip.end, wideLanes, [&](Value k) {
      Value first = e.sub(k, strip.first);
      e.forEach(e.index(0), e.index(sums), 1, [&](Value sum) {
        e.store(sumLanesOf(strip, sum, k), strip.lanes, {sum, first, e.index(0)});
      });
      indices[runAxis()] = k;
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
          Value &old = both[set * totals.size() + j];
          old = set == 0 ? e.select(own, sum, old) : e.select(own, old, sum);
        }
      }
      if (accompanied)
        companion->visitBoth(e.saveInsertionPoint(), at, own, next);
      return both;
    });
    llvm::copy(setOf(ends, 0), sums.begin());
    addTo(strip, k, added(sums));
    return Values(setOf(ends, 1));
  });
}
