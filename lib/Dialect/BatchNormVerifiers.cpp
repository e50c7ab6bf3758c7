//===- BatchNormVerifiers.cpp - What batch normalization ops may be -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConstantValues.h"

#include "norma/Dialect/Norma.h"
#include "norma/Dialect/ShapeRules.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

static LogicalResult verifyEpsilon(EmitError emit, StringRef name, const APFloat &attribute) {
  double value = attribute.convertToDouble();
  if (value >= 0 && std::isfinite(value))
    return success();
  return emit() << name << " " << value << ", expected a finite number not below 0";
}

static LogicalResult verifyMomentum(EmitError emit, StringRef name, const APFloat &attribute) {
  if (attribute.isFinite())
    return success();
  return emit() << name << " " << attribute.convertToDouble() << ", expected a finite number";
}

/// Operands that come together are all there or all absent.
static LogicalResult verifyComplete(EmitError emit, StringRef name, OperandRange values,
                                    ArrayRef<StringRef> parts) {
  if (values.empty() || values.size() == parts.size())
    return success();
  return emit() << name << " has " << values.size() << " values, expected " << parts.size() << ": "
                << llvm::join(parts, ", ");
}

static LogicalResult verifyKeptParts(EmitError emit, StringRef name, OperandRange values,
                                     ArrayRef<StringRef> parts, ShapedType data,
                                     ArrayRef<int64_t> kept) {
  if (failed(verifyComplete(emit, name, values, parts)))
    return failure();
  for (auto [part, value] : llvm::zip(parts, values))
    if (failed(verifyKeptShape(emit, part, cast<ShapedType>(value.getType()), data, kept)))
      return failure();
  return success();
}

static LogicalResult verifyGroupShape(EmitError emit, StringRef name, Type type,
                                      RankedTensorType group) {
  if (succeeded(verifyCompatibleShape(type, group)))
    return success();
  return emit() << name << " is " << type << ", expected " << group
                << ", one value for every statistics group";
}

static LogicalResult verifyGroupParts(EmitError emit, StringRef name, OperandRange values,
                                      ArrayRef<StringRef> parts, RankedTensorType group) {
  if (failed(verifyComplete(emit, name, values, parts)))
    return failure();
  for (auto [part, value] : llvm::zip(parts, values))
    if (failed(verifyGroupShape(emit, part, value.getType(), group)))
      return failure();
  return success();
}

/// Axes, batch and what every op has of operands beside the data.
template <typename Op>
static LogicalResult verifyBatch(EmitError emit, Op op) {
  RankedTensorType data = op.getData().getType();
  if (failed(verifyKeptAxes(emit, op.getKept(), data)) ||
      failed(verifyUnsigned(emit, op.getUnsignedData(), data)) ||
      (op.hasGhosts() && failed(verifyGhosts(emit, data, op.getKept(), *op.getVirtualBatchSize(),
                                             op.getRemainder()))))
    return failure();
  return verifyBroadcasts(emit,
                          {{"mask", op.getMask()},
                           {"weights", op.getWeights()},
                           {"adjust_scale", op.getAdjustScale()},
                           {"adjust_bias", op.getAdjustBias()}},
                          data);
}

//===----------------------------------------------------------------------===//
// BatchNormOp
//===----------------------------------------------------------------------===//

LogicalResult BatchNormOp::verify() {
  auto emit = [&] { return emitOpError(); };
  RankedTensorType data = getData().getType();
  if (failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifyUnsigned(emit, getUnsignedData(), data)) ||
      failed(verifyEpsilon(emit, "epsilon", getEpsilon())) ||
      failed(verifyEpsilon(emit, "epsilon_floor", getEpsilonFloor())))
    return failure();
  return verifyKeptShapes(emit,
                          {{"mean", getMean()},
                           {"variance", getVariance()},
                           {"gamma", getGamma()},
                           {"beta", getBeta()}},
                          data, getKept());
}

//===----------------------------------------------------------------------===//
// BatchNormTrainingOp
//===----------------------------------------------------------------------===//

