//===- LinalgElements.cpp - Elements and indices of kernels as linalg -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormaToLinalg.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Conversions of one element
//===----------------------------------------------------------------------===//

Value norma::toFloat(OpBuilder &b, Location loc, Value value, FloatType to, bool isUnsigned) {
  Type from = value.getType();
  if (from == to)
    return value;
  if (from.isInteger())
    return isUnsigned ? Value(arith::UIToFPOp::create(b, loc, to, value))
                      : Value(arith::SIToFPOp::create(b, loc, to, value));
  if (from.getIntOrFloatBitWidth() > to.getWidth())
    return arith::TruncFOp::create(b, loc, to, value);
  return arith::ExtFOp::create(b, loc, to, value);
}

Value norma::toOutput(OpBuilder &b, Location loc, Value value, FloatType to) {
  if (to.getWidth() < 32)
    value = toFloat(b, loc, value, b.getF32Type(), /*isUnsigned=*/false);
  return toFloat(b, loc, value, to, /*isUnsigned=*/false);
}

Value norma::isNotZero(OpBuilder &b, Location loc, Value value) {
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(value.getType()));
  if (value.getType().isInteger())
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, value, zero);
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, value, zero);
}

//===----------------------------------------------------------------------===//
// Maps and iterators
//===----------------------------------------------------------------------===//

AffineMap norma::keptMap(Builder &b, int64_t rank, ArrayRef<int64_t> kept) {
  SmallVector<AffineExpr> axes;
  for (int64_t axis : kept)
    axes.push_back(b.getAffineDimExpr(axis));
  return AffineMap::get(rank, 0, axes, b.getContext());
}

AffineMap norma::broadcastMap(Builder &b, ShapedType operand, ShapedType data) {
  SmallVector<AffineExpr> axes;
  for (int64_t axis = 0; axis < data.getRank(); ++axis) {
    bool repeats = operand.getDimSize(axis) == 1 && data.getDimSize(axis) != 1;
    axes.push_back(repeats ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(axis));
  }
  return AffineMap::get(data.getRank(), 0, axes, b.getContext());
}

SmallVector<utils::IteratorType> norma::reductionIterators(int64_t rank, ArrayRef<int64_t> kept) {
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  for (int64_t axis : kept)
    iterators[axis] = utils::IteratorType::parallel;
  return iterators;
}
