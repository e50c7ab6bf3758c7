//===- LayerOps.cpp - Verifiers, type inference and folders of layer ops --===//
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

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// NormalizeOp
//===----------------------------------------------------------------------===//

LogicalResult NormalizeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            ValueRange operands, DictionaryAttr attributes,
                                            OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &inferred) {
  NormalizeOpAdaptor adaptor(operands, attributes, properties, regions);
  auto emit = [&] { return location ? mlir::emitError(*location) : InFlightDiagnostic(); };
  auto data = dyn_cast<RankedTensorType>(adaptor.getData().getType());
  if (!data)
    return emit() << "data must be a ranked tensor";
  FailureOr<RankedTensorType> result =
      resultType(emit, data, data.getElementType(), adaptor.getToAttr());
  if (failed(result))
    return failure();
  inferred.push_back(*result);
  return success();
}

LogicalResult NormalizeOp::reifyResultShapes(OpBuilder &builder,
                                             ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getData()));
  return success();
}

FloatType NormalizeOp::getComputeType() {
  if (std::optional<Type> compute = getCompute())
    return cast<FloatType>(*compute);
  return defaultComputeType(getData().getType().getElementType(),
                            getResult().getType().getElementType());
}

LogicalResult NormalizeOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  if (failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifyKeptShape(emit, "mean", getMean().getType(), data, getKept())) ||
      failed(verifyKeptShape(emit, "variance", getVariance().getType(), data, getKept())))
    return failure();
  if (!isa<Float32Type, Float64Type>(getComputeType()))
    return emitOpError() << "compute type " << getComputeType() << ", expected f32 or f64";
  double epsilon = getEpsilon().convertToDouble();
  if (!(epsilon >= 0) || epsilon > std::numeric_limits<double>::max())
    return emitOpError() << "epsilon " << epsilon << ", expected a finite number not below 0";
  return verifyUnsigned(emit, getUnsignedData(), data);
}

//===----------------------------------------------------------------------===//
// AdaptOp
//===----------------------------------------------------------------------===//

LogicalResult AdaptOp::verify() {
  auto emit = [&] { return emitOpError(); };
  auto data = cast<ShapedType>(getData().getType());
  if (failed(verifyKeptAxes(emit, getKept(), data)) ||
      failed(verifyKeptShape(emit, "count", getCount().getType(), data, getKept())) ||
      failed(verifyBroadcasts(emit, {{"mask", getMask()}, {"weights", getWeights()}}, data)))
    return failure();
  return verifyUnsigned(emit, getUnsignedData(), data);
}

//===----------------------------------------------------------------------===//
// MergeOp, FinalizeOp
//===----------------------------------------------------------------------===//

static bool isZeros(Value value) { return matchPattern(value, m_AnyZeroFloat()); }

LogicalResult MergeOp::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &results) {
  // merge(zeros, b) -> b; merge(a, zeros) -> a. The count decides: with no data
  // the other two mean nothing.
  if (isZeros(getCountA())) {
    results.assign({getCountB(), getMeanB(), getM2B()});
    return success();
  }
  if (isZeros(getCountB())) {
    results.assign({getCountA(), getMeanA(), getM2A()});
    return success();
  }
  return failure();
}

LogicalResult FinalizeOp::fold(FoldAdaptor adaptor, SmallVectorImpl<OpFoldResult> &results) {
  auto count = dyn_cast_or_null<DenseFPElementsAttr>(adaptor.getCount());
  auto mean = dyn_cast_or_null<DenseFPElementsAttr>(adaptor.getMean());
  auto m2 = dyn_cast_or_null<DenseFPElementsAttr>(adaptor.getM2());
  if (!count || !mean || !m2 || !hasFewElements(count.getType()))
    return failure();
  SmallVector<double> means, variances;
  for (auto [n, m, s] :
       llvm::zip(count.getValues<double>(), mean.getValues<double>(), m2.getValues<double>())) {
    double divisor = getSample() ? std::max(n - 1, 1.0) : n;
    double variance = n == 0 ? 0.0 : s / divisor;
    double bound = n * m * 0x1p-52;
    if (getDetectConstant() && variance <= n * 0x1p-52 * variance + bound * bound)
      variance = 0;
    means.push_back(n == 0 ? 0.0 : m);
    variances.push_back(variance);
  }
  auto type = cast<ShapedType>(getVariance().getType());
  results.push_back(DenseElementsAttr::get(type, ArrayRef(means)));
  results.push_back(DenseElementsAttr::get(type, ArrayRef(variances)));
  return success();
}
