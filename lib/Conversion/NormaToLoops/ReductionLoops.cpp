//===- ReductionLoops.cpp - The traversals of reduction kernels -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/IR/TypeUtilities.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Kept indices
//===----------------------------------------------------------------------===//

Values ReductionLoops::keptOf(ValueRange indices) {
  if (kept.empty())
    return {e.index(0)};
  Values result;
  for (int64_t axis : kept)
    result.push_back(indices[axis]);
  return result;
}

Value ReductionLoops::withAxis(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() > 0)
    return memref;
  if (type.getLayout().isIdentity())
    return e.flatten(memref);
  return memref::ExpandShapeOp::create(e, ArrayRef<int64_t>{1}, memref,
                                       ArrayRef<ReassociationIndices>{});
}

void ReductionLoops::walkKept(int64_t lanes, function_ref<void(ValueRange, Value)> body) {
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, keptRank - 1));
  e.nest(keptLike, outer, [&](Values indices) {
    e.withWidth(lanes, [&] {
      e.walkMasked(e.index(0), e.extent(keptLike, keptRank - 1), [&](Value i, Value tail) {
        indices.back() = i;
        body(indices, tail);
      });
    });
  });
}

Value ReductionLoops::keptScratch(Type element) {
  Values extents;
  for (int64_t axis : llvm::seq<int64_t>(0, keptRank))
    extents.push_back(e.extent(keptLike, axis));
  extents.back() = padded(extents.back());
  return e.scratch(extents, element);
}

/// Room for vectors that begin anywhere before `extent`.
Value ReductionLoops::padded(Value extent) { return e.add(extent, e.index(e.width - 1)); }

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

bool ReductionLoops::isBlock() const {
  return schedule.getTraversal() == Traversal::Runs && isBlockOfSamples(dataType, kept);
}

Values ReductionLoops::placeAhead(Values indices) {
  const int64_t row = isBlock() ? ShapedType::getNumElements(dataType.getShape().drop_front()) : 0;
  if (row == 0 || ahead % row != 0) {
    indices.back() = e.add(indices.back(), e.index(ahead));
    return indices;
  }
  // Behind the last row of this block come the first ones of the next.
  Value rows = e.extent(data, 0);
  Value later = e.add(indices.front(), e.min(e.index(ahead / row), rows));
  Value isOfThis = e.less(later, rows);
  indices.front() = e.select(isOfThis, later, e.sub(later, rows));
  indices.back() = e.add(indices.back(), e.select(isOfThis, e.index(0), e.index(row)));
  return indices;
}

void ReductionLoops::prefetch(ValueRange views, Values indices, int64_t v) {
  constexpr int64_t kCacheLine = 64;
  if (ahead == 0 || indices.empty())
    return;
  indices = placeAhead(std::move(indices));
  for (Value view : views) {
    int64_t bytes = getElementTypeOrSelf(view).getIntOrFloatBitWidth() / 8;
    // One of the vectors that share a cache line.
    if (v * e.width * bytes % kCacheLine < e.width * bytes)
      e.prefetch(view, indices);
  }
}

Values ReductionLoops::noSums(int64_t sets, Type type) {
  return Values(size_t(sets) * totals.size(), e.constant(0, type));
}

/// Groups of rows: those of the axis before the innermost, kept one where that is reduced.
void ReductionLoops::eachGroup(const Rows &rows, function_ref<void(Values, Value, Value)> body) {
  Value view = rows.views.front();
  int64_t column = cast<MemRefType>(view.getType()).getRank() - 1, row = column - 1;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rows.rowAxisReduced ? row : column));
  e.nest(view, outer, [&](Values indices) {
    Value count = rows.rowAxisReduced ? e.extent(view, row) : e.index(1);
    e.forEach(e.index(0), count, group, [&](Value begin) {
      body(indices, begin, e.min(e.add(begin, e.index(group)), count));
    });
  });
}

/// The sums of rows [begin, end) of the columns `at`, a vector each.
Values ReductionLoops::addColumn(const Rows &rows, MutableArrayRef<Values> at, Value tail,
                                 Value begin, Value end, Type type) {
  Values pivots(at.size());
  if (rows.pivots)
    for (auto [pivot, indices] : llvm::zip(pivots, at))
      pivot = e.load(rows.pivots, rows.keptIndices(indices), type);
  return e.carry(begin, end, 1, noSums(int64_t(at.size()), e.vectorOf(type)),
                 [&](Value row, ValueRange carried) {
                   Values next;
                   for (auto [v, indices] : llvm::enumerate(at)) {
                     if (rows.rowAxisReduced)
                       indices[indices.size() - 2] = row;
                     prefetch(rows.views, indices, int64_t(v));
                     llvm::append_range(next, addElements({rows.views, indices, tail, rows.lines},
                                                          pivots[v], setOf(carried, v)));
                   }
                   return next;
                 });
}

