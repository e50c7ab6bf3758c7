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
  if (schedule.getInterleave() && isa<MomentsOp, GradSumsOp>(op))
    return op->emitOpError("schedule: interleave is for the map, which goes before the reduction");
  return success();
}

/// Those of `coefficients` that are there have the kept extents and one type.
static LogicalResult verifyCoefficients(EmitError emit, ArrayRef<NamedValue> coefficients,
                                        FloatType compute, ShapedType data,
                                        ArrayRef<int64_t> kept) {
  for (auto [name, value] : coefficients)
    if (value && getElementTypeOrSelf(value) != compute)
      return emit() << name << " is of " << getElementTypeOrSelf(value) << ", expected " << compute
                    << " like the other coefficients";
  return verifyKeptShapes(emit, coefficients, data, kept);
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
      failed(verifyUnsigned(emit, getUnsignedData(), data)) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())))
    return failure();
  return verifyCoefficients(emit,
                            {{"center", getCenter()}, {"scale", getScale()}, {"shift", getShift()}},
                            getComputeType(), data, getKept());
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
      failed(verifyUnsigned(emit, getUnsignedData(), data)) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())) ||
      failed(verifyKeptShapes(emit, {{"count", getCount()}, {"mean", getMean()}, {"m2", getM2()}},
                              data, getKept())))
    return failure();
  if (getPart() == MomentsPart::Exact && !isa<MemRefType>(getMean().getType()))
    return emit() << "part: exact goes on with what is in `outs`, expected memrefs";
  return verifyBroadcasts(emit, {{"mask", getMask()}, {"weights", getWeights()}}, data);
}

LogicalResult MomentsOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

void MomentsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, effects);
  if (getPart() == MomentsPart::Exact)
    effects.emplace_back(MemoryEffects::Read::get(), &getMeanMutable());
}

Speculation::Speculatability MomentsOp::getSpeculatability() { return speculatability(*this); }

//===----------------------------------------------------------------------===//
// GradSumsOp
//===----------------------------------------------------------------------===//

LogicalResult GradSumsOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  if (failed(verifyOperandForm(cast<DestinationStyleOpInterface>(getOperation()))) ||
      failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifySameShape(emit, "dy", cast<ShapedType>(getDy().getType()), data)) ||
      failed(verifyUnsigned(emit, getUnsignedData(), data)) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())) ||
      failed(verifyKeptShapes(emit, {{"center", getCenter()}, {"sum", getSum()}, {"dot", getDot()}},
                              data, getKept())))
    return failure();
  return verifyBroadcasts(emit, {{"mask", getMask()}, {"weights", getWeights()}}, data);
}

LogicalResult GradSumsOp::reifyResultShapes(OpBuilder &builder,
                                            ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

void GradSumsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, effects);
}

Speculation::Speculatability GradSumsOp::getSpeculatability() { return speculatability(*this); }

//===----------------------------------------------------------------------===//
// GradMapOp
//===----------------------------------------------------------------------===//

FloatType GradMapOp::getComputeType() { return cast<FloatType>(getElementTypeOrSelf(getCenter())); }

LogicalResult GradMapOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  if (failed(verifyOperandForm(cast<DestinationStyleOpInterface>(getOperation()))) ||
      failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifySameShape(emit, "dy", cast<ShapedType>(getDy().getType()), data)) ||
      failed(verifySameShape(emit, "outs", cast<ShapedType>(getOut().getType()), data)) ||
      failed(verifyUnsigned(emit, getUnsignedData(), data)) ||
      failed(verifySchedule(*this, getScheduleAttr(), data, getKept())) ||
      failed(verifyCoefficients(emit,
                                {{"center", getCenter()},
                                 {"slope", getSlope()},
                                 {"offset", getOffset()},
                                 {"scale", getScale()}},
                                getComputeType(), data, getKept())))
    return failure();
  return verifyBroadcasts(emit, {{"mask", getMask()}, {"weights", getWeights()}}, data);
}

LogicalResult GradMapOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

void GradMapOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  bufferEffects(*this, effects);
}

Speculation::Speculatability GradMapOp::getSpeculatability() { return speculatability(*this); }
