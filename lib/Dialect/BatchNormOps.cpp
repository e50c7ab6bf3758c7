//===- BatchNormOps.cpp - Types and extents of batch normalization --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"
#include "norma/Dialect/ShapeRules.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Types and extents
//===----------------------------------------------------------------------===//

/// All properties. A parser that asks for the types has put those of the attribute
/// dictionary into `attributes` only, and has not filled in defaults.
template <typename Op>
static typename Op::Properties completeProperties(MLIRContext *context, DictionaryAttr attributes,
                                                  OpaqueProperties given) {
  auto properties = given ? *given.as<typename Op::Properties *>() : typename Op::Properties();
  if (attributes)
    for (NamedAttribute attribute : attributes)
      Op::setInherentAttr(properties, attribute.getName(), attribute.getValue());
  Op::populateDefaultProperties(OperationName(Op::getOperationName(), context), properties);
  return properties;
}

/// The type of the data, when the kept axes are good for it, and that of the result, by
/// `own`: types are inferred before anything is verified.
static FailureOr<std::pair<RankedTensorType, RankedTensorType>>
inferFrom(std::optional<Location> location, Value data, ArrayRef<int64_t> kept, Value own,
          TypeAttr to) {
  auto emit = [&] { return location ? emitError(*location) : InFlightDiagnostic(); };
  auto type = dyn_cast<RankedTensorType>(data.getType());
  if (!type)
    return emit() << "data must be a ranked tensor";
  if (failed(verifyKeptAxes(emit, kept, type)))
    return failure();
  FailureOr<RankedTensorType> result = resultType(emit, type, getElementTypeOrSelf(own), to);
  if (failed(result))
    return failure();
  return std::pair(type, *result);
}

static SmallVector<OpFoldResult> keptSizes(OpBuilder &builder, Location loc, Value data,
                                           ArrayRef<int64_t> kept) {
  return llvm::map_to_vector(
      kept, [&](int64_t axis) { return tensor::getMixedSize(builder, loc, data, axis); });
}

/// The extents of groupType().
static SmallVector<OpFoldResult> groupSizes(OpBuilder &builder, Location loc, Value data,
                                            ArrayRef<int64_t> kept,
                                            std::optional<int64_t> virtualBatchSize,
                                            GhostRemainderKind remainder) {
  SmallVector<OpFoldResult> sizes = keptSizes(builder, loc, data, kept);
  if (!virtualBatchSize)
    return sizes;
  RankedTensorType type =
      groupType(cast<ShapedType>(data.getType()), kept, virtualBatchSize, remainder);
  OpFoldResult ghosts;
  if (type.isDynamicDim(0))
    ghosts = createGhostCount(builder, loc, tensor::DimOp::create(builder, loc, data, 0),
                              *virtualBatchSize, remainder);
  else
    ghosts = builder.getIndexAttr(type.getDimSize(0));
  sizes.insert(sizes.begin(), ghosts);
  return sizes;
}

/// The size of the ghosts that what is saved is cut into: none where that is not of
/// the batch.
template <typename OpOrAdaptor>
static std::optional<int64_t> ghostsOfStatistics(OpOrAdaptor op) {
  if (!op.getUseBatchStatistics())
    return std::nullopt;
  return op.getVirtualBatchSize();
}

//===----------------------------------------------------------------------===//
// BatchNormOp
//===----------------------------------------------------------------------===//

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            ValueRange operands, DictionaryAttr attributes,
                                            OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &inferred) {
  BatchNormOpAdaptor adaptor(operands, attributes,
                             completeProperties<BatchNormOp>(context, attributes, properties),
                             regions);
  auto types = inferFrom(location, adaptor.getData(), adaptor.getKept(), adaptor.getData(),
                         adaptor.getToAttr());
  if (failed(types))
    return failure();
  inferred.push_back(types->second);
  return success();
}

LogicalResult BatchNormOp::reifyResultShapes(OpBuilder &builder,
                                             ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getData()));
  return success();
}

FloatType BatchNormOp::getComputeType() {
  return defaultComputeType(getData().getType().getElementType(),
                            getResult().getType().getElementType());
}

double BatchNormOp::getEffectiveEpsilon() {
  return std::max(getEpsilon().convertToDouble(), getEpsilonFloor().convertToDouble());
}

