//===- MomentsToLoops.cpp - The reduction kernel as loops ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How the statistics of a block are made (f32 data; n elements per kept index):
//
// 1. pivots    c = a value near the mean, from a few samples spread over the data.
// 2. totals    s1 = sum(x - c), s2 = sum((x - c)^2). Up to `group` vectors are
//              summed in the accumulate type, groups are summed in f64, so no f32
//              sum is longer than a group.
// 3. finish    mean = c + s1/n, m2 = s2 - s1^2/n.
//
// Step 3 loses digits by the factor 1 + (c - mean)^2/variance. The factor is
// known then: where it exceeds 5, or where squares may have left the range of
// f32, steps 2 and 3 are done again in f64 with c = mean (corrected two-pass;
// Chan, Golub, LeVeque 1983). So the common case reads the data once, and every
// case is accurate. A constant kept index has x - c = 0 and m2 = 0 exactly.
//
//===----------------------------------------------------------------------===//

#include "LoopEmitter.h"
#include "NormaToLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

namespace {

using Values = LoopEmitter::Values;

/// Partial sums of one vector of kept indices, or of one run: sum of weights
/// (null where every element counts once), of deviations, of their squares.
struct Sums {
  Value weight, first, second;

  Values list() const { return weight ? Values{weight, first, second} : Values{first, second}; }
  static Sums of(ValueRange values) {
    return values.size() == 3 ? Sums{values[0], values[1], values[2]}
                              : Sums{{}, values[0], values[1]};
  }
};

/// An element of the data on its way into the sums. `valid` and `weight` are null
/// where every element counts once.
struct Element {
  Value x, valid, weight;
};

class MomentsLoops {
public:
  MomentsLoops(MomentsOp op, RewriterBase &rewriter)
      : op(op), schedule(op.getScheduleAttr()),
        e(op.getLoc(), rewriter, op.getScheduleAttr().getVector()), data(op.getData()),
        dataType(cast<MemRefType>(op.getData().getType())),
        keptRank(std::max<int64_t>(op.getKept().size(), 1)), f64(e.getF64Type()),
        accumulate(schedule.getAccumulate() ? schedule.getAccumulate() : e.getF32Type()) {
    count = withAxis(op.getCount());
    mean = withAxis(op.getMean());
    m2 = withAxis(op.getM2());
    for (int64_t axis = 0; axis < dataType.getRank(); ++axis)
      if (!llvm::is_contained(op.getKept(), axis))
        reduced.push_back(axis);
    omitsNan = op.getNan() == NanHandling::Omit && isa<FloatType>(dataType.getElementType());
    partial = op.getMask() || op.getWeights() || omitsNan;
  }

  void emit();

private:
  // The steps, in the order they are described above.
  void emitPivots(Value pivots);
  void emitTotals(Value pivots, Type type, int64_t unroll);
  void emitFlatTotals(Value pivots);
  void emitFinish(Value pivots, Value suspect);
  void emitRepair();

  // Totals of rows (innermost axis kept) and of runs (innermost axis reduced).
  void emitRows(Value view, bool rowAxisReduced, function_ref<Values(ValueRange)> keptOf,
                Value pivots, Sums totals, Type type, int64_t unroll);
  void emitRuns(Value pivots, Type type, int64_t unroll);
  Sums emitGroup(Value count, Value pivot, Type type, int64_t unroll,
                 function_ref<Element(Value)> at);

  Element loadElement(ValueRange indices, Type type, Value mask);
  Element loadLineElement(Value lines, ValueRange indices, Type type, Value mask);
  Value loadLike(Value operand, ValueRange indices, Type type, Value mask);
  void addToTotals(Sums sums, Sums totals, ValueRange indices, Value mask);
  void clearOuts();
  Values keptExtents();
  Value samplePivot(Values indices, Value mask);
  Value finiteOrZero(Value value);
  void walkKept(function_ref<void(ValueRange, Value)> body);
  Values keptOf(ValueRange indices);
  Value withAxis(Value memref);
  bool lastIsKept() {
    return !op.getKept().empty() && op.getKept().back() == dataType.getRank() - 1;
  }
  Sums outs() { return {partial ? count : Value(), mean, m2}; }

