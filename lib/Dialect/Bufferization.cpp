//===- Bufferization.cpp - Kernel ops under one-shot-bufferize ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace norma;

namespace {

/// Kernel ops overwrite their inits without reading them, and become the same op
/// on memrefs.
template <typename Op>
struct KernelModel : DstBufferizableOpInterfaceExternalModel<KernelModel<Op>, Op> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  /// The maps read an element of the data (and of dy) before they write the same
  /// element of the result, so these may share a buffer.
  bool bufferizesToElementwiseAccess(Operation *op, const AnalysisState &,
                                     ArrayRef<OpOperand *> operands) const {
    SmallVector<OpOperand *> elementWise;
    if (auto affine = dyn_cast<AffineOp>(op))
      elementWise = {&affine.getDataMutable(), &affine.getOutMutable()};
    else if (auto gradient = dyn_cast<GradMapOp>(op))
      elementWise = {&gradient.getDataMutable(), &gradient.getDyMutable(),
                     &gradient.getOutMutable()};
    return llvm::all_of(
        operands, [&](OpOperand *operand) { return llvm::is_contained(elementWise, operand); });
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    auto dps = cast<DestinationStyleOpInterface>(op);
    if (dps.hasPureBufferSemantics())
      return success();
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    SmallVector<Value> buffers;
    for (Value operand : op->getOperands()) {
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    OperationState form(op->getLoc(), op->getName(), buffers, TypeRange(),
                        llvm::to_vector(op->getDiscardableAttrs()));
    form.propertiesAttr = op->getPropertiesAsAttribute();
    rewriter.create(form);
    unsigned firstInit = dps.getDpsInitsMutable().begin()->getOperandNumber();
    replaceOpWithBufferizedValues(rewriter, op,
                                  ArrayRef(buffers).slice(firstInit, dps.getNumDpsInits()));
    return success();
  }
};

} // namespace

void norma::registerBufferizableOpInterfaceModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, NormaDialect *) {
    AffineOp::attachInterface<KernelModel<AffineOp>>(*context);
    MomentsOp::attachInterface<KernelModel<MomentsOp>>(*context);
    GradSumsOp::attachInterface<KernelModel<GradSumsOp>>(*context);
    GradMapOp::attachInterface<KernelModel<GradMapOp>>(*context);
  });
}
