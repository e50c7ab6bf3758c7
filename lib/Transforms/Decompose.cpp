//===- Decompose.cpp - Layer ops to kernel ops ----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"
#include "Formula.h"

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
                    [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                      Value scale = divisor(f, v[1], op.getEpsilon().convertToDouble(),
                                            op.getEpsilonMode(), op.getZeroVariance());
                      if (!op.getInverse())
                        scale = f.div(f.constant(1), scale);
                      return {v[0], scale};
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

struct DecomposeMerge : OpRewritePattern<MergeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MergeOp op, PatternRewriter &rewriter) const final {
    Type f64 = rewriter.getF64Type();
    rewriter.replaceOp(op, mapElements(rewriter, op.getLoc(),
                                       llvm::to_vector_of<Operand>(op.getOperands()),
                                       {f64, f64, f64}, mergeFormula));
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
                          op.getUnsignedData(), op.getNan(), MomentsPart::All, ScheduleAttr());
    SmallVector<Operand> operands{op.getCount(), op.getMean(), op.getM2()};
    llvm::append_range(operands, moments->getResults());
    rewriter.replaceOp(op, mapElements(rewriter, loc, operands, {f64, f64, f64}, mergeFormula));
    return success();
  }
};

struct DecomposeFinalize : OpRewritePattern<FinalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(FinalizeOp op, PatternRewriter &rewriter) const final {
    Type f64 = rewriter.getF64Type();
    auto formula = [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
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
    rewriter.replaceOp(op, mapElements(rewriter, op.getLoc(),
                                       llvm::to_vector_of<Operand>(op.getOperands()), {f64, f64},
                                       formula));
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
  populateDecomposeBatchNormPatterns(patterns);
  populateDecomposeBatchNormTrainingPatterns(patterns);
  populateDecomposeBatchNormGradPatterns(patterns);
}