  MomentsOp op;
  ScheduleAttr schedule;
  LoopEmitter e;
  Value data;
  MemRefType dataType;
  /// The outputs, with one axis of extent 1 where no axis is kept. Until
  /// emitFinish() they hold the totals.
  Value count, mean, m2;
  int64_t keptRank;
  Type f64, accumulate;
  SmallVector<int64_t> reduced;
  /// NaN elements are left out; elements may be left out, or weighted.
  bool omitsNan = false, partial = false;
  /// Elements per kept index, as index and as f64.
  Value elements, elementsF64;
};

} // namespace

//===----------------------------------------------------------------------===//
// The whole kernel
//===----------------------------------------------------------------------===//

void MomentsLoops::emit() {
  elements = e.index(1);
  for (int64_t axis : reduced)
    elements = e.mul(elements, e.extent(data, axis));
  elementsF64 = e.indexToF64(elements);

  auto kernel = [&] {
    Value pivots = e.scratch(keptExtents(), accumulate);
    emitPivots(pivots);
    clearOuts();
    if (schedule.getTraversal() == Traversal::Flat)
      emitFlatTotals(pivots);
    else
      emitTotals(pivots, accumulate, schedule.getUnroll());

    // Deviations of 8-bit integers sum exactly: nothing can go wrong.
    if (dataType.getElementType().isInteger(8) && !op.getWeights()) {
      emitFinish(pivots, {});
    } else {
      Value suspect = e.scratch({}, e.getI8Type());
      e.storeScalar(arith::ConstantOp::create(e, e.getI8IntegerAttr(0)), suspect, {});
      emitFinish(pivots, suspect);
      e.ifTrue(e.notZero(e.loadScalar(suspect, {})), [&] { emitRepair(); });
    }
    e.release(pivots);
  };
  // No data: zeros, and nothing to sample.
  if (auto known = getConstantIntValue(elements); known && *known > 0)
    return kernel();
  e.ifElse(e.notZero(arith::IndexCastOp::create(e, e.getI64Type(), elements)), kernel,
           [&] { clearOuts(); });
}

/// Once more, in f64, around the mean itself: first with the pivot that the first
/// try gave (or 0 where that is not finite), to have the mean right, then with
/// that mean.
void MomentsLoops::emitRepair() {
  Value pivots = e.scratch(keptExtents(), f64);
  auto recenter = [&] {
    walkKept([&](ValueRange k, Value mask) {
      e.store(finiteOrZero(e.load(mean, k, f64, false, mask)), pivots, k, mask);
    });
  };
  recenter();
  // A loop of two rounds, so that the code is there once.
  e.forEach(e.index(0), e.index(2), 1, [&](Value) {
    clearOuts();
    // Rare, so short code rather than fast code.
    emitTotals(pivots, f64, /*unroll=*/1);
    emitFinish(pivots, {});
    recenter();
  });
  e.release(pivots);
}

//===----------------------------------------------------------------------===//
// Access
//===----------------------------------------------------------------------===//

/// The kept index, as the outputs are indexed with it.
Values MomentsLoops::keptOf(ValueRange indices) {
  if (op.getKept().empty())
    return {e.index(0)};
  Values result;
  for (int64_t axis : op.getKept())
    result.push_back(indices[axis]);
  return result;
}

Value MomentsLoops::withAxis(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() > 0)
    return memref;
  auto one = MemRefType::get({1}, type.getElementType(),
                             type.getLayout().isIdentity() ? MemRefLayoutAttrInterface()
                                                           : type.getLayout());
  return memref::ReinterpretCastOp::create(e, one, memref, /*offset=*/0,
                                           /*sizes=*/ArrayRef<int64_t>{1},
                                           /*strides=*/ArrayRef<int64_t>{1});
}

/// Mask or weights at an index of the data; axes along which they repeat have an
/// extent of 1.
Value MomentsLoops::loadLike(Value operand, ValueRange indices, Type type, Value mask) {
  auto shape = cast<MemRefType>(operand.getType()).getShape();
  Values at;
  for (auto [axis, extent] : llvm::enumerate(shape))
    at.push_back(extent == 1 ? e.index(0) : indices[axis]);
  bool repeats = !shape.empty() && shape.back() == 1 && dataType.getShape().back() != 1;
  bool isUnsigned = operand == op.getMask();
  return repeats ? e.loadBroadcast(operand, at, type, isUnsigned)
                 : e.load(operand, at, type, isUnsigned, mask);
}

