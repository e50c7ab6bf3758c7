//===- ConstantValues.cpp - Float constants as doubles --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConstantValues.h"

#include "norma/Support/Tensor.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace norma {

static double toDouble(APFloat value) {
  bool inexact;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return value.convertToDouble();
}

bool hasFewElements(ShapedType type) {
  constexpr int64_t kMost = int64_t(1) << 20;
  Expected<int64_t> count = numElements(std::span(type.getShape().begin(), type.getShape().end()));
  return count && *count <= kMost;
}

std::optional<SmallVector<double>> constantElements(Value value) {
  DenseFPElementsAttr elements;
  if (!value || !matchPattern(value, m_Constant(&elements)) || !hasFewElements(elements.getType()))
    return std::nullopt;
  return llvm::map_to_vector(elements.getValues<APFloat>(), toDouble);
}

std::optional<double> constantScalar(Value value) {
  std::optional<SmallVector<double>> elements = constantElements(value);
  if (!elements || elements->size() != 1)
    return std::nullopt;
  return elements->front();
}

Value createRoundedConstant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape,
                            FloatType element, ArrayRef<double> values) {
  auto rounded = llvm::map_to_vector(values, [&](double value) {
    bool inexact;
    APFloat result(value);
    result.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    return result;
  });
  auto elements = DenseElementsAttr::get(RankedTensorType::get(shape, element), rounded);
  return arith::ConstantOp::create(builder, loc, cast<TypedAttr>(elements));
}

} // namespace norma
