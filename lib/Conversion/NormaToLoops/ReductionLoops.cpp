//===- ReductionLoops.cpp - The traversals of reduction kernels -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

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
// Rows
//===----------------------------------------------------------------------===//

/// Sets of sums, one after the other.
void ReductionLoops::prefetch(ValueRange views, Values indices, int64_t v) {
  constexpr int64_t kCacheLine = 64;
  if (ahead == 0 || indices.empty())
    return;
  indices.back() = e.add(indices.back(), e.index(ahead));
  for (Value view : views) {
    int64_t bytes = getElementTypeOrSelf(view).getIntOrFloatBitWidth() / 8;
    // One of the vectors that share a cache line.
    if (v * e.width * bytes % kCacheLine < e.width * bytes)
      e.prefetch(view, indices);
  }
}

static ValueRange setOf(ValueRange sums, size_t set, size_t each) {
  return sums.slice(set * each, each);
}

Values ReductionLoops::noSums(int64_t sets, Type type) {
  return Values(size_t(sets) * totals.size(), e.constant(0, type));
}

/// Rows of vectors along the innermost, kept axis; groups go down the axis before
/// it where that is reduced. `abreast` vectors of a row have sums of their own, which
/// hides the latency of the additions and reads memory in longer pieces.
void ReductionLoops::emitRows(ValueRange views, bool lines, bool rowAxisReduced,
                              function_ref<Values(ValueRange)> keptIndices, Value pivots,
                              ValueRange rowTotals, Type type, int64_t abreast) {
  Value view = views.front();
  int64_t rank = cast<MemRefType>(view.getType()).getRank();
  int64_t column = rank - 1, row = rank - 2;
  size_t each = totals.size();
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rowAxisReduced ? row : column));
  e.nest(view, outer, [&](Values indices) {
    Value rows = rowAxisReduced ? e.extent(view, row) : e.index(1);
    e.forEach(e.index(0), rows, group, [&](Value start) {
      Value end = e.min(e.add(start, e.index(group)), rows);
      auto emitTile = [&](Value first, int64_t vectors, Value tail) {
        SmallVector<Values> at(vectors, indices);
        Values tilePivots;
        for (int64_t v = 0; v < vectors; ++v) {
          at[v][column] = e.add(first, e.index(v * e.width));
          tilePivots.push_back(e.load(pivots, keptIndices(at[v]), type, false, tail));
        }
        Values sums = e.carry(
            start, end, 1, noSums(vectors, e.vectorOf(type)), [&](Value g, ValueRange carried) {
              Values next;
              for (int64_t v = 0; v < vectors; ++v) {
                if (rowAxisReduced)
                  at[v][row] = g;
                prefetch(views, at[v], v);
                llvm::append_range(next, addElements({views, at[v], tail, lines}, tilePivots[v],
                                                     setOf(carried, v, each)));
              }
              return next;
            });
        for (int64_t v = 0; v < vectors; ++v) {
          Values k = keptIndices(at[v]);
          for (auto [sum, total] : llvm::zip(setOf(sums, v, each), rowTotals)) {
            Value old = e.load(total, k, f64, false, tail);
            e.store(e.addf(old, e.convert(sum, f64)), total, k, tail);
          }
        }
      };
      Value columns = e.extent(view, column);
      Value tiled = e.roundDown(columns, e.width * abreast);
      if (abreast > 1)
        e.forEach(e.index(0), tiled, e.width * abreast, [&](Value i) { emitTile(i, abreast, {}); });
      else
        tiled = e.index(0);
      e.walkFrom(tiled, columns, [&](Value i, Value tail) { emitTile(i, 1, tail); });
    });
  });
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// Adds [begin, end) of the innermost axis at `indices`, in steps of as many vectors as
/// there are sets of sums.
Values ReductionLoops::addVectors(const Values &indices, Value begin, Value end, Value pivot,
                                  ValueRange sums) {
  size_t each = totals.size(), sets = sums.size() / each;
  return e.carry(begin, end, int64_t(sets) * e.width, sums, [&](Value i, ValueRange carried) {
    Values next, at = indices;
    for (size_t set = 0; set < sets; ++set) {
      if (!at.empty())
        at.back() = e.add(i, e.index(int64_t(set) * e.width));
      prefetch(inputs, at, int64_t(set));
      llvm::append_range(next, addElements({inputs, at, {}}, pivot, setOf(carried, set, each)));
    }
    return next;
  });
}

/// Adds what is left of a run from `begin` on, less than a step, to the first set.
Values ReductionLoops::addRest(const Values &indices, Value begin, Value extent, Value pivot,
                               ValueRange sums) {
  size_t each = totals.size();
  Value whole = e.roundDown(extent, e.width);
  Values first = addVectors(indices, begin, whole, pivot, setOf(sums, 0, each));
  Value rest = e.sub(extent, whole);
  if (e.width > 1 && getConstantIntValue(rest) != 0) {
    // An empty mask adds nothing where the run is whole vectors.
    Value tail = vector::CreateMaskOp::create(e, e.vectorOf(e.getI1Type()), rest);
    Values at = indices;
    at.back() = whole;
    first = addElements({inputs, at, tail}, pivot, first);
  }
  llvm::append_range(first, sums.drop_front(each));
  return first;
}

