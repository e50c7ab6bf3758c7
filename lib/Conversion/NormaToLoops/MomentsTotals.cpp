//===- MomentsTotals.cpp - Sums of deviations and of their squares --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

/// Sums up to `size` elements (vectors) around a pivot, `unroll` at a time into
/// two sets of sums, which hides the latency of the additions.
Sums MomentsLoops::emitGroup(Value size, Value pivot, Type type, int64_t unroll,
                             function_ref<Element(Value)> at) {
  Value zero = e.constant(0, pivot.getType());
  Value one = e.constant(1, pivot.getType());
  auto accumulateOne = [&](Value g, Sums sums) -> Sums {
    Element element = at(g);
    Value d = e.subf(element.x, pivot);
    if (!element.valid)
      return {sums.weight, e.addf(sums.first, d), e.fma(d, d, sums.second)};
    d = e.select(element.valid, d, zero);
    Value weight = element.weight ? e.select(element.valid, element.weight, zero)
                   : sums.weight  ? e.select(element.valid, one, zero)
                                  : Value();
    Value weighted = element.weight ? e.mulf(weight, d) : d;
    return {sums.weight ? e.addf(sums.weight, weight) : Value(), e.addf(sums.first, weighted),
            e.fma(weighted, d, sums.second)};
  };

  Sums none{partial ? zero : Value(), zero, zero};
  size_t each = none.list().size();
  Values initial = none.list();
  llvm::append_range(initial, none.list());
  Value even = e.roundDown(size, unroll);
  Values sums = e.carry(e.index(0), even, unroll, initial, [&](Value g, ValueRange carried) {
    Sums a = Sums::of(carried.take_front(each)), b = Sums::of(carried.drop_front(each));
    for (int64_t u = 0; u < unroll; ++u) {
      Sums &target = u % 2 ? b : a;
      target = accumulateOne(e.add(g, e.index(u)), target);
    }
    Values next = a.list();
    llvm::append_range(next, b.list());
    return next;
  });
  Values joined;
  for (size_t i = 0; i < each; ++i)
    joined.push_back(e.addf(sums[i], sums[each + i]));
  if (unroll > 1)
    joined = e.carry(even, size, 1, joined, [&](Value g, ValueRange carried) {
      return accumulateOne(g, Sums::of(carried)).list();
    });
  return Sums::of(joined);
}

void MomentsLoops::addToTotals(Sums sums, Sums totals, ValueRange indices, Value mask) {
  for (auto [sum, total] : llvm::zip(sums.list(), totals.list())) {
    Value old = e.load(total, indices, f64, false, mask);
    e.store(e.addf(old, e.convert(sum, f64)), total, indices, mask);
  }
}

/// Rows of vectors along the innermost, kept axis; groups go down the axis before
/// it where that is reduced.
void MomentsLoops::emitRows(Value view, bool rowAxisReduced,
                            function_ref<Values(ValueRange)> keptIndices, Value pivots, Sums totals,
                            Type type, int64_t unroll) {
  int64_t rank = cast<MemRefType>(view.getType()).getRank();
  int64_t column = rank - 1, row = rank - 2;
  int64_t group = schedule.getGroup() ? schedule.getGroup() : 32;
  bool isData = view == data;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rowAxisReduced ? row : column));
  e.nest(view, outer, [&](Values indices) {
    Value rows = rowAxisReduced ? e.extent(view, row) : e.index(1);
    e.forEach(e.index(0), rows, group, [&](Value start) {
      Value size = e.min(e.sub(rows, start), e.index(group));
      e.walk(e.extent(view, column), 1, [&](Value i, Value mask) {
        Values at = indices;
        at[column] = i;
        Value pivot = e.load(pivots, keptIndices(at), type, false, mask);
        Sums sums = emitGroup(size, pivot, type, unroll, [&](Value g) -> Element {
          if (rowAxisReduced)
            at[row] = e.add(start, g);
          if (isData)
            return loadElement(at, type, mask);
          return loadLineElement(view, at, type, mask);
        });
        addToTotals(sums, totals, keptIndices(at), mask);
      });
    });
  });
}

