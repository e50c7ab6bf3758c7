//===- CanonicalizationBatchNorm.cpp - Rewrites that always pay -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConstantValues.h"

#include "norma/Dialect/Norma.h"
#include "norma/Dialect/ShapeRules.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Neutral operands
//===----------------------------------------------------------------------===//

static bool isOne(Value value) { return matchPattern(value, m_OneFloat()); }

static bool isZero(Value value) { return matchPattern(value, m_AnyZeroFloat()); }

static bool isAllTrue(Value mask) {
  DenseIntElementsAttr elements;
  if (!matchPattern(mask, m_Constant(&elements)))
    return false;
  auto isTrue = [](const APInt &element) { return !element.isZero(); };
  if (elements.isSplat())
    return isTrue(elements.getSplatValue<APInt>());
  return llvm::all_of(elements.getValues<APInt>(), isTrue);
}

/// An operand that may be absent, and whether what is there means the same.
using NeutralOperand = std::pair<MutableOperandRange, bool (*)(Value)>;

static SmallVector<NeutralOperand> neutralOperands(BatchNormOp op) {
  return {{op.getGammaMutable(), isOne}, {op.getBetaMutable(), isZero}};
}

static SmallVector<NeutralOperand> neutralOperands(BatchNormTrainingOp op) {
  return {{op.getGammaMutable(), isOne},
          {op.getBetaMutable(), isZero},
          {op.getMaskMutable(), isAllTrue},
          {op.getAdjustScaleMutable(), isOne},
          {op.getAdjustBiasMutable(), isZero}};
}

static SmallVector<NeutralOperand> neutralOperands(BatchNormGradOp op) {
  SmallVector<NeutralOperand> operands = {{op.getMaskMutable(), isAllTrue},
                                          {op.getAdjustScaleMutable(), isOne},
                                          {op.getAdjustBiasMutable(), isZero}};
  // gamma has its gradient's type, which must not change.
  Type data = op.getData().getType().getElementType();
  Type dy = op.getDy().getType().getElementType();
  if (!op.getTrainableAffine() ||
      op.getAffineGradients().front().getType() ==
          keptType(op.getData().getType(), op.getKept(), defaultComputeType(data, dy)))
    operands.emplace_back(op.getGammaMutable(), isOne);
  return operands;
}

namespace {

/// Operands that are constant and change nothing are dropped: gamma and
/// adjust_scale of 1, beta and adjust_bias of 0, a mask that is true everywhere.
template <typename Op>
struct DropNeutralOperands : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const final {
    // One at a time: the ranges behind one that is dropped do not hold any more.
    for (auto &[operand, isNeutral] : neutralOperands(op)) {
      if (operand.empty() || !isNeutral(operand[0].get()))
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.clear(); });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "every operand matters");
  }
};

//===----------------------------------------------------------------------===//
// BatchNormOp
//===----------------------------------------------------------------------===//

/// batch_norm with constant statistics and parameters -> affine with constant
/// coefficients, made in f64 and rounded once.
///
///   %y = norma.batch_norm %x, %cst_mean, %cst_variance gamma(%cst_gamma) kept [1]
///   -> %y = norma.affine kept [1] ins(%x) center(%cst) scale(%cst') outs(%empty)
struct BatchNormOfConstants : OpRewritePattern<BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const final {
    std::optional<SmallVector<double>> mean = constantElements(op.getMean());
    std::optional<SmallVector<double>> variance = constantElements(op.getVariance());
    std::optional<SmallVector<double>> gamma = constantElements(op.getGamma());
    std::optional<SmallVector<double>> beta = constantElements(op.getBeta());
    if (!mean || !variance || (op.getGamma() && !gamma) || (op.getBeta() && !beta))
      return rewriter.notifyMatchFailure(op, "statistics or parameters are not constant");

    SmallVector<double> factors;
    for (auto [i, v] : llvm::enumerate(*variance))
      factors.push_back((gamma ? (*gamma)[i] : 1) / std::sqrt(v + op.getEffectiveEpsilon()));
    auto constant = [&](ArrayRef<double> values) {
      return createRoundedConstant(rewriter, op.getLoc(), op.getMean().getType().getShape(),
                                   op.getComputeType(), values);
    };
    Value center = constant(*mean);
    Value scale = constant(factors);
    Value shift = beta ? constant(*beta) : Value();
    RankedTensorType type = op.getResult().getType();
    Value init = tensor::EmptyOp::create(rewriter, op.getLoc(),
                                         tensor::getMixedSizes(rewriter, op.getLoc(), op.getData()),
                                         type.getElementType());
    rewriter.replaceOpWithNewOp<AffineOp>(op, TypeRange{type}, op.getData(), center, scale, shift,
                                          init, op.getKept(), op.getUnsignedData(), ScheduleAttr());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// BatchNormTrainingOp
//===----------------------------------------------------------------------===//

/// A layer that is frozen altogether is inference, when nobody wants what is saved
/// for the gradient.
///
///   %y, ..., %m1, %v1 = norma.batch_norm_training %x moving(%m, %v) kept [1]
///       {use_batch_statistics = false, update_moving = false}
///   -> %y = norma.batch_norm %x, %m, %v kept [1]               and %m, %v
struct FrozenTraining : OpRewritePattern<BatchNormTrainingOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormTrainingOp op, PatternRewriter &rewriter) const final {
    if (op.getUseBatchStatistics() || op.getUpdateMoving() || op.getAdjustScale() ||
        op.getAdjustBias())
      return rewriter.notifyMatchFailure(op, "not frozen, or adjusted");
    SmallVector<Value> state(op.getMoving());
    llvm::append_range(state, op.getRenorm());
    ResultRange corrections = op.getUpdated().drop_front(state.size());
    if (!op.getCount().use_empty() || !op.getSavedMean().use_empty() ||
        !op.getSavedInvStd().use_empty() ||
        !llvm::all_of(corrections, [](Value value) { return value.use_empty(); }))
      return rewriter.notifyMatchFailure(op, "a gradient needs what is saved");

    auto inference = BatchNormOp::create(
        rewriter, op.getLoc(), op.getResult().getType(), op.getData(), op.getMoving()[0],
        op.getMoving()[1], op.getGamma(), op.getBeta(), op.getKeptAttr(), op.getUnsignedDataAttr(),
        op.getToAttr(), op.getEpsilonAttr(), op.getEpsilonFloorAttr());
    rewriter.replaceAllUsesWith(op.getResult(), inference.getResult());
    rewriter.replaceAllUsesWith(op.getUpdated().take_front(state.size()), state);
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void BatchNormOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropNeutralOperands<BatchNormOp>, BatchNormOfConstants>(context);
}

void BatchNormTrainingOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                      MLIRContext *context) {
  patterns.add<DropNeutralOperands<BatchNormTrainingOp>, FrozenTraining>(context);
}

void BatchNormGradOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                  MLIRContext *context) {
  patterns.add<DropNeutralOperands<BatchNormGradOp>>(context);
}
