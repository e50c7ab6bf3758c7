//===- ReductionLoops.cpp - The traversals of reduction kernels -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

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
  if (cast<MemRefType>(memref.getType()).getRank() > 0)
    return memref;
  return memref::ExpandShapeOp::create(e, ArrayRef<int64_t>{1}, memref,
                                       ArrayRef<ReassociationIndices>{});
}

void ReductionLoops::walkKept(function_ref<void(ValueRange, Value)> body) {
  Value like = totals.front();
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, keptRank - 1));
  e.nest(like, outer, [&](Values indices) {
    e.walk(e.extent(like, keptRank - 1), 1, [&](Value i, Value tail) {
      indices.back() = i;
      body(indices, tail);
    });
  });
}

void ReductionLoops::clear(ValueRange buffers) {
  walkKept([&](ValueRange k, Value tail) {
    for (Value buffer : buffers)
      e.store(e.constant(0, e.vectorOf(f64)), buffer, k, tail);
  });
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

/// Sums up to `size` vectors around a pivot, `unroll` at a time into two sets of
/// sums, which hides the latency of the additions.
Values ReductionLoops::emitGroup(Value size, Value pivot, int64_t unroll,
                                 function_ref<Values(Value, ValueRange)> add) {
  size_t each = totals.size();
  Values initial(2 * each, e.constant(0, pivot.getType()));
  Value even = e.roundDown(size, unroll);
  Values sums = e.carry(e.index(0), even, unroll, initial, [&](Value g, ValueRange carried) {
    Values a(carried.take_front(each)), b(carried.drop_front(each));
    for (int64_t u = 0; u < unroll; ++u) {
      Values &target = u % 2 ? b : a;
      target = add(e.add(g, e.index(u)), target);
    }
    llvm::append_range(a, b);
    return a;
  });
  std::optional<int64_t> known = getConstantIntValue(size);
  if (known) {
    // The rest of few vectors needs no loop, and can go into both sets, too.
    Values a(sums.begin(), sums.begin() + each), b(sums.begin() + each, sums.end());
    for (int64_t g = *known / unroll * unroll; g < *known; ++g) {
      Values &target = g % 2 ? b : a;
      target = add(e.index(g), target);
    }
    sums = a;
    llvm::append_range(sums, b);
  }
  Values joined;
  for (size_t i = 0; i < each; ++i)
    joined.push_back(e.addf(sums[i], sums[each + i]));
  if (unroll > 1 && !known)
    joined = e.carry(even, size, 1, joined, add);
  return joined;
}

//===----------------------------------------------------------------------===//
// Rows and runs
//===----------------------------------------------------------------------===//

/// Rows of vectors along the innermost, kept axis; groups go down the axis before
/// it where that is reduced.
void ReductionLoops::emitRows(ValueRange views, bool lines, bool rowAxisReduced,
                              function_ref<Values(ValueRange)> keptIndices, Value pivots,
                              ValueRange rowTotals, Type type, int64_t unroll) {
  Value view = views.front();
  int64_t rank = cast<MemRefType>(view.getType()).getRank();
  int64_t column = rank - 1, row = rank - 2;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rowAxisReduced ? row : column));
  e.nest(view, outer, [&](Values indices) {
    Value rows = rowAxisReduced ? e.extent(view, row) : e.index(1);
    e.forEach(e.index(0), rows, group, [&](Value start) {
      Value size = e.min(e.sub(rows, start), e.index(group));
      e.walk(e.extent(view, column), 1, [&](Value i, Value tail) {
        Values at = indices;
        at[column] = i;
        Value pivot = e.load(pivots, keptIndices(at), type, false, tail);
        Values sums = emitGroup(size, pivot, unroll, [&](Value g, ValueRange carried) {
          if (rowAxisReduced)
            at[row] = e.add(start, g);
          return addElements({views, at, tail, lines}, pivot, carried);
        });
        Values k = keptIndices(at);
        for (auto [sum, total] : llvm::zip(sums, rowTotals)) {
          Value old = e.load(total, k, f64, false, tail);
          e.store(e.addf(old, e.convert(sum, f64)), total, k, tail);
        }
      });
    });
  });
}

