//===- Decompose.cpp - Layer ops to kernel ops ----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"
#include "norma/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace norma {
#define GEN_PASS_DEF_DECOMPOSEPASS
#include "norma/Transforms/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

namespace {

//===----------------------------------------------------------------------===//
// Scalar formulas
//===----------------------------------------------------------------------===//

/// Writes scalar f64 arithmetic into the body of a generic op.
struct Formula {
  OpBuilder &b;
  Location loc;

  Value constant(double value) {
    return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, loc, x); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
  Value equal(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  }
  Value atMost(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, x, y);
  }
  Value isFinite(Value x) {
    Value magnitude = math::AbsFOp::create(b, loc, x);
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, magnitude,
                                 constant(std::numeric_limits<double>::infinity()));
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  Value toF64(Value x) {
    return x.getType().isF64() ? x : arith::ExtFOp::create(b, loc, b.getF64Type(), x);
  }
  Value fromF64(Value x, Type type) {
    return type.isF64() ? x : arith::TruncFOp::create(b, loc, type, x);
  }
};

/// A linalg.generic that maps tensors of one shape element by element to new
/// tensors of the `results` element types.
SmallVector<Value> mapElements(OpBuilder &b, Location loc, ValueRange inputs, TypeRange results,
                               function_ref<SmallVector<Value>(Formula &, ValueRange)> body) {
  auto shape = cast<RankedTensorType>(inputs.front().getType());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, inputs.front());
  SmallVector<Value> inits;
  SmallVector<Type> types;
  for (Type element : results) {
    inits.push_back(tensor::EmptyOp::create(b, loc, sizes, element));
    types.push_back(shape.clone(element));
  }
  SmallVector<AffineMap> maps(inputs.size() + inits.size(),
                              b.getMultiDimIdentityMap(shape.getRank()));
  SmallVector<utils::IteratorType> iterators(shape.getRank(), utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, loc, types, inputs, inits, maps, iterators,
      [&](OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
        Formula formula{nested, nestedLoc};
        linalg::YieldOp::create(nested, nestedLoc,
                                body(formula, arguments.take_front(inputs.size())));
      });
  return SmallVector<Value>(generic.getResults());
}

/// What the data is divided by, of one variance.
Value divisor(Formula &f, Value variance, double epsilon, EpsilonMode mode,
              ZeroVariancePolicy zeroVariance) {
  Value eps = f.constant(epsilon);
  Value result;
  switch (mode) {
  case EpsilonMode::ClampStd:
    result = f.max(f.sqrt(variance), eps);
    break;
  case EpsilonMode::AddToVariance:
    result = f.sqrt(f.add(variance, eps));
    break;
  case EpsilonMode::AddToStd:
    result = f.add(f.sqrt(variance), eps);
    break;
  }
  if (zeroVariance == ZeroVariancePolicy::Unit)
    result = f.select(f.equal(variance, f.constant(0)), f.constant(1), result);
  return result;
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

///   norma.normalize %x, %mean, %variance
///   -> %center, %scale = linalg.generic(%mean, %variance)
///      norma.affine ins(%x) center(%center) scale(%scale)         (forward)
///      norma.affine ins(%x) scale(%scale) shift(%mean)            (inverse)
struct DecomposeNormalize : OpRewritePattern<NormalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NormalizeOp op, PatternRewriter &rewriter) const final {
    Type compute = op.getComputeType();
    SmallVector<Value> coefficients =
        mapElements(rewriter, op.getLoc(), {op.getMean(), op.getVariance()}, {compute, compute},
                    [&](Formula &f, ValueRange arguments) -> SmallVector<Value> {
                      Value mean = f.toF64(arguments[0]);
                      Value scale =
                          divisor(f, f.toF64(arguments[1]), op.getEpsilon().convertToDouble(),
                                  op.getEpsilonMode(), op.getZeroVariance());
                      if (!op.getInverse())
                        scale = f.div(f.constant(1), scale);
                      return {f.fromF64(mean, compute), f.fromF64(scale, compute)};
                    });
    Value mean = coefficients[0];
    auto type = cast<RankedTensorType>(op.getResult().getType());
    Value init = tensor::EmptyOp::create(rewriter, op.getLoc(),
                                         tensor::getMixedSizes(rewriter, op.getLoc(), op.getData()),
                                         type.getElementType());
    rewriter.replaceOpWithNewOp<AffineOp>(
        op, TypeRange{type}, op.getData(), op.getInverse() ? Value() : mean, coefficients[1],
        op.getInverse() ? mean : Value(), init, op.getKept(), op.getUnsignedData(), ScheduleAttr());
    return success();
  }
};