/// Runs along the innermost, reduced axis: one kept index for a whole run.
void MomentsLoops::emitRuns(Value pivots, Type type, int64_t unroll) {
  int64_t rank = dataType.getRank(), innermost = rank - 1;
  int64_t group = schedule.getGroup() ? schedule.getGroup() : 32;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(innermost, 0)));
  Type wide = e.vectorOf(f64);
  e.nest(data, outer, [&](Values indices) {
    Values kept = keptOf(indices);
    Value pivot = e.loadBroadcast(pivots, kept, type);
    Value zero = e.constant(0, wide);
    Values totals = Sums{partial ? zero : Value(), zero, zero}.list();
    auto addGroup = [&](ValueRange carried, Sums sums) {
      Values next;
      for (auto [total, sum] : llvm::zip(carried, sums.list()))
        next.push_back(e.addf(total, e.convert(sum, f64)));
      return next;
    };
    Value extent = rank ? e.extent(data, innermost) : e.index(1);
    Value whole = e.roundDown(extent, e.width);
    totals =
        e.carry(e.index(0), whole, group * e.width, totals, [&](Value start, ValueRange carried) {
          Value left = e.floorDiv(e.sub(whole, start), e.index(e.width));
          Sums sums = emitGroup(e.min(left, e.index(group)), pivot, type, unroll, [&](Value g) {
            Values at = indices;
            if (rank)
              at[innermost] = e.add(start, e.mul(g, e.index(e.width)));
            return loadElement(at, type, {});
          });
          return addGroup(carried, sums);
        });
    if (e.width > 1) {
      // The tail: an empty mask adds nothing where the run is whole vectors.
      Value mask = vector::CreateMaskOp::create(e, e.vectorOf(e.getI1Type()), e.sub(extent, whole));
      Values at = indices;
      at[innermost] = whole;
      Sums sums =
          emitGroup(e.index(1), pivot, type, 1, [&](Value) { return loadElement(at, type, mask); });
      totals = addGroup(totals, sums);
    }
    for (auto [total, buffer] : llvm::zip(totals, outs().list())) {
      Value sum = e.width > 1 ? e.sumLanes(total) : vector::ExtractOp::create(e, total, 0);
      e.storeScalar(e.addf(e.loadScalar(buffer, kept), sum), buffer, kept);
    }
  });
}

void MomentsLoops::emitTotals(Value pivots, Type type, int64_t unroll) {
  if (!lastIsKept())
    return emitRuns(pivots, type, unroll);
  bool rowAxisReduced =
      dataType.getRank() >= 2 && llvm::is_contained(reduced, dataType.getRank() - 2);
  emitRows(
      data, rowAxisReduced, [&](ValueRange at) { return keptOf(at); }, pivots, outs(), type,
      unroll);
}

/// The flat array as rows of `line` elements. Each element of a line has totals of
/// its own, which are added up by kept index at the end: element i of a line
/// belongs to (i / inner) % C.
void MomentsLoops::emitFlatTotals(Value pivots) {
  int64_t line = schedule.getLine();
  ArrayRef<int64_t> shape = dataType.getShape();
  bool scalar = op.getKept().empty();
  int64_t features = scalar ? 1 : shape[1], inner = shape.size() > 2 ? shape[2] : 1;
  Value lineSize = e.index(line);

  auto eachOfLine = [&](function_ref<void(Value, ValueRange)> body) {
    e.forEach(e.index(0), lineSize, features * inner, [&](Value start) {
      e.forEach(e.index(0), e.index(features), 1, [&](Value k) {
        Value first = e.add(start, e.mul(k, e.index(inner)));
        e.forEach(e.index(0), e.index(inner), 1,
                  [&](Value i) { body(e.add(first, i), scalar ? ValueRange() : ValueRange(k)); });
      });
    });
  };
  Value linePivots = e.scratch({lineSize}, accumulate);
  Sums lineTotals{partial ? e.scratch({lineSize}, f64) : Value(), e.scratch({lineSize}, f64),
                  e.scratch({lineSize}, f64)};
  eachOfLine([&](Value i, ValueRange k) { e.storeScalar(e.loadScalar(pivots, k), linePivots, i); });
  e.walk(lineSize, 1, [&](Value i, Value) {
    for (Value buffer : lineTotals.list())
      e.store(e.constant(0, e.vectorOf(f64)), buffer, i);
  });

  Value all = e.flatten(data);
  Value total = e.extent(all, 0), lines = e.floorDiv(total, lineSize);
  Value used = e.mul(lines, lineSize);
  auto column = [&](ValueRange at) { return Values{at[1]}; };
  auto view = [&](OpFoldResult offset, OpFoldResult rows, OpFoldResult columns) -> Value {
    return memref::ReinterpretCastOp::create(
        e, e.getLoc(), all, offset, ArrayRef<OpFoldResult>{rows, columns},
        ArrayRef<OpFoldResult>{e.getIndexAttr(line), e.getIndexAttr(1)});
  };
  emitRows(view(e.getIndexAttr(0), lines, e.getIndexAttr(line)), true, column, linePivots,
           lineTotals, accumulate, schedule.getUnroll());
  emitRows(view(used, e.getIndexAttr(1), e.sub(total, used)), true, column, linePivots, lineTotals,
           accumulate, 1);

  eachOfLine([&](Value i, ValueRange k) {
    for (auto [part, whole] : llvm::zip(lineTotals.list(), outs().list()))
      e.storeScalar(e.addf(e.loadScalar(whole, k), e.loadScalar(part, i)), whole, k);
  });
  for (Value buffer : lineTotals.list())
    e.release(buffer);
  e.release(linePivots);
}
