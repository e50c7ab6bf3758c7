//===- ScheduleForm.cpp - What schedule rules look at ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScheduleForm.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

bool norma::hasUnitInnerStride(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return !type || type.getRank() == 0 || type.isLastDimUnitStride();
}

bool norma::isContiguous(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return !type || type.getLayout().isIdentity();
}

bool norma::beginAtVectors(Value value, int64_t vector) {
  auto type = dyn_cast<MemRefType>(value.getType());
  if (!type || type.getRank() == 0 || !type.isLastDimUnitStride())
    return false;
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  strides.back() = type.getShape().back();
  if (ShapedType::isDynamic(strides.back()))
    return false;
  return llvm::all_of(strides, [&](int64_t stride) {
    return ShapedType::isDynamic(stride) || stride % vector == 0;
  });
}

bool norma::haveDenseRows(ArrayRef<Value> tensors) {
  return llvm::all_of(tensors, [](Value tensor) {
    auto type = dyn_cast<MemRefType>(tensor.getType());
    return type && hasDenseRows(type);
  });
}

bool norma::denseRowsBeginAtVectors(Value value, int64_t row, int64_t vector) {
  const int64_t stride = cast<MemRefType>(value.getType()).getStridesAndOffset().first.front();
  return row % vector == 0 && (ShapedType::isDynamic(stride) || stride % vector == 0);
}

int64_t norma::rowOfRuns(const ScheduleForm &form, int64_t vector) {
  const bool fits = form.kinds == "RKR" && form.row() > 0 && form.row() % vector == 0 &&
                    form.extents.back() > vector && form.extents.back() % vector != 0;
  return fits ? form.row() : 0;
}

/// Vectors of i1 are packed in memory, scalars are not.
static bool isBit(Value value) { return getElementTypeOrSelf(value).isInteger(1); }

int64_t norma::bytesOf(Value value) {
  return (getElementTypeOrSelf(value).getIntOrFloatBitWidth() + 7) / 8;
}

int64_t norma::blockOf(int64_t row, int64_t rowBytes, int64_t vector, int64_t bytes,
                       int64_t atLeast) {
  if (rowBytes == 0)
    return 0;
  int64_t block = std::max(bytes / rowBytes, atLeast);
  int64_t multiple = block < 64 ? std::max<int64_t>(vector / std::gcd(row, vector), 1) : 64;
  return (block + multiple - 1) / multiple * multiple;
}

bool norma::allowsVectors(Value repeating) { return !repeating || !isBit(repeating); }
