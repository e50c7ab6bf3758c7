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

void ReductionLoops::walkKept(int64_t lanes, function_ref<void(ValueRange, Value)> body,
                              bool masksLast) {
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, keptRank - 1));
  e.nest(keptLike, outer, [&](Values indices) {
    Value extent = e.extent(keptLike, keptRank - 1);
    std::optional<int64_t> known = getConstantIntValue(extent);
    e.withWidth(lanes, [&] {
      if (masksLast || !known || *known < lanes || *known % lanes == 0)
        return e.walkMasked(e.index(0), extent, [&](Value i, Value tail) {
          indices.back() = i;
          body(indices, tail);
        });
      e.forEach(e.index(0), extent, lanes, [&](Value i) {
        indices.back() = e.min(i, e.index(*known - lanes));
        body(indices, {});
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

void ReductionLoops::clear(ValueRange buffers, ValueRange indices) {
  for (Value buffer : buffers)
    e.store(e.constant(0, e.vectorOf(getElementTypeOrSelf(buffer))), buffer, indices);
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
  const int64_t streams = std::max(schedule.getStreams(), schedule.getParts());
  const bool soon = LoopEmitter::isSoon(views, ahead, streams);
  for (Value view : views) {
    int64_t bytes = getElementTypeOrSelf(view).getIntOrFloatBitWidth() / 8;
    // One of the vectors that share a cache line.
    if (v * e.width * bytes % kCacheLine < e.width * bytes)
      e.prefetch(view, indices, soon);
  }
}

Values ReductionLoops::noSums(int64_t sets, Type type) {
  return Values(size_t(sets) * totals.size(), e.constant(0, type));
}

/// Every stretch of rows that are reduced together: those along the axis before the innermost, or
/// one alone where that is kept.
void ReductionLoops::eachStretch(const Rows &rows, function_ref<void(Values, Value)> body) {
  Value view = rows.views.front();
  int64_t column = cast<MemRefType>(view.getType()).getRank() - 1, row = column - 1;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rows.rowAxisReduced ? row : column));
  e.nest(view, outer, [&](Values indices) {
    body(indices, rows.rowAxisReduced ? e.extent(view, row) : e.index(1));
  });
}

/// [begin, end) in pieces of at most so many.
void ReductionLoops::eachPiece(Value begin, Value end, int64_t most,
                               function_ref<void(Value, Value)> body) {
  e.forEach(begin, end, most,
            [&](Value first) { body(first, e.min(e.add(first, e.index(most)), end)); });
}

/// The sums of the columns `at`, a vector each, of some rows.
Values ReductionLoops::addColumn(const Rows &rows, MutableArrayRef<Values> at, Value tail,
                                 const RowRange &range, Type type) {
  Values pivots(at.size());
  if (rows.pivots)
    for (auto [pivot, indices] : llvm::zip(pivots, at))
      pivot = e.load(rows.pivots, rows.keptIndices(indices), type);
  auto addRow = [&](Value row, ValueRange sums) {
    Values next;
    for (auto [v, indices] : llvm::enumerate(at)) {
      if (rows.rowAxisReduced)
        indices[indices.size() - 2] = row;
      prefetch(rows.views, indices, int64_t(v));
      llvm::append_range(
          next, addElements({rows.views, indices, tail, rows.lines}, pivots[v], setOf(sums, v)));
    }
    return next;
  };
  // A row of every stream has loads of its own, each of which a processor sees go on in steps.
  auto addRows = [&](Value row, ValueRange carried) {
    Values sums(carried);
    for (int64_t stream = 0; stream < range.streams; ++stream)
      sums = addRow(stream ? e.add(row, e.mul(range.apart, e.index(stream))) : row, sums);
    return sums;
  };
  Values none = noSums(int64_t(at.size()), e.vectorOf(type));
  return range.end ? e.carry(range.begin, range.end, 1, none, addRows) : addRows(range.begin, none);
}

/// Adds sets of sums, one after the other.
void ReductionLoops::addToTotals(const Rows &rows, ValueRange k, ArrayRef<Values> sets) {
  for (auto [i, total] : llvm::enumerate(rows.totals)) {
    Value sum = e.load(total, k, f64);
    for (const Values &set : sets)
      sum = e.addf(sum, e.convert(set[i], f64));
    e.store(sum, total, k);
  }
}

/// Whether the last of the steps along a row begins early, so that it is whole, too: the loop has
/// no other body, nor masks.
bool ReductionLoops::overlaps(Value columns) const {
  std::optional<int64_t> known = getConstantIntValue(columns);
  return known && *known % schedule.getVector() != 0 && *known >= stepOfRow();
}

/// The steps along a row: the vectors from a column on, and where they lie in sums of rows. What
/// the last of them sums once more, where it overlaps, lies apart from the sums before.
void ReductionLoops::emitSteps(
    Value columns,
    function_ref<void(Value first, int64_t vectors, Value tail, Value offset)> emitStep) {
  const int64_t abreast = schedule.getUnroll(), step = stepOfRow();
  std::optional<int64_t> known = getConstantIntValue(columns);
  if (overlaps(columns))
    return e.forEach(e.index(0), columns, step,
                     [&](Value i) { emitStep(e.min(i, e.index(*known - step)), abreast, {}, i); });
  Value stepped = e.roundDown(columns, step);
  e.forEach(e.index(0), stepped, step, [&](Value i) { emitStep(i, abreast, {}, i); });
  if (!known || *known % e.width != 0)
    return e.walkMasked(stepped, columns, [&](Value i, Value tail) { emitStep(i, 1, tail, i); });
  if (int64_t left = *known % step / e.width)
    emitStep(stepped, left, {}, stepped);
}

/// Where the sums of column `i` lie among those of a row.
Value ReductionLoops::offsetOf(Value i, Value columns) {
  if (!overlaps(columns))
    return i;
  const int64_t step = stepOfRow(), known = *getConstantIntValue(columns);
  const int64_t last = (known - 1) / step * step;
  Value apart = e.add(i, e.index(last + step - known));
  return e.select(e.less(i, e.index(last)), i, apart);
}

/// Room for a sum of every column, and for what the last step of a row sums once more.
Value ReductionLoops::rowScratch(Value columns, Type element) {
  if (overlaps(columns))
    columns = e.index(llvm::alignTo(*getConstantIntValue(columns), stepOfRow()));
  return e.scratch({padded(columns)}, element);
}

/// Several vectors of a row go abreast, each with sums of its own, which hides the latency of the
/// additions and reads memory in longer pieces. Rows of as many parts of the stretch go side by
/// side as there are streams. Sums of some groups are added up in `rowSums`, and
/// these are added to the totals: most of what a group costs is to turn its sums into f64. Those
/// that count are zeros before and after. Eight of the longest groups there may be fit i32; of
/// shorter ones there are more, but no sum has many more additions behind it.
void ReductionLoops::emitRows(const Rows &rows, ValueRange rowSums) {
  constexpr int64_t kGroups = 8, kAdditions = 28;
  const int64_t streams = std::max<int64_t>(schedule.getStreams(), 1);
  // Of every stream.
  const int64_t ofGroup = group / streams;
  const int64_t most = std::max(kGroups, kAdditions - group) * ofGroup;
  Value columns = columnsOf(rows);
  eachStretch(rows, [&](Values indices, Value count) {
    Value part = streams > 1 ? e.floorDiv(count, e.index(streams)) : count;
    // What the streams leave over goes with the last sums, even where these are none.
    Value one = e.index(1), some = streams > 1 ? e.select(e.less(part, one), one, part) : part;
    e.forEach(e.index(0), some, most, [&](Value first) {
      Value last = e.min(e.add(first, e.index(most)), part);
      eachPiece(first, last, ofGroup, [&](Value begin, Value end) {
        const RowRange range{begin, ofGroup > 1 ? end : Value(), part, streams};
        emitSteps(columns, [&](Value from, int64_t vectors, Value tail, Value offset) {
          SmallVector<Values> at(vectors, indices);
          for (auto [v, place] : llvm::enumerate(at))
            place.back() = e.add(from, e.index(int64_t(v) * e.width));
          Values sums = addColumn(rows, at, tail, range, accumulate);
          for (int64_t v = 0; v < vectors; ++v) {
            Value place = e.add(offset, e.index(v * e.width));
            for (auto [sum, buffer] : llvm::zip(setOf(sums, v), rowSums))
              e.store(e.plus(e.load(buffer, place, accumulate), sum), buffer, place);
          }
        });
      });
      RowRange rest;
      if (streams > 1) {
        Value isNotLast = e.less(last, part), left = e.mul(part, e.index(streams));
        rest = {e.select(isNotLast, count, left), count};
      }
      addRowSums(rows, indices, rowSums, rest);
    });
  });
}

/// Adds the sums of every column to its totals, and makes them zeros; then those of the rows in
/// `rest`, if that has an end: for few rows, to go through the totals takes longer than the sums.
void ReductionLoops::addRowSums(const Rows &rows, Values indices, ValueRange rowSums,
                                const RowRange &rest) {
  Value columns = columnsOf(rows);
  auto add = [&](Value i, Value tail) {
    Value offset = offsetOf(i, columns);
    SmallVector<Values> sums(1);
    for (Value buffer : rowSums)
      sums.front().push_back(e.load(buffer, offset, f64));
    clear(rowSums, offset);
    indices.back() = i;
    if (rest.end)
      sums.push_back(addColumn(rows, indices, tail, rest, accumulate));
    addToTotals(rows, rows.keptIndices(indices), sums);
  };
  e.withWidth(wideLanes, [&] { e.walkMasked(e.index(0), columns, add); });
}

/// Some rows one vector at a time, in `type`: short code rather than fast code.
void ReductionLoops::emitPlainRows(const Rows &rows, Values indices, const RowRange &range,
                                   Type type) {
  e.walkMasked(e.index(0), columnsOf(rows), [&](Value i, Value tail) {
    indices.back() = i;
    Values sums = addColumn(rows, indices, tail, range, type);
    addToTotals(rows, rows.keptIndices(indices), sums);
  });
}

void ReductionLoops::emitPlainRows(const Rows &rows, Type type) {
  eachStretch(rows, [&](Values indices, Value count) {
    eachPiece(e.index(0), count, group,
              [&](Value begin, Value end) { emitPlainRows(rows, indices, {begin, end}, type); });
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
    emitRowTotals(rowsOfInputs(keptIndices, pivots));
  else
    emitRuns(pivots);
}

void ReductionLoops::emitRowTotals(const Rows &rows) {
  Value columns = columnsOf(rows);
  Values rowSums;
  for (size_t i = 0; i < totals.size(); ++i)
    rowSums.push_back(rowScratch(columns, accumulate));
  Value extent = e.sub(e.extent(rowSums.front(), 0), e.index(e.width - 1));
  e.forEach(e.index(0), extent, e.width, [&](Value i) { clear(rowSums, i); });
  emitRows(rows, rowSums);
  for (Value buffer : rowSums)
    e.release(buffer);
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
