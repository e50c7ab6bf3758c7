//===- MomentsAccess.cpp - Elements, kept indices and outputs of moments --===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

/// The kept index, as the outputs are indexed with it.
Values MomentsLoops::keptOf(ValueRange indices) {
  if (op.getKept().empty())
    return {e.index(0)};
  Values result;
  for (int64_t axis : op.getKept())
    result.push_back(indices[axis]);
  return result;
}

Value MomentsLoops::withAxis(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() > 0)
    return memref;
  auto one = MemRefType::get({1}, type.getElementType(),
                             type.getLayout().isIdentity() ? MemRefLayoutAttrInterface()
                                                           : type.getLayout());
  return memref::ReinterpretCastOp::create(e, one, memref, /*offset=*/0,
                                           /*sizes=*/ArrayRef<int64_t>{1},
                                           /*strides=*/ArrayRef<int64_t>{1});
}

/// Mask or weights at an index of the data; axes along which they repeat have an
/// extent of 1.
Value MomentsLoops::loadLike(Value operand, ValueRange indices, Type type, Value mask) {
  auto shape = cast<MemRefType>(operand.getType()).getShape();
  Values at;
  for (auto [axis, extent] : llvm::enumerate(shape))
    at.push_back(extent == 1 ? e.index(0) : indices[axis]);
  bool repeats = !shape.empty() && shape.back() == 1 && dataType.getShape().back() != 1;
  bool isUnsigned = operand == op.getMask();
  return repeats ? e.loadBroadcast(operand, at, type, isUnsigned)
                 : e.load(operand, at, type, isUnsigned, mask);
}

Element MomentsLoops::loadElement(ValueRange indices, Type type, Value mask) {
  Element element;
  element.x = e.load(data, indices, type, op.getUnsignedData(), mask);
  auto require = [&](Value condition) {
    element.valid = element.valid ? e.both(element.valid, condition) : condition;
  };
  if (op.getMask())
    require(e.notZero(loadLike(op.getMask(), indices, type, mask)));
  if (op.getWeights()) {
    element.weight = loadLike(op.getWeights(), indices, type, mask);
    require(e.notZero(element.weight));
  }
  if (omitsNan)
    require(e.notNan(element.x));
  if (mask)
    require(mask);
  return element;
}

/// The same from the flat array, which comes without mask and weights.
Element MomentsLoops::loadLineElement(Value lines, ValueRange indices, Type type, Value mask) {
  Element element{e.load(lines, indices, type, op.getUnsignedData(), mask), mask, {}};
  if (omitsNan) {
    Value present = e.notNan(element.x);
    element.valid = mask ? e.both(present, mask) : present;
  }
  return element;
}

void MomentsLoops::clearOuts() {
  walkKept([&](ValueRange k, Value mask) {
    for (Value buffer : {count, mean, m2})
      e.store(e.constant(0, e.vectorOf(f64)), buffer, k, mask);
  });
}

Values MomentsLoops::keptExtents() {
  Values extents;
  for (int64_t axis : llvm::seq<int64_t>(0, keptRank))
    extents.push_back(e.extent(mean, axis));
  return extents;
}

/// Every kept index, in vectors along the innermost kept axis.
void MomentsLoops::walkKept(function_ref<void(ValueRange, Value)> body) {
  auto outer = llvm::to_vector(llvm::seq<int64_t>(0, keptRank - 1));
  e.nest(mean, outer, [&](Values indices) {
    e.walk(e.extent(mean, keptRank - 1), 1, [&](Value i, Value mask) {
      indices.back() = i;
      body(indices, mask);
    });
  });
}