//===----------------------------------------------------------------------===//
// BatchNormTrainingOp
//===----------------------------------------------------------------------===//

LogicalResult BatchNormTrainingOp::inferReturnTypes(MLIRContext *context,
                                                    std::optional<Location> location,
                                                    ValueRange operands, DictionaryAttr attributes,
                                                    OpaqueProperties properties,
                                                    RegionRange regions,
                                                    SmallVectorImpl<Type> &inferred) {
  BatchNormTrainingOpAdaptor adaptor(
      operands, attributes,
      completeProperties<BatchNormTrainingOp>(context, attributes, properties), regions);
  ArrayRef<int64_t> kept = adaptor.getKept();
  auto types = inferFrom(location, adaptor.getData(), kept, adaptor.getData(), adaptor.getToAttr());
  if (failed(types))
    return failure();
  auto [data, result] = *types;
  inferred.push_back(result);
  inferred.append(3, groupType(data, kept, ghostsOfStatistics(adaptor), adaptor.getRemainder()));
  llvm::append_range(inferred, adaptor.getMoving().getTypes());
  llvm::append_range(inferred, adaptor.getRenorm().getTypes());
  if (!adaptor.getRenorm().empty())
    inferred.append(2, keptType(data, kept, Float64Type::get(context)));
  return success();
}

LogicalResult BatchNormTrainingOp::reifyResultShapes(OpBuilder &builder,
                                                     ReifiedRankedShapedTypeDims &shapes) {
  Location loc = getLoc();
  shapes.push_back(tensor::getMixedSizes(builder, loc, getData()));
  shapes.append(
      3, groupSizes(builder, loc, getData(), getKept(), ghostsOfStatistics(*this), getRemainder()));
  for (OperandRange state : {getMoving(), getRenorm()})
    for (Value value : state)
      shapes.push_back(tensor::getMixedSizes(builder, loc, value));
  if (!getRenorm().empty())
    shapes.append(2, keptSizes(builder, loc, getData(), getKept()));
  return success();
}

FloatType BatchNormTrainingOp::getComputeType() {
  return defaultComputeType(getData().getType().getElementType(),
                            getResult().getType().getElementType());
}

double BatchNormTrainingOp::getEffectiveEpsilon() {
  return std::max(getEpsilon().convertToDouble(), getEpsilonFloor().convertToDouble());
}

//===----------------------------------------------------------------------===//
// BatchNormGradOp
//===----------------------------------------------------------------------===//

LogicalResult BatchNormGradOp::inferReturnTypes(MLIRContext *context,
                                                std::optional<Location> location,
                                                ValueRange operands, DictionaryAttr attributes,
                                                OpaqueProperties properties, RegionRange regions,
                                                SmallVectorImpl<Type> &inferred) {
  BatchNormGradOpAdaptor adaptor(
      operands, attributes, completeProperties<BatchNormGradOp>(context, attributes, properties),
      regions);
  auto types = inferFrom(location, adaptor.getData(), adaptor.getKept(), adaptor.getDy(),
                         adaptor.getToAttr());
  if (failed(types))
    return failure();
  auto [data, result] = *types;
  inferred.push_back(result);
  if (!adaptor.getTrainableAffine())
    return success();
  Type dy = getElementTypeOrSelf(adaptor.getDy());
  Type affine = adaptor.getGamma() ? adaptor.getGamma().getType()
                                   : keptType(data, adaptor.getKept(),
                                              defaultComputeType(data.getElementType(), dy));
  inferred.append(2, affine);
  return success();
}

LogicalResult BatchNormGradOp::reifyResultShapes(OpBuilder &builder,
                                                 ReifiedRankedShapedTypeDims &shapes) {
  Location loc = getLoc();
  shapes.push_back(tensor::getMixedSizes(builder, loc, getData()));
  if (getTrainableAffine())
    shapes.append(2, getGamma() ? tensor::getMixedSizes(builder, loc, getGamma())
                                : keptSizes(builder, loc, getData(), getKept()));
  return success();
}

FloatType BatchNormGradOp::getComputeType() {
  Type data = getData().getType().getElementType();
  return defaultComputeType(defaultComputeType(data, getDy().getType().getElementType()),
                            getResult().getType().getElementType());
}