/// What must be given together, and what excludes each other.
static LogicalResult verifyCombination(EmitError emit, BatchNormTrainingOp op) {
  bool hasMoving = !op.getMoving().empty();
  bool hasRenorm = !op.getRenorm().empty();
  if (hasRenorm && !hasMoving)
    return emit() << "renorm is given without moving, which it needs";
  if (op.getStep() && !hasMoving)
    return emit() << "step is given without moving, which it needs";
  for (auto [name, value] : {NamedValue("rmin", op.getRmin()), NamedValue("rmax", op.getRmax()),
                             NamedValue("dmax", op.getDmax())})
    if (value && !hasRenorm)
      return emit() << name << " is given without renorm, which it limits";
  if (op.getUseBatchStatistics())
    return success();
  if (!hasMoving)
    return emit() << "use_batch_statistics = false needs moving statistics, but there are none";
  if (!op.getStatistics().empty())
    return emit() << "use_batch_statistics = false, but statistics of the batch are given";
  return success();
}

/// What of the clips is constant makes sense.
static LogicalResult verifyClips(EmitError emit, BatchNormTrainingOp op) {
  std::optional<double> rmin = constantScalar(op.getRmin());
  std::optional<double> rmax = constantScalar(op.getRmax());
  std::optional<double> dmax = constantScalar(op.getDmax());
  for (auto [name, value] :
       {std::pair<StringRef, std::optional<double>>("rmin", rmin), {"rmax", rmax}, {"dmax", dmax}})
    if (value && !(*value >= 0))
      return emit() << name << " is " << *value << ", expected a number not below 0";
  if (rmin && rmax && *rmax < *rmin)
    return emit() << "rmax is " << *rmax << ", expected at least rmin, which is " << *rmin;
  return success();
}

LogicalResult BatchNormTrainingOp::verify() {
  auto emit = [&] { return emitOpError(); };
  RankedTensorType data = getData().getType();
  ArrayRef<int64_t> kept = getKept();
  if (failed(verifyBatch(emit, *this)) || failed(verifyEpsilon(emit, "epsilon", getEpsilon())) ||
      failed(verifyEpsilon(emit, "epsilon_floor", getEpsilonFloor())) ||
      failed(verifyMomentum(emit, "momentum", getMomentum())) ||
      failed(verifyMomentum(emit, "renorm_momentum", getRenormMomentum())) ||
      failed(verifyKeptShapes(emit, {{"gamma", getGamma()}, {"beta", getBeta()}}, data, kept)) ||
      failed(verifyKeptParts(emit, "moving", getMoving(), {"moving_mean", "moving_variance"}, data,
                             kept)) ||
      failed(verifyKeptParts(emit, "renorm", getRenorm(),
                             {"moving_stddev", "renorm_mean", "renorm_stddev"}, data, kept)) ||
      failed(verifyCombination(emit, *this)) || failed(verifyClips(emit, *this)))
    return failure();
  return verifyGroupParts(emit, "statistics", getStatistics(), {"count", "mean", "m2"},
                          groupType(data, kept, getVirtualBatchSize(), getRemainder()));
}

//===----------------------------------------------------------------------===//
// BatchNormGradOp
//===----------------------------------------------------------------------===//

LogicalResult BatchNormGradOp::verify() {
  auto emit = [&] { return emitOpError(); };
  RankedTensorType data = getData().getType();
  ArrayRef<int64_t> kept = getKept();
  if (failed(verifyBatch(emit, *this)) ||
      failed(verifySameShape(emit, "dy", getDy().getType(), data)) ||
      failed(verifyKeptShapes(emit, {{"gamma", getGamma()}}, data, kept)) ||
      failed(verifyKeptParts(emit, "renorm", getRenorm(), {"r", "d"}, data, kept)))
    return failure();
  std::optional<int64_t> ghosts;
  if (getUseBatchStatistics())
    ghosts = getVirtualBatchSize();
  RankedTensorType group = groupType(data, kept, ghosts, getRemainder());
  if (failed(verifyGroupShape(emit, "saved", getSavedCount().getType(), group)))
    return failure();
  if (!getSums().empty() && !getUseBatchStatistics())
    return emit() << "use_batch_statistics = false, but sums over the groups are given";
  return verifyGroupParts(emit, "sums", getSums(), {"S1", "S2"}, group);
}