void ReductionLoops::addToTotals(const Rows &rows, ValueRange k, ValueRange sums) {
  for (auto [sum, total] : llvm::zip(sums, rows.totals))
    e.store(e.addf(e.load(total, k, f64), e.convert(sum, f64)), total, k);
}

/// Keeps the sums of a step, whose vectors lie from `offset` on, in the order of `at`.
void ReductionLoops::storeStep(ArrayRef<Values> at, ValueRange sums, ValueRange stepSums,
                               Value offset) {
  for (auto [v, of] : llvm::enumerate(at)) {
    Value place = e.add(offset, e.index(int64_t(v) * e.width));
    for (auto [sum, buffer] : llvm::zip(setOf(sums, v), stepSums))
      e.store(sum, buffer, place);
  }
}

/// Adds the sums of the columns [start, stop) to their totals: those that are kept of columns from
/// `first` on. A loop, rather than code for every vector, and in vectors that f64 fills.
void ReductionLoops::addStepToTotals(const Rows &rows, Values indices, ValueRange stepSums,
                                     Value first, Value start, Value stop) {
  e.withWidth(wideLanes, [&] {
    e.forEach(start, stop, e.width, [&](Value i) {
      Values parts;
      for (Value buffer : stepSums)
        parts.push_back(e.load(buffer, e.sub(i, first), f64));
      indices.back() = i;
      addToTotals(rows, rows.keptIndices(indices), parts);
    });
  });
}

/// Several vectors of a row go abreast, each with sums of its own, which hides the latency of the
/// additions and reads memory in longer pieces.
void ReductionLoops::emitRows(const Rows &rows) {
  Value view = rows.views.front();
  int64_t columns = cast<MemRefType>(view.getType()).getShape().back();
  int64_t abreast = schedule.getUnroll(), step = abreast * e.width;
  bool isWhole = !ShapedType::isDynamic(columns) && columns % e.width == 0 && columns >= step;
  // Where vectors of a line are left over, the sums of all its steps are added to the totals at
  // once: by one loop, rather than one for the steps and one for the rest.
  bool atOnce = rows.lines && isWhole && columns % step != 0;
  Values stepSums;
  for (size_t i = 0; i < totals.size(); ++i)
    stepSums.push_back(e.scratch({padded(e.index(atOnce ? columns : step))}, accumulate));
  eachGroup(rows, [&](Values indices, Value begin, Value end) {
    auto sumStep = [&](Value first, int64_t vectors, Value tail, Value offset) {
      SmallVector<Values> at(vectors, indices);
      for (auto [v, of] : llvm::enumerate(at))
        of.back() = e.add(first, e.index(int64_t(v) * e.width));
      storeStep(at, addColumn(rows, at, tail, begin, end, accumulate), stepSums, offset);
    };
    // The sums of `vectors` from the column `first`; counted are those of [start, stop).
    auto emitStep = [&](Value first, int64_t vectors, Value tail, Value start, Value stop) {
      sumStep(first, vectors, tail, e.index(0));
      addStepToTotals(rows, indices, stepSums, first, start, stop);
    };
    if (!isWhole)
      return emitRaggedSteps(e.extent(view, cast<MemRefType>(view.getType()).getRank() - 1),
                             emitStep);
    int64_t stepped = columns / step * step;
    e.forEach(e.index(0), e.index(stepped), step, [&](Value i) {
      if (atOnce)
        sumStep(i, abreast, {}, i);
      else
        emitStep(i, abreast, {}, i, e.add(i, e.index(step)));
    });
    const int64_t left = (columns - stepped) / e.width;
    if (atOnce) {
      sumStep(e.index(stepped), left, {}, e.index(stepped));
      addStepToTotals(rows, indices, stepSums, e.index(0), e.index(0), e.index(columns));
    } else if (left > 0) {
      emitStep(e.index(stepped), left, {}, e.index(stepped), e.index(columns));
    }
  });
  for (Value buffer : stepSums)
    e.release(buffer);
}

/// The steps of rows that are not whole vectors, or not known. The last of the steps along a row
/// begins early, and only what is new of its sums counts: the loop has no other body, nor masks.
void ReductionLoops::emitRaggedSteps(
    Value columns, function_ref<void(Value, int64_t, Value, Value, Value)> emitStep) {
  int64_t abreast = schedule.getUnroll(), step = abreast * e.width;
  auto next = [&](Value i) { return e.add(i, e.index(step)); };
  std::optional<int64_t> known = getConstantIntValue(columns);
  if (known && *known >= step)
    return e.forEach(e.index(0), columns, step, [&](Value i) {
      emitStep(e.min(i, e.index(*known - step)), abreast, {}, i, e.min(next(i), columns));
    });
  Value stepped = known ? e.index(0) : e.roundDown(columns, step);
  e.forEach(e.index(0), stepped, step, [&](Value i) { emitStep(i, abreast, {}, i, next(i)); });
  e.walkMasked(stepped, columns,
               [&](Value i, Value tail) { emitStep(i, 1, tail, i, e.add(i, e.index(e.width))); });
}