Element MomentsLoops::loadElement(ValueRange indices, Type type, Value mask) {
  Element element;
  element.x = e.load(data, indices, type, op.getUnsignedData(), mask);
  auto require = [&](Value condition) {
    element.valid = element.valid ? e.both(element.valid, condition) : condition;
  };
  if (op.getMask())
    require(e.notZero(loadLike(op.getMask(), indices, type, mask)));
  if (op.getWeights()) {
    element.weight = loadLike(op.getWeights(), indices, type, mask);
    require(e.notZero(element.weight));
  }
  if (omitsNan)
    require(e.notNan(element.x));
  if (mask)
    require(mask);
  return element;
}

/// The same from the flat array, which comes without mask and weights.
Element MomentsLoops::loadLineElement(Value lines, ValueRange indices, Type type, Value mask) {
  Element element{e.load(lines, indices, type, op.getUnsignedData(), mask), mask, {}};
  if (omitsNan) {
    Value present = e.notNan(element.x);
    element.valid = mask ? e.both(present, mask) : present;
  }
  return element;
}

Value MomentsLoops::finiteOrZero(Value value) {
  Value zero = e.constant(0, value.getType());
  Value finite =
      arith::CmpFOp::create(e, arith::CmpFPredicate::OLT, e.absf(value),
                            e.constant(std::numeric_limits<double>::infinity(), value.getType()));
  return e.select(finite, value, zero);
}

void MomentsLoops::clearOuts() {
  walkKept([&](ValueRange k, Value mask) {
    for (Value buffer : {count, mean, m2})
      e.store(e.constant(0, e.vectorOf(f64)), buffer, k, mask);
  });
}

Values MomentsLoops::keptExtents() {
  Values extents;
  for (int64_t axis : llvm::seq<int64_t>(0, keptRank))
    extents.push_back(e.extent(mean, axis));
  return extents;
}

/// Every kept index, in vectors along the innermost kept axis.
void MomentsLoops::walkKept(function_ref<void(ValueRange, Value)> body) {
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, keptRank - 1));
  e.nest(mean, outer, [&](Values indices) {
    e.walk(e.extent(mean, keptRank - 1), 1, [&](Value i, Value mask) {
      indices.back() = i;
      body(indices, mask);
    });
  });
}

//===----------------------------------------------------------------------===//
// Pivots
//===----------------------------------------------------------------------===//

/// Samples are taken at s/kSamples of the way along every reduced axis: spread
/// out, so that a trend in the data does not take the pivot far from the mean.
static constexpr int64_t kRowSamples = 8, kRunSamples = 4;

/// The mean of a few samples at the kept position that `indices` names (its
/// entries of reduced axes are not used); with `mask` where the innermost axis is
/// kept.
Value MomentsLoops::samplePivot(Values indices, Value mask) {
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
    return loadElement(at, accumulate, rows ? mask : runMask);
  };

  // Deviations from the first sample that counts: exactly 0 for constants.
  Value origin;
  if (rows && !partial) {
    origin = sample(e.index(0)).x;
  } else if (!rows && !partial) {
    origin = e.broadcast(vector::ExtractOp::create(e, sample(e.index(0)).x, 0));
  } else {
    origin = e.carry(e.index(0), e.index(samples), 1, {zero, zero},
                     [&](Value s, ValueRange carried) -> Values {
                       Element element = sample(s);
                       Value seen = e.notZero(carried[1]);
                       Value take = e.both(element.valid, e.negate(seen));
                       return {e.select(take, element.x, carried[0]),
                               e.select(element.valid, e.constant(1, type), carried[1])};
                     })[0];
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
  Value sum = sums[0], count = sums[1];
  if (!rows && e.width > 1) {
    sum = e.broadcast(e.sumLanes(sum));
    count = e.broadcast(e.sumLanes(count));
  }
  Value pivot = e.addf(origin, e.divf(sum, e.maxf(count, e.constant(1, type))));
  if (isa<IntegerType>(dataType.getElementType()))
    // A whole number, so that deviations are whole and sum exactly.
    pivot = math::RoundEvenOp::create(e, pivot);
  return finiteOrZero(pivot);
}

