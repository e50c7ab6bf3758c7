//===- CollapseAxes.cpp - Kernel ops to their axis form -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"
#include "norma/Support/AxisForm.h"
#include "norma/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace norma {
#define GEN_PASS_DEF_COLLAPSEAXESPASS
#include "norma/Transforms/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

static_assert(norma::kDynamic == ShapedType::kDynamic);

namespace {

/// The axis form of a kernel op, and the groups of its data and of operands with
/// one extent per kept axis.
struct Collapse {
  AxisForm form;
  SmallVector<ReassociationIndices> dataGroups, keptGroups;
  SmallVector<int64_t> kept;
};

/// Whether the product of any static extents, none of which is 0, fits 63 bits.
bool isCountable(ShapedType data) {
  int64_t product = 1;
  return llvm::none_of(data.getShape(), [&](int64_t extent) {
    return !ShapedType::isDynamic(extent) && llvm::MulOverflow(product, extent, product);
  });
}

/// Numbers every kept axis 0, 1, ... as the operands with kept extents do.
Collapse planCollapse(ShapedType data, ArrayRef<int64_t> kept, ArrayRef<int64_t> repeats) {
  Collapse plan;
  plan.form = collapseAxes(data.getShape(), kept, repeats);
  int64_t nextKept = 0;
  // Kept axes of extent 1 that precede the first kept group wait for it.
  ReassociationIndices waiting;
  for (int group = 0; group < plan.form.rank(); ++group) {
    const Dims &axes = plan.form.groups[group];
    plan.dataGroups.emplace_back(axes.begin(), axes.end());
    ReassociationIndices keptHere;
    for (int64_t axis : axes)
      if (llvm::is_contained(kept, axis))
        keptHere.push_back(nextKept++);
    if (plan.form.isKept(group)) {
      plan.kept.push_back(group);
      plan.keptGroups.push_back(std::exchange(waiting, {}));
    }
    llvm::append_range(plan.keptGroups.empty() ? waiting : plan.keptGroups.back(), keptHere);
  }
  return plan;
}

Value collapse(OpBuilder &b, Location loc, Value value, ArrayRef<ReassociationIndices> groups) {
  if (!value || cast<ShapedType>(value.getType()).getRank() == int64_t(groups.size()))
    return value;
  if (isa<RankedTensorType>(value.getType()))
    return tensor::CollapseShapeOp::create(b, loc, value, groups);
  return memref::CollapseShapeOp::create(b, loc, value, groups);
}

bool isCollapsible(Value value, ArrayRef<ReassociationIndices> groups) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return !type || memref::CollapseShapeOp::isGuaranteedCollapsible(
                      type, SmallVector<ReassociationIndices>(groups));
}

/// Whether tensor.expand_shape leads back from the groups. Past bufferization,
/// expand-strided-metadata of LLVM 22 crashes on two dynamic extents in a group
/// (llvm-project issue 186830), so they stay apart on tensors.
bool isExpandable(Type type, ArrayRef<ReassociationIndices> groups) {
  return llvm::all_of(groups, [&](const ReassociationIndices &group) {
    return llvm::count_if(group, [&](int64_t axis) {
             return cast<RankedTensorType>(type).isDynamicDim(axis);
           }) <= 1;
  });
}

/// Bit i of an axis is set where operand i repeats along it.
SmallVector<int64_t> repeatBits(ShapedType data, ArrayRef<Value> broadcast) {
  SmallVector<int64_t> bits(data.getRank(), 0);
  for (auto [i, value] : llvm::enumerate(broadcast))
    if (value)
      for (int64_t axis = 0; axis < data.getRank(); ++axis)
        if (cast<ShapedType>(value.getType()).getDimSize(axis) == 1 && data.getDimSize(axis) != 1)
          bits[axis] |= int64_t(1) << i;
  return bits;
}

