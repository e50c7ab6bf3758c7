//===- ShapeRules.cpp - Shape rules shared by verifiers and builders ------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/ShapeRules.h"

using namespace mlir;

namespace norma {

static bool agree(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

LogicalResult verifyKeptAxes(EmitError emit, ArrayRef<int64_t> kept, ShapedType data) {
  int64_t previous = -1;
  for (int64_t axis : kept) {
    if (axis < 0 || axis >= data.getRank())
      return emit() << "kept axis " << axis << " is out of range for data of rank "
                    << data.getRank();
    if (axis == previous)
      return emit() << "kept axis " << axis << " is given twice";
    if (axis < previous)
      return emit() << "kept axes must be ascending, but " << axis << " follows " << previous;
    previous = axis;
  }
  return success();
}

LogicalResult verifyKeptShape(EmitError emit, StringRef name, ShapedType type, ShapedType data,
                              ArrayRef<int64_t> kept) {
  if (type.getRank() != int64_t(kept.size()))
    return emit() << name << " has rank " << type.getRank() << ", expected " << kept.size()
                  << ", one axis for every kept axis";
  for (auto [i, axis] : llvm::enumerate(kept))
    if (!agree(type.getDimSize(i), data.getDimSize(axis)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected " << data.getDimSize(axis) << ", the extent of kept axis "
                    << axis << " of the data";
  return success();
}

LogicalResult verifyBroadcast(EmitError emit, StringRef name, ShapedType type, ShapedType data) {
  if (type.getRank() != data.getRank())
    return emit() << name << " has rank " << type.getRank() << ", expected " << data.getRank()
                  << ", the rank of the data";
  for (int64_t i = 0; i < data.getRank(); ++i)
    if (type.getDimSize(i) != 1 && !agree(type.getDimSize(i), data.getDimSize(i)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected 1 or " << data.getDimSize(i) << ", the extent of the data";
  return success();
}

LogicalResult verifySameShape(EmitError emit, StringRef name, ShapedType type, ShapedType data) {
  if (type.getRank() != data.getRank())
    return emit() << name << " has rank " << type.getRank() << ", expected " << data.getRank()
                  << ", the rank of the data";
  for (int64_t i = 0; i < data.getRank(); ++i)
    if (!agree(type.getDimSize(i), data.getDimSize(i)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected " << data.getDimSize(i) << ", the extent of the data";
  return success();
}

FloatType defaultComputeType(Type data, Type result) {
  if (data.isF64() || result.isF64())
    return Float64Type::get(data.getContext());
  return Float32Type::get(data.getContext());
}

} // namespace norma
