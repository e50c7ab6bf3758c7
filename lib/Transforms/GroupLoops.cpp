//===- GroupLoops.cpp - Loops over statistics groups ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GroupLoops.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace norma;

/// An extent that is not static is that of the data.
static bool variesAlong(Value value, int64_t axis) {
  return cast<ShapedType>(value.getType()).getDimSize(axis) != 1;
}

GroupLoops::GroupLoops(OpBuilder &b, Location loc, const BatchPiece &piece, Value data,
                       ArrayRef<Value> adjustments)
    : context(b.getContext()) {
  for (int64_t axis = 0; axis < cast<ShapedType>(data.getType()).getRank(); ++axis) {
    bool isKept = llvm::is_contained(piece.kept, axis);
    bool isRefined =
        llvm::any_of(adjustments, [&](Value value) { return value && variesAlong(value, axis); });
    if (!isKept && !isRefined)
      continue;
    if (isKept)
      groupLoops.push_back(axes.size());
    axes.push_back(axis);
    sizes.push_back(tensor::getMixedSize(b, loc, data, axis));
  }
  keptLoops.assign(groupLoops.begin() + piece.ghostAxes, groupLoops.end());
}

Operand GroupLoops::perElement(Value value) const {
  if (!value)
    return value;
  SmallVector<AffineExpr> indices(cast<ShapedType>(value.getType()).getRank(),
                                  getAffineConstantExpr(0, context));
  for (auto [loop, axis] : llvm::enumerate(axes))
    if (variesAlong(value, axis))
      indices[axis] = getAffineDimExpr(loop, context);
  return {value, AffineMap::get(axes.size(), 0, indices, context)};
}

AffineMap GroupLoops::mapOf(ArrayRef<int64_t> loops) const {
  SmallVector<AffineExpr> indices;
  for (int64_t loop : loops)
    indices.push_back(getAffineDimExpr(loop, context));
  return AffineMap::get(axes.size(), 0, indices, context);
}
