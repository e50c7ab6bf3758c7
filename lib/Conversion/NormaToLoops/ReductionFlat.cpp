//===- ReductionFlat.cpp - Short rows and runs as lines of memory ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows that are not whole vectors, and short runs, are gone through as lines of memory, in
// whole vectors. Each element of a line has a pivot and totals of its own, which are added
// up by kept index at the end: element i belongs to (i / inner) % C.
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;
using namespace norma;

/// How many kept indices a row has, and how many elements each.
std::pair<int64_t, int64_t> ReductionLoops::featuresOfRow() const {
  ArrayRef<int64_t> shape = dataType.getShape();
  return {kept.empty() ? 1 : shape[1], shape.size() > 2 ? shape[2] : 1};
}

/// The first elements of a long line that are whole rows and whole vectors, which stand for all; of
/// a short one, all: loops over periods would be more code than they save time.
int64_t ReductionLoops::periodOfLine() const {
  constexpr int64_t kFew = 8;
  auto [features, inner] = featuresOfRow();
  const int64_t line = schedule.getLine(),
                period = std::lcm(features * inner, schedule.getVector());
  return line > kFew * period ? period : line;
}

/// The first element of every run of a period, with its kept index; where runs are single elements,
/// of as many neighbours as a vector has lanes. What one has in the lanes behind the last of them,
/// the next, or nobody, makes good.
void ReductionLoops::eachOfPeriod(function_ref<void(Value first, Value k)> body) {
  auto [features, inner] = featuresOfRow();
  const int64_t lanes = features == 1 && inner == 1 ? 1 : wideLanes;
  Value elements = e.index(inner), all = e.index(features);
  e.withWidth(lanes, [&] {
    e.forEach(e.index(0), e.index(periodOfLine()), features * inner, [&](Value start) {
      e.forEach(e.index(0), all, inner == 1 ? lanes : 1,
                [&](Value k) { body(e.add(start, e.mul(k, elements)), k); });
    });
  });
}

/// Makes every element of a period begin: with the pivot of its kept index, and without sums.
void ReductionLoops::beginPeriod(Value pivots, function_ref<void(Value i, Value pivot)> begin) {
  const int64_t inner = featuresOfRow().second;
  eachOfPeriod([&](Value first, Value k) {
    if (inner == 1)
      return begin(first, pivots ? e.load(pivots, k, accumulate) : Value());
    Value pivot = pivots ? e.loadBroadcast(pivots, k, accumulate) : Value();
    e.forEach(e.index(0), e.index(inner), e.width, [&](Value i) { begin(e.add(first, i), pivot); });
  });
}

/// The sum of a run, which begins at `first`, as vectors and then as a tree; added to `start`.
Value ReductionLoops::sumOfRun(Value array, Value first, Value start) {
  const int64_t inner = featuresOfRow().second;
  Value sum = e.constant(0, e.vectorOf(f64)), whole = e.roundDown(e.index(inner), e.width);
  sum = e.carry(e.index(0), whole, e.width, sum, [&](Value i, ValueRange sums) {
           return Values{e.addf(sums.front(), e.load(array, e.add(first, i), f64))};
         }).front();
  if (Value rest = e.maskOf(whole, e.index(inner)))
    sum = e.addf(sum, e.load(array, e.add(first, whole), f64, false, rest));
  return e.sumLanes(sum, start);
}

/// Adds these to the totals: first the periods of the line, in vectors.
void ReductionLoops::addLineToTotals(ValueRange lineTotals) {
  const int64_t line = schedule.getLine(), period = periodOfLine();
  auto addTo = [&](Value buffer, Value i, Value addend) {
    e.store(e.addf(e.load(buffer, i, f64), addend), buffer, i);
  };
  if (line > period)
    e.withWidth(wideLanes, [&] {
      e.forEach(e.index(period), e.index(line), period, [&](Value start) {
        e.forEach(e.index(0), e.index(period), e.width, [&](Value i) {
          for (Value part : lineTotals)
            addTo(part, i, e.load(part, e.add(start, i), f64));
        });
      });
    });
  const bool hasRuns = featuresOfRow().second > 1;
  eachOfPeriod([&](Value first, Value k) {
    for (auto [part, whole] : llvm::zip(lineTotals, totals))
      if (hasRuns)
        e.storeScalar(sumOfRun(part, first, e.loadScalar(whole, k)), whole, k);
      else
        addTo(whole, k, e.load(part, first, f64));
  });
}

/// The flat arrays as rows of `line` elements.
void ReductionLoops::emitFlatTotals(Value pivots) {
  const int64_t line = schedule.getLine(), period = periodOfLine();
  Value lineSize = e.index(line);
  Value linePivots = pivots ? rowScratch(lineSize, accumulate) : Value();
  Values lineTotals, lineSums;
  for (size_t i = 0; i < totals.size(); ++i) {
    lineTotals.push_back(rowScratch(lineSize, f64));
    lineSums.push_back(rowScratch(lineSize, accumulate));
  }
  auto begin = [&](Value i, Value pivot) {
    if (pivot)
      e.store(pivot, linePivots, i);
    clear(lineTotals, i);
    clear(lineSums, i);
  };
  beginPeriod(pivots, begin);
  if (line > period)
    e.withWidth(wideLanes, [&] {
      e.forEach(e.index(period), lineSize, e.width, [&](Value i) {
        Value before = e.sub(i, e.index(period));
        begin(i, pivots ? e.load(linePivots, before, accumulate) : Value());
      });
    });

  Values flat;
  for (Value input : inputs)
    flat.push_back(e.flatten(input));
  Value size = e.extent(flat.front(), 0), lines = e.floorDiv(size, lineSize);
  Value used = e.mul(lines, lineSize);
  auto linesOf = [&](OpFoldResult offset, OpFoldResult rows, OpFoldResult columns) {
    Values cut;
    for (Value array : flat)
      cut.push_back(memref::ReinterpretCastOp::create(
          e, e.getLoc(), array, offset, ArrayRef<OpFoldResult>{rows, columns},
          ArrayRef<OpFoldResult>{e.getIndexAttr(line), e.getIndexAttr(1)}));
    return cut;
  };
  auto column = [&](ValueRange at) { return Values{at[1]}; };
  Values views = linesOf(e.getIndexAttr(0), lines, e.getIndexAttr(line));
  emitRows({views, /*lines=*/true, /*rowAxisReduced=*/true, column, linePivots, lineTotals},
           lineSums);
  Values rest = linesOf(used, e.getIndexAttr(1), e.sub(size, used));
  e.withWidth(wideLanes, [&] {
    emitPlainRows({rest, /*lines=*/true, /*rowAxisReduced=*/true, column, linePivots, lineTotals},
                  accumulate);
  });

  addLineToTotals(lineTotals);
  for (ValueRange buffers : {ValueRange(lineTotals), ValueRange(lineSums)})
    for (Value buffer : buffers)
      e.release(buffer);
  if (pivots)
    e.release(linePivots);
}