/// Rewrites a kernel op onto collapsed operands. Some have the rank of the data, all
/// others have kept extents.
template <typename Op>
struct CollapseKernel : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  static constexpr bool isMap = llvm::is_one_of<Op, AffineOp, GradMapOp>::value;

  /// Operands that may repeat along an axis of the data.
  static SmallVector<Value> repeating(Op op) {
    if constexpr (std::is_same_v<Op, AffineOp>)
      return {};
    else
      return {op.getMask(), op.getWeights()};
  }
  /// Operands with the rank of the data. They are known by their place: the same value may be
  /// data here and a coefficient there.
  static SmallVector<OpOperand *> likeData(Op op) {
    SmallVector<OpOperand *> operands{&op.getDataMutable()};
    if constexpr (!std::is_same_v<Op, AffineOp>)
      for (MutableOperandRange range : {op.getMaskMutable(), op.getWeightsMutable()})
        for (OpOperand &operand : range)
          operands.push_back(&operand);
    if constexpr (llvm::is_one_of<Op, GradSumsOp, GradMapOp>::value)
      operands.push_back(&op.getDyMutable());
    if constexpr (isMap)
      operands.push_back(&op.getOutMutable());
    return operands;
  }

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const final {
    if (op.getSchedule())
      return rewriter.notifyMatchFailure(op, "scheduled as it is");
    auto data = cast<ShapedType>(op.getData().getType());
    if (!Dims::fits(data.getRank()))
      return rewriter.notifyMatchFailure(op, "rank too large");
    // memref.collapse_shape of LLVM 22 takes a group of 0 and ? for static and dynamic at
    // once.
    if (llvm::is_contained(data.getShape(), 0))
      return rewriter.notifyMatchFailure(op, "no data");
    if (!isCountable(data))
      return rewriter.notifyMatchFailure(op, "more elements than 63 bits count");
    Collapse plan = planCollapse(data, op.getKept(), repeatBits(data, repeating(op)));
    if (plan.form.rank() == data.getRank() || data.getRank() == 0)
      return rewriter.notifyMatchFailure(op, "is in axis form");
    SmallVector<OpOperand *> dataLike = likeData(op);
    auto groupsOf = [&](OpOperand &operand) -> ArrayRef<ReassociationIndices> {
      return llvm::is_contained(dataLike, &operand) ? plan.dataGroups : plan.keptGroups;
    };
    ArrayRef<ReassociationIndices> resultGroups = isMap ? plan.dataGroups : plan.keptGroups;
    for (OpOperand &operand : op->getOpOperands())
      if (!isCollapsible(operand.get(), groupsOf(operand)))
        return rewriter.notifyMatchFailure(op, "a buffer is not contiguous");
    for (Type result : op->getResultTypes())
      if (!isExpandable(result, resultGroups))
        return rewriter.notifyMatchFailure(op, "a group has several dynamic extents");

    auto dps = cast<DestinationStyleOpInterface>(op.getOperation());
    SmallVector<Value> operands;
    SmallVector<Type> results;
    for (OpOperand &operand : op->getOpOperands()) {
      operands.push_back(collapse(rewriter, op.getLoc(), operand.get(), groupsOf(operand)));
      if (dps.isDpsInit(&operand) && isa<RankedTensorType>(operand.get().getType()))
        results.push_back(operands.back().getType());
    }
    OperationState state(op.getLoc(), op->getName(), operands, results);
    state.propertiesAttr = op->getPropertiesAsAttribute();
    state.addAttributes(llvm::to_vector(op->getDiscardableAttrs()));
    auto form = cast<Op>(rewriter.create(state));
    form.setKept(plan.kept);
    SmallVector<Value> replacements;
    for (auto [result, old, init] :
         llvm::zip(form->getResults(), op->getResults(), dps.getDpsInits())) {
      auto type = cast<RankedTensorType>(old.getType());
      if (type == result.getType()) {
        replacements.push_back(result);
        continue;
      }
      replacements.push_back(
          tensor::ExpandShapeOp::create(rewriter, op.getLoc(), type, result, resultGroups,
                                        tensor::getMixedSizes(rewriter, op.getLoc(), init)));
    }
    rewriter.replaceOp(op, replacements);
    return success();
  }
};

struct CollapseAxesPass : norma::impl::CollapseAxesPassBase<CollapseAxesPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateCollapseAxesPatterns(set);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override { walkAndApplyPatterns(getOperation(), patterns); }

  FrozenRewritePatternSet patterns;
};

} // namespace

void norma::populateCollapseAxesPatterns(RewritePatternSet &patterns) {
  patterns.add<CollapseKernel<AffineOp>, CollapseKernel<MomentsOp>, CollapseKernel<GradSumsOp>,
               CollapseKernel<GradMapOp>>(patterns.getContext());
}
