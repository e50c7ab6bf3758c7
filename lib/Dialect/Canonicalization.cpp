//===- Canonicalization.cpp - Rewrites that always pay --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConstantValues.h"

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// NormalizeOp
//===----------------------------------------------------------------------===//

/// Whether `second` undoes `first`: same statistics, same divisor, other
/// direction. Epsilon above zero keeps the divisor from being 0.
static bool undoes(NormalizeOp first, NormalizeOp second) {
  return second.getData() == first.getResult() && first.getInverse() != second.getInverse() &&
         first.getMean() == second.getMean() && first.getVariance() == second.getVariance() &&
         first.getKept() == second.getKept() && first.getEpsilon() == second.getEpsilon() &&
         first.getEpsilon().isNonZero() && first.getEpsilonMode() == second.getEpsilonMode() &&
         first.getZeroVariance() == second.getZeroVariance() &&
         first.getData().getType() == second.getResult().getType();
}

namespace {

/// normalize(normalize(x), inverse) -> x, and the other way round. Rounding of
/// the detour disappears with it.
///
///   %y = norma.normalize %x, %m, %v kept [1]
///   %z = norma.normalize %y, %m, %v kept [1] inverse      ->   %x
struct NormalizeOfItsInverse : OpRewritePattern<NormalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NormalizeOp op, PatternRewriter &rewriter) const final {
    auto producer = op.getData().getDefiningOp<NormalizeOp>();
    if (!producer || !undoes(producer, op))
      return rewriter.notifyMatchFailure(op, "does not undo its producer");
    rewriter.replaceOp(op, producer.getData());
    return success();
  }
};

/// normalize with constant statistics -> affine with constant coefficients, made
/// in f64 and rounded once.
///
///   %y = norma.normalize %x, %cst_mean, %cst_variance kept [1]
///   -> %y = norma.affine kept [1] ins(%x) center(%cst) scale(%cst') outs(%empty)
struct NormalizeOfConstants : OpRewritePattern<NormalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NormalizeOp op, PatternRewriter &rewriter) const final {
    std::optional<SmallVector<double>> mean = constantElements(op.getMean());
    std::optional<SmallVector<double>> variance = constantElements(op.getVariance());
    if (!mean || !variance)
      return rewriter.notifyMatchFailure(op, "statistics are not constant");
    // Leave pairs that cancel to the other pattern.
    for (Operation *user : op->getUsers())
      if (auto next = dyn_cast<NormalizeOp>(user); next && undoes(op, next))
        return rewriter.notifyMatchFailure(op, "undone by a user");

    auto constant = [&](ArrayRef<double> values) {
      return createRoundedConstant(rewriter, op.getLoc(), op.getMean().getType().getShape(),
                                   op.getComputeType(), values);
    };
    Value center, scale, shift;
    if (op.getInverse()) {
      shift = constant(*mean);
      scale = constant(llvm::map_to_vector(*variance, [&](double v) { return divisor(op, v); }));
    } else {
      center = constant(*mean);
      scale =
          constant(llvm::map_to_vector(*variance, [&](double v) { return 1 / divisor(op, v); }));
    }
    auto type = cast<RankedTensorType>(op.getResult().getType());
    Value init = tensor::EmptyOp::create(rewriter, op.getLoc(),
                                         tensor::getMixedSizes(rewriter, op.getLoc(), op.getData()),
                                         type.getElementType());
    rewriter.replaceOpWithNewOp<AffineOp>(op, TypeRange{type}, op.getData(), center, scale, shift,
                                          init, op.getKept(), op.getUnsignedData(), ScheduleAttr());
    return success();
  }

  static double divisor(NormalizeOp op, double variance) {
    if (op.getZeroVariance() == ZeroVariancePolicy::Unit && variance == 0)
      return 1;
    double epsilon = op.getEpsilon().convertToDouble();
    switch (op.getEpsilonMode()) {
    case EpsilonMode::ClampStd: {
      // Like max in Keras, not std::max: a NaN variance stays NaN.
      double deviation = std::sqrt(variance);
      return deviation < epsilon ? epsilon : deviation;
    }
    case EpsilonMode::AddToVariance:
      return std::sqrt(variance + epsilon);
    case EpsilonMode::AddToStd:
      return std::sqrt(variance) + epsilon;
    }
    llvm_unreachable("epsilon mode");
  }
};

//===----------------------------------------------------------------------===//
// AffineOp
//===----------------------------------------------------------------------===//

/// A coefficient that is constant and neutral is dropped: center 0, scale 1,
/// shift 0. Another coefficient must remain, since it holds the compute type.
struct DropNeutralCoefficients : OpRewritePattern<AffineOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AffineOp op, PatternRewriter &rewriter) const final {
    size_t left = op.getCoefficients().size();
    bool changed = false;
    auto drop = [&](MutableOperandRange operand, auto matcher) {
      if (operand.empty() || left <= 1 || !matchPattern(operand[0].get(), matcher))
        return;
      rewriter.modifyOpInPlace(op, [&] { operand.clear(); });
      --left;
      changed = true;
    };
    // x - (+0) is x; x + (-0) is x, while x + (+0) turns -0 into +0.
    drop(op.getCenterMutable(), m_PosZeroFloat());
    drop(op.getScaleMutable(), m_OneFloat());
    drop(op.getShiftMutable(), m_NegZeroFloat());
    return success(changed);
  }
};

} // namespace

void NormalizeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<NormalizeOfItsInverse>(context, /*benefit=*/2);
  patterns.add<NormalizeOfConstants>(context);
}

void AffineOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropNeutralCoefficients>(context);
}
