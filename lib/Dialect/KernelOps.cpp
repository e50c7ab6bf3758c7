//===- KernelOps.cpp - Verifiers and interfaces of kernel ops -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"
#include "norma/Dialect/ShapeRules.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

#define GET_OP_CLASSES
#include "norma/Dialect/NormaOps.cpp.inc"

/// Destination style: the operands are all tensors with one result for every
/// init, or all memrefs without results. (The interface itself leaves the mixed
/// case to the op.)
static LogicalResult verifyOperandForm(DestinationStyleOpInterface op) {
  bool onTensors = isa<RankedTensorType>(op->getOperand(0).getType());
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()) != onTensors)
      return op->emitOpError("mixes tensors and memrefs");
  unsigned expected = onTensors ? op.getNumDpsInits() : 0;
  if (op->getNumResults() != expected)
    return op->emitOpError() << "has " << op->getNumResults() << " results, expected " << expected
                             << (onTensors ? ", one for every tensor in outs" : " on memrefs");
  return success();
}

static LogicalResult reifyInits(DestinationStyleOpInterface op, OpBuilder &builder,
                                ReifiedRankedShapedTypeDims &shapes) {
  if (!op.hasPureTensorSemantics())
    return failure();
  for (Value init : op.getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, op->getLoc(), init));
  return success();
}

static void
bufferEffects(DestinationStyleOpInterface op,
              SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

static Speculation::Speculatability speculatability(DestinationStyleOpInterface op) {
  return op.hasPureTensorSemantics() ? Speculation::Speculatable : Speculation::NotSpeculatable;
}

static LogicalResult verifyUnsigned(Operation *op, ShapedType data, bool isUnsigned) {
  if (isUnsigned && isa<FloatType>(data.getElementType()))
    return op->emitOpError() << "unsigned is for integer data, the data is of "
                             << data.getElementType();
  return success();
}

/// The innermost axis decides how a traversal loads; the others take any form. A
/// scalar is a run of one element.
static LogicalResult verifySchedule(Operation *op, ScheduleAttr schedule, ShapedType data,
                                    ArrayRef<int64_t> kept) {
  if (!schedule)
    return success();
  bool innermostKept = !kept.empty() && kept.back() == data.getRank() - 1;
  if (schedule.getTraversal() == Traversal::Rows && !innermostKept)
    return op->emitOpError("schedule: rows needs a kept innermost axis");
  if (schedule.getTraversal() == Traversal::Runs && innermostKept)
    return op->emitOpError("schedule: runs needs a reduced innermost axis");
  return success();
}

//===----------------------------------------------------------------------===//
// AffineOp
//===----------------------------------------------------------------------===//

SmallVector<Value> AffineOp::getCoefficients() {
  SmallVector<Value> present;
  for (Value value : {getCenter(), getScale(), getShift()})
    if (value)
      present.push_back(value);
  return present;
}

FloatType AffineOp::getComputeType() {
  for (Value coefficient : getCoefficients())
    return cast<FloatType>(getElementTypeOrSelf(coefficient));
  return defaultComputeType(getElementTypeOrSelf(getData()), getElementTypeOrSelf(getOut()));
}

LogicalResult AffineOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  auto out = cast<ShapedType>(getOut().getType());
  if (failed(verifyOperandForm(cast<DestinationStyleOpInterface>(getOperation()))) ||
      failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifySameShape(emit, "outs", out, data)) ||
      failed(verifyUnsigned(*this, data, getUnsignedData())) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())))
    return failure();
  for (auto [name, value] : {std::pair<StringRef, Value>("center", getCenter()),
                             {"scale", getScale()},
                             {"shift", getShift()}}) {
    if (!value)
      continue;
    auto type = cast<ShapedType>(value.getType());
    if (type.getElementType() != getComputeType())
      return emitOpError() << name << " is of " << type.getElementType() << ", expected "
                           << getComputeType() << " like the other coefficients";
    if (failed(verifyKeptShape(emit, name, type, data, getKept())))
      return failure();
  }
  return success();
}

LogicalResult AffineOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

void AffineOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, effects);
}

Speculation::Speculatability AffineOp::getSpeculatability() { return speculatability(*this); }

//===----------------------------------------------------------------------===//
// MomentsOp
//===----------------------------------------------------------------------===//

LogicalResult MomentsOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  if (failed(verifyOperandForm(cast<DestinationStyleOpInterface>(getOperation()))) ||
      failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifyUnsigned(*this, data, getUnsignedData())) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())))
    return failure();
  for (auto [name, value] :
       {std::pair<StringRef, Value>("count", getCount()), {"mean", getMean()}, {"m2", getM2()}})
    if (failed(verifyKeptShape(emit, name, cast<ShapedType>(value.getType()), data, getKept())))
      return failure();
  for (auto [name, value] :
       {std::pair<StringRef, Value>("mask", getMask()), {"weights", getWeights()}})
    if (value && failed(verifyBroadcast(emit, name, cast<ShapedType>(value.getType()), data)))
      return failure();
  return success();
}

LogicalResult MomentsOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

void MomentsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, effects);
}

Speculation::Speculatability MomentsOp::getSpeculatability() { return speculatability(*this); }