/// The same one vector at a time, in `type`: short code rather than fast code.
void ReductionLoops::emitPlainRows(const Rows &rows, Type type) {
  Value view = rows.views.front();
  int64_t column = cast<MemRefType>(view.getType()).getRank() - 1;
  eachGroup(rows, [&](Values indices, Value begin, Value end) {
    e.walkMasked(e.index(0), e.extent(view, column), [&](Value i, Value tail) {
      indices[column] = i;
      Values sums = addColumn(rows, indices, tail, begin, end, type);
      addToTotals(rows, rows.keptIndices(indices), sums);
    });
  });
}

//===----------------------------------------------------------------------===//
// All elements
//===----------------------------------------------------------------------===//

ReductionLoops::Rows ReductionLoops::rowsOfInputs(function_ref<Values(ValueRange)> keptIndices,
                                                  Value pivots) {
  bool rowAxisReduced =
      dataType.getRank() >= 2 && llvm::is_contained(reduced, dataType.getRank() - 2);
  return {inputs, /*lines=*/false, rowAxisReduced, keptIndices, pivots, totals};
}

void ReductionLoops::emitScheduledTotals(Value pivots) {
  llvm::SaveAndRestore<int64_t> prefetching(ahead, schedule.getPrefetch());
  llvm::SaveAndRestore<bool> accompanying(accompanied, companion != nullptr);
  auto keptIndices = [&](ValueRange at) { return keptOf(at); };
  if (schedule.getTraversal() == Traversal::Flat)
    emitFlatTotals(pivots);
  else if (lastIsKept())
    emitRows(rowsOfInputs(keptIndices, pivots));
  else
    emitRuns(pivots);
}

void ReductionLoops::emitWideTotals(Value pivots) {
  auto keptIndices = [&](ValueRange at) { return keptOf(at); };
  e.withWidth(wideLanes, [&] {
    if (lastIsKept())
      emitPlainRows(rowsOfInputs(keptIndices, pivots), f64);
    else
      emitWideRuns(pivots);
  });
}

//===----------------------------------------------------------------------===//
// Flat
//===----------------------------------------------------------------------===//

/// The flat arrays as rows of `line` elements. Each element of a line has totals of
/// its own, which are added up by kept index at the end: element i of a line
/// belongs to (i / inner) % C.
void ReductionLoops::emitFlatTotals(Value pivots) {
  int64_t line = schedule.getLine();
  ArrayRef<int64_t> shape = dataType.getShape();
  bool scalar = kept.empty();
  int64_t features = scalar ? 1 : shape[1], inner = shape.size() > 2 ? shape[2] : 1;
  Value lineSize = e.index(line);

  // In vectors where the elements of neighbouring kept indices are neighbours. What one has in
  // the lanes behind the last kept index, the next, or nobody, makes good.
  int64_t lanes = inner == 1 && features > 1 ? wideLanes : 1;
  auto eachOfLine = [&](function_ref<void(Value, Value)> body) {
    e.withWidth(lanes, [&] {
      e.forEach(e.index(0), lineSize, features * inner, [&](Value start) {
        e.forEach(e.index(0), e.index(features), lanes, [&](Value k) {
          Value first = e.add(start, e.mul(k, e.index(inner)));
          e.forEach(e.index(0), e.index(inner), 1, [&](Value i) { body(e.add(first, i), k); });
        });
      });
    });
  };
  Value linePivots = pivots ? e.scratch({padded(lineSize)}, accumulate) : Value();
  Values lineTotals;
  for (size_t i = 0; i < totals.size(); ++i)
    lineTotals.push_back(e.scratch({padded(lineSize)}, f64));
  eachOfLine([&](Value i, Value k) {
    if (pivots)
      e.store(e.load(pivots, k, accumulate), linePivots, i);
    for (Value buffer : lineTotals)
      e.store(e.constant(0, e.vectorOf(f64)), buffer, i);
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
  emitRows({views, /*lines=*/true, /*rowAxisReduced=*/true, column, linePivots, lineTotals});
  Values rest = linesOf(used, e.getIndexAttr(1), e.sub(size, used));
  e.withWidth(wideLanes, [&] {
    emitPlainRows({rest, /*lines=*/true, /*rowAxisReduced=*/true, column, linePivots, lineTotals},
                  accumulate);
  });

  eachOfLine([&](Value i, Value k) {
    for (auto [part, whole] : llvm::zip(lineTotals, totals))
      e.store(e.addf(e.load(whole, k, f64), e.load(part, i, f64)), whole, k);
  });
  for (Value buffer : lineTotals)
    e.release(buffer);
  if (pivots)
    e.release(linePivots);
}