/// The sums of all sets, in f64.
Values ReductionLoops::joined(ValueRange sums) {
  size_t each = totals.size();
  Values result(setOf(sums, 0, each));
  for (size_t i = each; i < sums.size(); ++i)
    result[i % each] = e.addf(result[i % each], sums[i]);
  for (Value &sum : result)
    sum = e.convert(sum, f64);
  return result;
}

/// Adds the lanes of f64 sums to the totals of a kept index.
void ReductionLoops::addLanes(ValueRange sums, ValueRange k) {
  for (auto [lanes, total] : llvm::zip(sums, totals)) {
    Value sum = e.width > 1 ? e.sumLanes(lanes) : vector::ExtractOp::create(e, lanes, 0);
    e.storeScalar(e.addf(e.loadScalar(total, k), sum), total, k);
  }
}

/// Runs that are longer than a group, along the innermost, reduced axis.
void ReductionLoops::emitLongRuns(Value pivots, Type type, int64_t abreast) {
  int64_t innermost = dataType.getRank() - 1;
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(innermost, 0)));
  e.nest(data, outer, [&](Values indices) {
    Values k = keptOf(indices);
    Value pivot = e.loadBroadcast(pivots, k, type);
    Values none = noSums(abreast, pivot.getType());
    auto addTo = [&](ValueRange wide, ValueRange sums) {
      Values next;
      for (auto [total, sum] : llvm::zip(wide, joined(sums)))
        next.push_back(e.addf(total, sum));
      return next;
    };
    Value extent = innermost < 0 ? e.index(1) : e.extent(data, innermost);
    Value stepped = e.roundDown(extent, abreast * e.width);
    int64_t step = group * abreast * e.width;
    Values wide = e.carry(e.index(0), stepped, step, noSums(1, e.vectorOf(f64)),
                          [&](Value start, ValueRange carried) {
                            Value end = e.min(e.add(start, e.index(step)), stepped);
                            return addTo(carried, addVectors(indices, start, end, pivot, none));
                          });
    Values rest = addRest(indices, stepped, extent, pivot, noSums(1, pivot.getType()));
    addLanes(addTo(wide, rest), k);
  });
}

/// Runs that are much shorter than a group: those of several indices of the axis before
/// the kept one are a group, so that lanes are added up once for all of them.
void ReductionLoops::emitShortRuns(Value pivots, Type type, int64_t abreast, int64_t perRun) {
  int64_t rank = dataType.getRank(), outerAxis = rank - 3;
  bool repeats = outerAxis >= 0 && llvm::is_contained(reduced, outerAxis) &&
                 llvm::is_contained(kept, rank - 2);
  Value extent = e.extent(data, rank - 1);
  Value stepped = e.roundDown(extent, abreast * e.width);
  auto emitGroup = [&](Values indices, Value begin, Value end) {
    Values k = keptOf(indices);
    Value pivot = e.loadBroadcast(pivots, k, type);
    auto addRun = [&](const Values &at, ValueRange sums) {
      return addRest(at, stepped, extent, pivot, addVectors(at, e.index(0), stepped, pivot, sums));
    };
    Values sums = noSums(abreast, pivot.getType());
    if (!repeats)
      return addLanes(joined(addRun(indices, sums)), k);
    addLanes(joined(e.carry(begin, end, 1, sums,
                            [&](Value g, ValueRange carried) {
                              indices[outerAxis] = g;
                              return addRun(indices, carried);
                            })),
             k);
  };
  if (!repeats) {
    auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
    return e.nest(data, outer, [&](Values indices) { emitGroup(indices, {}, {}); });
  }
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, outerAxis));
  e.nest(data, outer, [&](Values indices) {
    Value runs = e.extent(data, outerAxis);
    int64_t step = std::max<int64_t>(group / perRun, 1);
    e.forEach(e.index(0), runs, step, [&](Value begin) {
      Value end = e.min(e.add(begin, e.index(step)), runs);
      e.forEach(e.index(0), e.extent(data, rank - 2), 1, [&](Value channel) {
        indices[rank - 2] = channel;
        emitGroup(indices, begin, end);
      });
    });
  });
}

int64_t ReductionLoops::vectorsOfShortRun(int64_t abreast) const {
  ArrayRef<int64_t> shape = dataType.getShape();
  if (shape.empty() || ShapedType::isDynamic(shape.back()))
    return 0;
  // The steps, the vectors left, and the tail.
  int64_t vectors = shape.back() / e.width, tail = shape.back() % e.width != 0;
  int64_t perRun = vectors / abreast + vectors % abreast + tail;
  return perRun <= group / 2 ? perRun : 0;
}

/// Runs along the innermost, reduced axis: one kept index for a whole run.
void ReductionLoops::emitRuns(Value pivots, Type type, int64_t abreast) {
  if (int64_t perRun = vectorsOfShortRun(abreast))
    return emitShortRuns(pivots, type, abreast, perRun);
  emitLongRuns(pivots, type, abreast);
}

void ReductionLoops::emitTotals(Value pivots, Type type, int64_t abreast) {
  if (!lastIsKept())
    return emitRuns(pivots, type, abreast);
  bool rowAxisReduced =
      dataType.getRank() >= 2 && llvm::is_contained(reduced, dataType.getRank() - 2);
  emitRows(
      inputs, /*lines=*/false, rowAxisReduced, [&](ValueRange at) { return keptOf(at); }, pivots,
      totals, type, abreast);
}

void ReductionLoops::emitScheduledTotals(Value pivots) {
  llvm::SaveAndRestore<int64_t> prefetching(ahead, schedule.getPrefetch());
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
