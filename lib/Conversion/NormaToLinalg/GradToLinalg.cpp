//===- GradToLinalg.cpp - The kernels of a gradient to linalg -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormaToLinalg.h"

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"

#include <limits>

using namespace mlir;
using namespace norma;

namespace {

/// The inputs of a generic op over the data of a gradient's kernel: data, dy, mask
/// and weights where they are, then one number for every kept index.
struct GradInputs {
  template <typename Op>
  GradInputs(OpBuilder &b, Op op, ValueRange perKept) {
    auto data = cast<ShapedType>(op.getData().getType());
    rank = data.getRank();
    kept = keptMap(b, rank, op.getKept());
    all = b.getMultiDimIdentityMap(rank);
    values.append({op.getData(), op.getDy()});
    maps.append(2, all);
    for (Value value : {op.getMask(), op.getWeights()})
      if (value) {
        values.push_back(value);
        maps.push_back(broadcastMap(b, cast<ShapedType>(value.getType()), data));
      }
    llvm::append_range(values, perKept);
    maps.append(perKept.size(), kept);
  }

  int64_t rank;
  AffineMap all, kept;
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;
};

/// Mask and weight of an element; null where there are none.
struct Participation {
  /// i1, whether neither is 0.
  Value counts;
  /// The weight in the type of the formula.
  Value weight;
};

/// Reads them from the arguments behind data and dy, and moves on behind them.
template <typename Op>
Participation readParticipation(OpBuilder &b, Location loc, Op op, FloatType type,
                                ValueRange &arguments) {
  Participation result;
  arguments = arguments.drop_front(2);
  if (op.getMask()) {
    result.counts = isNotZero(b, loc, arguments.front());
    arguments = arguments.drop_front();
  }
  if (op.getWeights()) {
    result.weight = toFloat(b, loc, arguments.front(), type, /*isUnsigned=*/false);
    arguments = arguments.drop_front();
    Value weighs = isNotZero(b, loc, result.weight);
    result.counts =
        result.counts ? Value(arith::AndIOp::create(b, loc, result.counts, weighs)) : weighs;
  }
  return result;
}

Value isFinite(OpBuilder &b, Location loc, Value value) {
  Value magnitude = math::AbsFOp::create(b, loc, value);
  Value infinity = arith::ConstantOp::create(
      b, loc, b.getFloatAttr(value.getType(), std::numeric_limits<double>::infinity()));
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, magnitude, infinity);
}

///   %sum, %dot = norma.grad_sums ins(%x, %dy) center(%c) outs(...)
///   -> %sum, %dot = linalg.generic ins(%x, %dy, %c)
struct GradSumsToLinalg : OpRewritePattern<GradSumsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GradSumsOp op, PatternRewriter &rewriter) const final {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    GradInputs inputs(rewriter, op, op.getCenter());
    inputs.maps.append(2, inputs.kept);
    FloatType f64 = rewriter.getF64Type();
    Value zero = arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getF64FloatAttr(0));
    SmallVector<Value> inits;
    for (Value init : {op.getSum(), op.getDot()})
      inits.push_back(linalg::FillOp::create(rewriter, op.getLoc(), zero, init).getResult(0));
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
      Value x = toFloat(b, loc, arguments[0], f64, op.getUnsignedData());
      Value dy = toFloat(b, loc, arguments[1], f64, /*isUnsigned=*/false);
      bool isFloat = isa<FloatType>(arguments[0].getType());
      Value counts = readParticipation(b, loc, op, f64, arguments).counts;
      Value center = arguments[0], sum = arguments[1], dot = arguments[2];
      Value deviation = arith::SubFOp::create(b, loc, x, center);
      Value product = arith::MulFOp::create(b, loc, dy, deviation);
      Value newSum = arith::AddFOp::create(b, loc, sum, dy);
      Value newDot = arith::AddFOp::create(b, loc, dot, product);
      // What is left out counts all the same, unless it is no number.
      if (counts && isFloat) {
        Value takesPart = arith::OrIOp::create(b, loc, counts, isFinite(b, loc, x));
        newSum = arith::SelectOp::create(b, loc, takesPart, newSum, sum);
        newDot = arith::SelectOp::create(b, loc, takesPart, newDot, dot);
      }
      linalg::YieldOp::create(b, loc, ValueRange{newSum, newDot});
    };
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(
        op, op->getResultTypes(), inputs.values, inits, inputs.maps,
        reductionIterators(inputs.rank, op.getKept()), body);
    return success();
  }
};

///   norma.grad_map ins(%x, %dy) center(%c) slope(%t) offset(%q) scale(%s) outs(%init)
///   -> linalg.generic ins(%x, %dy, %c, %t, %q, %s) outs(%init)
struct GradMapToLinalg : OpRewritePattern<GradMapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GradMapOp op, PatternRewriter &rewriter) const final {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    GradInputs inputs(rewriter, op, {op.getCenter(), op.getSlope(), op.getOffset(), op.getScale()});
    inputs.maps.push_back(inputs.all);
    FloatType compute = op.getComputeType();
    auto element = cast<FloatType>(cast<ShapedType>(op.getOut().getType()).getElementType());
    SmallVector<utils::IteratorType> iterators(inputs.rank, utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
      Value x = toFloat(b, loc, arguments[0], compute, op.getUnsignedData());
      Value dy = toFloat(b, loc, arguments[1], compute, /*isUnsigned=*/false);
      Participation part = readParticipation(b, loc, op, compute, arguments);
      Value center = arguments[0], slope = arguments[1], offset = arguments[2],
            scale = arguments[3];
      Value deviation = arith::SubFOp::create(b, loc, x, center);
      Value sloped = arith::MulFOp::create(b, loc, deviation, slope);
      Value correction = arith::AddFOp::create(b, loc, sloped, offset);
      if (part.weight)
        correction = arith::MulFOp::create(b, loc, correction, part.weight);
      if (part.counts) {
        Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(compute));
        correction = arith::SelectOp::create(b, loc, part.counts, correction, zero);
      }
      Value scaled = arith::MulFOp::create(b, loc, dy, scale);
      Value dx = arith::AddFOp::create(b, loc, scaled, correction);
      linalg::YieldOp::create(b, loc, toOutput(b, loc, dx, element));
    };
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(op, op->getResultTypes(), inputs.values,
                                                   op.getOut(), inputs.maps, iterators, body);
    return success();
  }
};

} // namespace

void norma::populateGradToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<GradMapToLinalg, GradSumsToLinalg>(patterns.getContext());
}