void MomentsLoops::emitPivots(Value pivots) {
  Values indices(dataType.getRank(), e.index(0));
  auto kept = op.getKept();
  auto place = [&](ValueRange k) {
    for (auto [axis, index] : llvm::zip(kept, k))
      indices[axis] = index;
  };
  if (lastIsKept())
    return walkKept([&](ValueRange k, Value mask) {
      place(k);
      e.store(samplePivot(indices, mask), pivots, k, mask);
    });
  auto all = llvm::to_vector(llvm::seq<int64_t>(0, keptRank));
  e.nest(mean, all, [&](Values k) {
    place(k);
    e.storeScalar(vector::ExtractOp::create(e, samplePivot(indices, {}), 0), pivots, k);
  });
}

//===----------------------------------------------------------------------===//
// Totals
//===----------------------------------------------------------------------===//

/// Sums up to `count` elements (vectors) around a pivot, `unroll` at a time into
/// two sets of sums, which hides the latency of the additions.
Sums MomentsLoops::emitGroup(Value count, Value pivot, Type type, int64_t unroll,
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
  Value even = e.roundDown(count, unroll);
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
    joined = e.carry(even, count, 1, joined, [&](Value g, ValueRange carried) {
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
      Value count = e.min(e.sub(rows, start), e.index(group));
      e.walk(e.extent(view, column), 1, [&](Value i, Value mask) {
        Values at = indices;
        at[column] = i;
        Value pivot = e.load(pivots, keptIndices(at), type, false, mask);
        Sums sums = emitGroup(count, pivot, type, unroll, [&](Value g) -> Element {
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

//===----------------------------------------------------------------------===//
// Finish
//===----------------------------------------------------------------------===//

/// Turns the totals in the outputs into statistics. With `suspect`, notes there
/// (nonzero) whether one of them may be inaccurate.
void MomentsLoops::emitFinish(Value pivots, Value suspect) {
  walkKept([&](ValueRange k, Value mask) {
    Type type = e.vectorOf(f64);
    Value zero = e.constant(0, type);
    Value n = partial ? e.load(count, k, f64, false, mask) : e.broadcast(elementsF64);
    Value pivot = e.load(pivots, k, f64, false, mask);
    Value first = e.load(mean, k, f64, false, mask);
    Value second = e.load(m2, k, f64, false, mask);
    Value shift = e.divf(first, n);
    Value correction = e.mulf(first, shift);
    Value center = e.addf(pivot, shift);
    Value squares = e.maxf(e.subf(second, correction), zero);
    Value counted;
    if (partial) {
      counted = e.notZero(n);
      center = e.select(counted, center, zero);
      squares = e.select(counted, squares, zero);
    }
    e.store(n, count, k, mask);
    e.store(center, mean, k, mask);
    e.store(squares, m2, k, mask);
    if (!suspect)
      return;

    // (pivot - mean)^2 is at most 4 variances; false for NaN, too.
    Value good = e.lessEqual(correction, e.mulf(e.constant(4, type), squares));
    if (accumulate.isF32() && isa<FloatType>(dataType.getElementType())) {
      // Squares far from where f32 underflows, or deviations that cannot be that
      // small next to the pivot. (Overflow has made m2 infinite or NaN.)
      Value large = e.lessEqual(e.mulf(n, e.constant(1e-30, type)), squares);
      Value coarse = e.lessEqual(e.constant(1e-8, type), e.absf(pivot));
      good = e.both(good, e.either(large, coarse));
      good =
          e.both(good, e.lessEqual(squares, e.constant(std::numeric_limits<double>::max(), type)));
    }
    if (counted)
      good = e.either(good, e.negate(counted));
    Value bad = e.negate(good);
    if (mask)
      bad = e.both(bad, mask);
    Value any = arith::ExtUIOp::create(e, e.getI8Type(), e.anyLane(bad));
    e.storeScalar(arith::OrIOp::create(e, any, e.loadScalar(suspect, {})), suspect, {});
  });
}

void norma::emitMomentsLoops(MomentsOp op, RewriterBase &rewriter) {
  MomentsLoops(op, rewriter).emit();
}
