//===- BatchAverages.cpp - What a batch does to the moving statistics -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchAverages.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Averages of the groups
//===----------------------------------------------------------------------===//

SmallVector<Value> norma::sumGhosts(OpBuilder &b, Location loc, ValueRange groups, unsigned count,
                                    FormulaBody body) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, groups.front());
  SmallVector<int64_t> kept = llvm::to_vector(llvm::seq<int64_t>(1, sizes.size()));
  return sumElements(b, loc, sizes, kept, llvm::to_vector_of<Operand>(groups), count, body);
}

/// The variance of a group, and the sample variance where that is what moves.
static SmallVector<Value> variances(Formula &f, Value count, Value m2, bool isSample) {
  SmallVector<Value> results{f.variance(count, m2)};
  if (isSample) {
    Value one = f.constant(1);
    Value bessel = f.div(count, f.max(f.sub(count, one), one));
    results.push_back(f.mul(results.front(), bessel));
  }
  return results;
}

BatchAverage norma::averageGroups(OpBuilder &b, BatchNormTrainingOp op, ArrayRef<Value> groups,
                                  bool haveGhosts) {
  Location loc = op.getLoc();
  Type f64 = b.getF64Type();
  bool isSample = op.getSampleVariance();
  SmallVector<Type> types(isSample ? 2 : 1, f64);
  if (!haveGhosts) {
    SmallVector<Value> written =
        mapElements(b, loc, {groups[Count], groups[M2]}, types, [&](Formula &f, ArrayRef<Value> v) {
          return variances(f, v[0], v[1], isSample);
        });
    return {groups[Count], groups[Mean], written.front(), written.back()};
  }
  SmallVector<Value> sums = sumGhosts(
      b, loc, groups, 2 + types.size(), [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
        Value zero = f.constant(0), one = f.constant(1);
        Value empty = f.equal(v[Count], zero);
        SmallVector<Value> terms{f.select(empty, zero, one), f.select(empty, zero, v[Mean])};
        llvm::append_range(terms, variances(f, v[Count], v[M2], isSample));
        return terms;
      });
  types.push_back(f64);
  SmallVector<Value> averages = mapElements(
      b, loc, llvm::to_vector_of<Operand>(sums), types, [&](Formula &f, ArrayRef<Value> v) {
        // Without any, sums of 0 stay 0.
        Value ghosts = f.max(v.front(), f.constant(1));
        return llvm::map_to_vector(v.drop_front(), [&](Value sum) { return f.div(sum, ghosts); });
      });
  return {sums[0], averages[0], averages[1], averages.back()};
}

std::pair<Value, Value> norma::renormCorrections(OpBuilder &b, BatchNormTrainingOp op,
                                                 const BatchAverage &batch) {
  Type f64 = b.getF64Type();
  double epsilon = op.getEffectiveEpsilon();
  SmallVector<Operand> operands{batch.counted,     batch.mean,   batch.variance, op.getRenorm()[1],
                                op.getRenorm()[2], op.getRmin(), op.getRmax(),   op.getDmax()};
  SmallVector<Value> corrections = mapElements(
      b, op.getLoc(), operands, {f64, f64},
      [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
        Value counted = v[0], mean = v[1], variance = v[2], renormMean = v[3], renormStddev = v[4];
        Value rmin = v[5], rmax = v[6], dmax = v[7];
        Value stddev = f.max(renormStddev, f.constant(std::sqrt(epsilon)));
        Value ratio = f.div(f.sqrt(f.add(variance, f.constant(epsilon))), stddev);
        Value distance = f.div(f.sub(mean, renormMean), stddev);
        if (rmin)
          ratio = f.max(ratio, rmin);
        if (rmax)
          ratio = f.min(ratio, rmax);
        if (dmax)
          distance = f.max(f.min(distance, dmax), f.neg(dmax));
        Value empty = f.equal(counted, f.constant(0));
        return {f.select(empty, f.constant(1), ratio), f.select(empty, f.constant(0), distance)};
      });
  return {corrections[0], corrections[1]};
}

namespace {

/// A moving average that takes one more value, except where nothing was counted.
struct MovingAverage {
  Formula &f;
  Value empty, weight;

  Value operator()(Value old, Value next) const {
    Value rest = f.sub(f.constant(1), weight);
    return f.select(empty, old, f.add(f.mul(old, weight), f.mul(next, rest)));
  }
};

} // namespace

SmallVector<Value> norma::updatedStatistics(OpBuilder &b, BatchNormTrainingOp op,
                                            const BatchAverage &batch) {
  SmallVector<Value> state(op.getMoving());
  llvm::append_range(state, op.getRenorm());
  if (state.empty() || !op.getUpdateMoving())
    return state;
  bool hasRenorm = !op.getRenorm().empty();
  SmallVector<Operand> operands{batch.counted, batch.mean, hasRenorm ? batch.variance : Value(),
                                batch.movingVariance, op.getStep()};
  llvm::append_range(operands, state);
  SmallVector<Type> types = llvm::map_to_vector(
      state, [](Value old) { return cast<ShapedType>(old.getType()).getElementType(); });
  return mapElements(b, op.getLoc(), operands, types, [&](Formula &f, ArrayRef<Value> v) {
    Value mean = v[1], variance = v[2], movingVariance = v[3], step = v[4];
    ArrayRef<Value> old = v.drop_front(5);
    Value one = f.constant(1), eps = f.constant(op.getEffectiveEpsilon());
    Value empty = f.equal(v[0], f.constant(0));
    // The k-th batch of a cumulative average has the weight 1/k.
    Value momentum =
        step ? f.sub(one, f.div(one, step)) : f.constant(op.getMomentum().convertToDouble());
    MovingAverage moving{f, empty, momentum};
    SmallVector<Value> next{moving(old[0], mean)};
    if (!hasRenorm) {
      next.push_back(moving(old[1], movingVariance));
      return next;
    }
    // The deviation is what moves; inference shall divide by it.
    Value stddev = moving(old[2], f.sqrt(f.add(movingVariance, eps)));
    Value fromStddev = f.max(f.sub(f.mul(stddev, stddev), eps), f.constant(0));
    MovingAverage renorm{f, empty, f.constant(op.getRenormMomentum().convertToDouble())};
    next.append({f.select(empty, old[1], fromStddev), stddev, renorm(old[3], mean),
                 renorm(old[4], f.sqrt(f.add(variance, eps)))});
    return next;
  });
}