SmallVector<Value> mergeFormula(Formula &f, ValueRange v) {
  Value countA = v[0], meanA = v[1], m2A = v[2], countB = v[3], meanB = v[4], m2B = v[5];
  Value zero = f.constant(0);
  Value n = f.add(countA, countB);
  Value share = f.div(countB, n);
  Value d = f.sub(meanB, meanA);
  // Infinity stays infinite; opposite infinities and NaN give NaN.
  Value mean = f.select(f.isFinite(d), f.add(meanA, f.mul(d, share)), f.add(meanA, meanB));
  Value m2 = f.add(f.add(m2A, m2B), f.mul(f.mul(d, d), f.mul(countA, share)));
  // An empty side leaves the other as it is; 0/0 above is then not used.
  Value emptyA = f.equal(countA, zero), emptyB = f.equal(countB, zero);
  mean = f.select(emptyB, meanA, f.select(emptyA, meanB, mean));
  m2 = f.select(emptyB, m2A, f.select(emptyA, m2B, m2));
  return {n, mean, m2};
}

struct DecomposeMerge : OpRewritePattern<MergeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MergeOp op, PatternRewriter &rewriter) const final {
    Type f64 = rewriter.getF64Type();
    rewriter.replaceOp(
        op, mapElements(rewriter, op.getLoc(), op.getOperands(), {f64, f64, f64}, mergeFormula));
    return success();
  }
};

///   norma.adapt %x into (%n, %m, %s)
///   -> %p, %q, %r = norma.moments ins(%x)
///      merge of (%n, %m, %s) and (%p, %q, %r)
struct DecomposeAdapt : OpRewritePattern<AdaptOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AdaptOp op, PatternRewriter &rewriter) const final {
    Location loc = op.getLoc();
    RankedTensorType type = op.getCount().getType();
    Type f64 = rewriter.getF64Type();
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, op.getCount());
    SmallVector<Value> inits;
    for (int i = 0; i < 3; ++i)
      inits.push_back(tensor::EmptyOp::create(rewriter, loc, sizes, f64));
    auto moments =
        MomentsOp::create(rewriter, loc, TypeRange{type, type, type}, op.getData(), op.getMask(),
                          op.getWeights(), inits[0], inits[1], inits[2], op.getKept(),
                          op.getUnsignedData(), op.getNan(), ScheduleAttr());
    SmallVector<Value> operands{op.getCount(), op.getMean(), op.getM2()};
    llvm::append_range(operands, moments->getResults());
    rewriter.replaceOp(op, mapElements(rewriter, loc, operands, {f64, f64, f64}, mergeFormula));
    return success();
  }
};

struct DecomposeFinalize : OpRewritePattern<FinalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(FinalizeOp op, PatternRewriter &rewriter) const final {
    Type f64 = rewriter.getF64Type();
    auto formula = [&](Formula &f, ValueRange v) -> SmallVector<Value> {
      Value count = v[0], mean = v[1], m2 = v[2];
      Value zero = f.constant(0), one = f.constant(1);
      Value divideBy = op.getSample() ? f.max(f.sub(count, one), one) : count;
      Value empty = f.equal(count, zero);
      Value variance = f.select(empty, zero, f.div(m2, divideBy));
      if (op.getDetectConstant()) {
        Value u = f.constant(0x1p-52);
        Value share = f.mul(f.mul(count, u), variance);
        Value error = f.mul(f.mul(count, mean), u);
        Value constant = f.atMost(variance, f.add(share, f.mul(error, error)));
        variance = f.select(constant, zero, variance);
      }
      return {f.select(empty, zero, mean), variance};
    };
    rewriter.replaceOp(op,
                       mapElements(rewriter, op.getLoc(), op.getOperands(), {f64, f64}, formula));
    return success();
  }
};

struct DecomposePass : norma::impl::DecomposePassBase<DecomposePass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateDecomposePatterns(set);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override { walkAndApplyPatterns(getOperation(), patterns); }

  FrozenRewritePatternSet patterns;
};

} // namespace

void norma::populateDecomposePatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeAdapt, DecomposeFinalize, DecomposeMerge, DecomposeNormalize>(
      patterns.getContext());
}