/// Runs along the innermost, reduced axis: one kept index for a whole run.
void ReductionLoops::emitRuns(Value pivots, Type type, int64_t unroll) {
  int64_t rank = dataType.getRank(), innermost = rank - 1;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(innermost, 0)));
  e.nest(data, outer, [&](Values indices) {
    Values k = keptOf(indices);
    Value pivot = e.loadBroadcast(pivots, k, type);
    Values wide(totals.size(), e.constant(0, e.vectorOf(f64)));
    auto addGroup = [&](ValueRange carried, const Values &sums) {
      Values next;
      for (auto [total, sum] : llvm::zip(carried, sums))
        next.push_back(e.addf(total, e.convert(sum, f64)));
      return next;
    };
    Value extent = rank ? e.extent(data, innermost) : e.index(1);
    Value whole = e.roundDown(extent, e.width);
    auto addVector = [&](Value i, Value tail, ValueRange sums) {
      Values at = indices;
      if (rank)
        at[innermost] = i;
      return addElements({inputs, at, tail}, pivot, sums);
    };
    auto sumGroup = [&](Value start, Value size) {
      return emitGroup(size, pivot, unroll, [&](Value g, ValueRange sums) {
        return addVector(e.add(start, e.mul(g, e.index(e.width))), {}, sums);
      });
    };
    // An empty mask adds nothing where the run is whole vectors.
    auto addTail = [&](ValueRange sums) {
      Value tail = vector::CreateMaskOp::create(e, e.vectorOf(e.getI1Type()), e.sub(extent, whole));
      return addVector(whole, tail, sums);
    };
    if (std::optional<int64_t> elements = getConstantIntValue(extent);
        elements && e.width > 1 && *elements < group * e.width) {
      // A short run is one group, tail and all: what is done once a run counts.
      Values sums = sumGroup(e.index(0), e.index(*elements / e.width));
      if (*elements % e.width)
        sums = addTail(sums);
      for (auto [total, sum] : llvm::zip(wide, sums))
        total = e.convert(sum, f64);
    } else {
      wide = e.carry(e.index(0), whole, group * e.width, wide, [&](Value at, ValueRange carried) {
        Value left = e.floorDiv(e.sub(whole, at), e.index(e.width));
        return addGroup(carried, sumGroup(at, e.min(left, e.index(group))));
      });
      if (e.width > 1)
        wide = addGroup(wide, addTail(Values(totals.size(), e.constant(0, pivot.getType()))));
    }
    for (auto [lanes, total] : llvm::zip(wide, totals)) {
      Value sum = e.width > 1 ? e.sumLanes(lanes) : vector::ExtractOp::create(e, lanes, 0);
      e.storeScalar(e.addf(e.loadScalar(total, k), sum), total, k);
    }
  });
}

void ReductionLoops::emitTotals(Value pivots, Type type, int64_t unroll) {
  if (!lastIsKept())
    return emitRuns(pivots, type, unroll);
  bool rowAxisReduced =
      dataType.getRank() >= 2 && llvm::is_contained(reduced, dataType.getRank() - 2);
  emitRows(
      inputs, /*lines=*/false, rowAxisReduced, [&](ValueRange at) { return keptOf(at); }, pivots,
      totals, type, unroll);
}

void ReductionLoops::emitScheduledTotals(Value pivots) {
  if (schedule.getTraversal() == Traversal::Flat)
    return emitFlatTotals(pivots);
  emitTotals(pivots, accumulate, schedule.getUnroll());
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

  auto eachOfLine = [&](function_ref<void(Value, ValueRange)> body) {
    e.forEach(e.index(0), lineSize, features * inner, [&](Value start) {
      e.forEach(e.index(0), e.index(features), 1, [&](Value k) {
        Value first = e.add(start, e.mul(k, e.index(inner)));
        e.forEach(e.index(0), e.index(inner), 1, [&](Value i) { body(e.add(first, i), k); });
      });
    });
  };
  Value linePivots = e.scratch({lineSize}, accumulate);
  Values lineTotals;
  for (size_t i = 0; i < totals.size(); ++i)
    lineTotals.push_back(e.scratch({lineSize}, f64));
  eachOfLine([&](Value i, ValueRange k) {
    e.storeScalar(e.convert(e.loadScalar(pivots, k), accumulate), linePivots, i);
  });
  e.walk(lineSize, 1, [&](Value i, Value) {
    for (Value buffer : lineTotals)
      e.store(e.constant(0, e.vectorOf(f64)), buffer, i);
  });

  Values flat;
  for (Value input : inputs)
    flat.push_back(e.flatten(input));
  Value size = e.extent(flat.front(), 0), lines = e.floorDiv(size, lineSize);
  Value used = e.mul(lines, lineSize);
  auto column = [&](ValueRange at) { return Values{at[1]}; };
  auto emitLines = [&](OpFoldResult offset, OpFoldResult rows, OpFoldResult columns,
                       int64_t unroll) {
    Values views;
    for (Value array : flat)
      views.push_back(memref::ReinterpretCastOp::create(
          e, e.getLoc(), array, offset, ArrayRef<OpFoldResult>{rows, columns},
          ArrayRef<OpFoldResult>{e.getIndexAttr(line), e.getIndexAttr(1)}));
    emitRows(views, /*lines=*/true, /*rowAxisReduced=*/true, column, linePivots, lineTotals,
             accumulate, unroll);
  };
  emitLines(e.getIndexAttr(0), lines, e.getIndexAttr(line), schedule.getUnroll());
  emitLines(used, e.getIndexAttr(1), e.sub(size, used), 1);

  eachOfLine([&](Value i, ValueRange k) {
    for (auto [part, whole] : llvm::zip(lineTotals, totals)) {
      Value sum = e.loadScalar(part, i);
      e.storeScalar(e.addf(e.loadScalar(whole, k), sum), whole, k);
    }
  });
  for (Value buffer : lineTotals)
    e.release(buffer);
  e.release(linePivots);
}
