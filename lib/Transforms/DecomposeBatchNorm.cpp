//===- DecomposeBatchNorm.cpp - Inference to kernel ops -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decompose.h"
#include "Formula.h"

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace norma;

namespace {

///   norma.batch_norm %x, %mean, %variance gamma(%g) beta(%b)
///   -> %center, %scale, %shift = linalg.generic(%mean, %variance, %g, %b)
///      norma.affine ins(%x) center(%center) scale(%scale) shift(%shift)
///
/// There is no shift without beta, unless rounding the mean to the compute type loses
/// something.
struct DecomposeBatchNorm : OpRewritePattern<BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const final {
    Location loc = op.getLoc();
    FloatType compute = op.getComputeType();
    auto meanType = cast<FloatType>(op.getMean().getType().getElementType());
    bool isRounded = meanType.getWidth() > compute.getWidth();
    SmallVector<Type> types(isRounded || op.getBeta() ? 3 : 2, compute);
    SmallVector<Value> coefficients =
        mapElements(rewriter, loc, {op.getMean(), op.getVariance(), op.getGamma(), op.getBeta()},
                    types, [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                      Value mean = v[0], variance = v[1], gamma = v[2], beta = v[3];
                      Value stddev = f.sqrt(f.add(variance, f.constant(op.getEffectiveEpsilon())));
                      Value scale = f.div(gamma ? gamma : f.constant(1), stddev);
                      SmallVector<Value> results{mean, scale};
                      if (isRounded)
                        beta = f.shifted(roundingLoss(f, mean, scale, compute), beta);
                      if (beta)
                        results.push_back(beta);
                      return results;
                    });
    Value shift = coefficients.size() > 2 ? coefficients[2] : Value();
    RankedTensorType type = op.getResult().getType();
    Value init = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, op.getData()), type.getElementType());
    rewriter.replaceOpWithNewOp<AffineOp>(op, TypeRange{type}, op.getData(), coefficients[0],
                                          coefficients[1], shift, init, op.getKept(),
                                          op.getUnsignedData(), ScheduleAttr());
    return success();
  }
};

} // namespace

void norma::populateDecomposeBatchNormPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeBatchNorm>(patterns.getContext());
}
