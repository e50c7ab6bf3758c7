//===- LoopEmitter.cpp - Loops, vectors and conversions -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace norma;

void LoopEmitter::withWidth(int64_t lanes, function_ref<void()> body) {
  std::swap(width, lanes);
  body();
  std::swap(width, lanes);
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value LoopEmitter::index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }

Value LoopEmitter::extent(Value memref, int64_t axis) {
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(axis))
    return index(type.getDimSize(axis));
  if (auto view = memref.getDefiningOp<memref::ReinterpretCastOp>())
    return getValueOrCreateConstantIndexOp(*this, getLoc(), view.getMixedSizes()[axis]);
  return memref::DimOp::create(*this, memref, axis);
}

// Constants are folded here, not left to the canonicalizer, so that the IR after
// the lowering is short.
Value LoopEmitter::add(Value a, Value b) { return createOrFold<arith::AddIOp>(a, b); }
Value LoopEmitter::sub(Value a, Value b) { return createOrFold<arith::SubIOp>(a, b); }
Value LoopEmitter::mul(Value a, Value b) { return createOrFold<arith::MulIOp>(a, b); }
Value LoopEmitter::floorDiv(Value a, Value b) { return createOrFold<arith::DivUIOp>(a, b); }
Value LoopEmitter::rem(Value a, Value b) { return createOrFold<arith::RemUIOp>(a, b); }
Value LoopEmitter::min(Value a, Value b) { return createOrFold<arith::MinUIOp>(a, b); }

Value LoopEmitter::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, a, b);
}

Value LoopEmitter::roundDown(Value value, int64_t step) {
  if (step == 1)
    return value;
  return sub(value, rem(value, index(step)));
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// The trip count of a loop with constant bounds.
static std::optional<int64_t> tripCount(Value begin, Value end, int64_t step) {
  std::optional<int64_t> first = getConstantIntValue(begin), last = getConstantIntValue(end);
  if (!first || !last)
    return std::nullopt;
  return *last <= *first ? 0 : (*last - *first - 1) / step + 1;
}

void LoopEmitter::inDirection(Value backwards, function_ref<void()> body) {
  llvm::SaveAndRestore<Value> restore(isBackwards, backwards);
  body();
}

void LoopEmitter::forEach(Value begin, Value end, int64_t step, function_ref<void(Value)> body) {
  if (!isBackwards || tripCount(begin, end, step).value_or(2) <= 1) {
    carry(begin, end, step, {}, [&](Value iv, ValueRange) {
      body(iv);
      return Values();
    });
    return;
  }
  // An index of its own costs an addition; to turn that of the loop would cost four instructions.
  Value first = select(isBackwards, sub(end, index(step)), begin);
  Value stride = select(isBackwards, index(-step), index(step));
  carry(begin, end, step, first, [&](Value, ValueRange carried) {
    body(carried.front());
    return Values{add(carried.front(), stride)};
  });
}

LoopEmitter::Values LoopEmitter::carry(Value begin, Value end, int64_t step, ValueRange initial,
                                       function_ref<Values(Value, ValueRange)> body) {
  std::optional<int64_t> trips = tripCount(begin, end, step);
  if (trips == 0)
    return Values(initial);
  if (trips == 1)
    return body(begin, initial);
  auto loop = scf::ForOp::create(*this, begin, end, index(step), initial);
  OpBuilder::InsertionGuard guard(*this);
  if (initial.empty())
    setInsertionPoint(loop.getBody()->getTerminator());
  else
    setInsertionPointToEnd(loop.getBody());
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!initial.empty())
    scf::YieldOp::create(*this, results);
  return Values(loop.getResults());
}

void LoopEmitter::nest(Value memref, ArrayRef<int64_t> axes, function_ref<void(Values)> body) {
  auto type = cast<MemRefType>(memref.getType());
  Values indices(type.getRank(), index(0));
  std::function<void(size_t)> descend = [&](size_t level) {
    if (level == axes.size())
      return body(indices);
    forEach(index(0), extent(memref, axes[level]), 1, [&](Value iv) {
      indices[axes[level]] = iv;
      descend(level + 1);
    });
  };
  descend(0);
}

void LoopEmitter::walk(Value extent, int64_t unroll, Tail tail,
                       function_ref<void(ArrayRef<Value> indices, Value mask)> body) {
  auto vectorsFrom = [&](Value first, int64_t count) {
    Values indices;
    for (int64_t v = 0; v < count; ++v)
      indices.push_back(add(first, index(v * width)));
    return indices;
  };
  auto walkUnrolled = [&](Value end) {
    forEach(index(0), end, width * unroll, [&](Value iv) { body(vectorsFrom(iv, unroll), {}); });
  };
  const std::optional<int64_t> known = getConstantIntValue(extent);
  if (known && tail == Tail::Overlapping && *known > width && *known % width > 1) {
    // At least one whole vector is left for the end.
    const int64_t vectors = *known / width, unrolled = (vectors - 1) / unroll * unroll;
    walkUnrolled(index(unrolled * width));
    Values indices = vectorsFrom(index(unrolled * width), vectors - unrolled);
    indices.push_back(index(*known - width));
    return body(indices, {});
  }
  Value unrolled = roundDown(extent, width * unroll), whole = roundDown(extent, width);
  walkUnrolled(unrolled);
  if (known) {
    if (const int64_t left = *known % (width * unroll) / width)
      body(vectorsFrom(unrolled, left), {});
  } else if (unroll > 1) {
    forEach(unrolled, whole, width, [&](Value iv) { body(iv, {}); });
  }
  if (width == 1)
    return;
  auto maskedTail = [&] { body(whole, maskOf(whole, extent)); };
  Value rest = sub(extent, whole);
  if (std::optional<int64_t> left = getConstantIntValue(rest)) {
    if (*left)
      maskedTail();
    return;
  }
  ifTrue(arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, rest, index(0)), maskedTail);
}

void LoopEmitter::walkMasked(Value begin, Value extent,
                             function_ref<void(Value index, Value mask)> body) {
  forEach(begin, extent, width, [&](Value iv) { body(iv, maskOf(iv, extent)); });
}

Value LoopEmitter::maskOf(Value index, Value extent) {
  std::optional<int64_t> known = getConstantIntValue(extent);
  if (width == 1 || (known && *known % width == 0))
    return {};
  return vector::CreateMaskOp::create(*this, vectorOf(getI1Type()), sub(extent, index));
}

void LoopEmitter::ifTrue(Value condition, function_ref<void()> body) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(op.thenYield());
  body();
}

void LoopEmitter::ifElse(Value condition, function_ref<void()> then, function_ref<void()> other) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(op.thenYield());
  then();
  setInsertionPoint(op.elseYield());
  other();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value LoopEmitter::load(Value memref, ValueRange indices, Type element, bool isUnsigned,
                        Value mask) {
  if (width == 1)
    return loadBroadcast(memref, indices, element, isUnsigned);
  VectorType type = vectorOf(getElementTypeOrSelf(memref));
  Value loaded;
  if (mask) {
    Value zeros = arith::ConstantOp::create(*this, getZeroAttr(type));
    loaded = vector::MaskedLoadOp::create(*this, type, memref, indices, mask, zeros);
  } else {
    loaded = vector::LoadOp::create(*this, type, memref, indices);
  }
  return convert(loaded, element, isUnsigned);
}

Value LoopEmitter::loadBroadcast(Value memref, ValueRange indices, Type element, bool isUnsigned) {
  return broadcast(convert(loadScalar(memref, indices), element, isUnsigned));
}

Value LoopEmitter::loadRepeating(Value memref, MemRefType like, ValueRange indices, Type element,
                                 bool isUnsigned, Value mask) {
  ArrayRef<int64_t> shape = cast<MemRefType>(memref.getType()).getShape();
  Values at;
  for (auto [axis, size] : llvm::enumerate(shape))
    at.push_back(size == 1 ? index(0) : indices[axis]);
  bool repeats = !shape.empty() && shape.back() == 1 && like.getShape().back() != 1;
  return repeats ? loadBroadcast(memref, at, element, isUnsigned)
                 : load(memref, at, element, isUnsigned, mask);
}

void LoopEmitter::store(Value vector, Value memref, ValueRange indices, Value mask,
                        bool nontemporal) {
  Type element = getElementTypeOrSelf(memref);
  Value converted = convert(vector, element);
  if (width == 1) {
    storeScalar(vector::ExtractOp::create(*this, converted, 0), memref, indices);
  } else if (mask) {
    vector::MaskedStoreOp::create(*this, memref, indices, mask, converted);
  } else if (nontemporal) {
    uint64_t bytes = width * element.getIntOrFloatBitWidth() / 8;
    vector::StoreOp::create(*this, converted, memref, indices, /*nontemporal=*/true,
                            llvm::MaybeAlign(bytes));
  } else {
    vector::StoreOp::create(*this, converted, memref, indices);
  }
}

void LoopEmitter::prefetch(Value memref, ValueRange indices, bool soon) {
  // Hints count from 0, not at all, to 3, in all levels.
  memref::PrefetchOp::create(*this, memref, indices, /*isWrite=*/false,
                             /*localityHint=*/soon ? 3 : 2, /*isDataCache=*/true);
}

bool LoopEmitter::isSoon(ValueRange memrefs, int64_t ahead, int64_t streams) {
  // A part of any.
  constexpr int64_t kSoonBytes = 16 * 1024;
  int64_t bytes = 0;
  for (Value memref : memrefs)
    bytes += ahead * getElementTypeOrSelf(memref).getIntOrFloatBitWidth() / 8;
  return bytes * std::max<int64_t>(streams, 1) <= kSoonBytes;
}

Value LoopEmitter::loadScalar(Value memref, ValueRange indices) {
  return memref::LoadOp::create(*this, memref, indices);
}

void LoopEmitter::storeScalar(Value value, Value memref, ValueRange indices) {
  memref::StoreOp::create(*this, value, memref, indices);
}

Value LoopEmitter::scratch(ArrayRef<Value> sizes, Type element) {
  constexpr int64_t kStackBytes = 64 * 1024;
  SmallVector<int64_t> shape;
  Values dynamic;
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  for (Value size : sizes) {
    std::optional<int64_t> known = getConstantIntValue(size);
    shape.push_back(known ? *known : ShapedType::kDynamic);
    if (known)
      bytes = *known && bytes > kStackBytes / *known ? kStackBytes + 1 : bytes * *known;
    else
      dynamic.push_back(size);
  }
  auto type = MemRefType::get(shape, element);
  IntegerAttr alignment = getI64IntegerAttr(64);
  if (!dynamic.empty() || bytes > kStackBytes)
    return memref::AllocOp::create(*this, type, dynamic, alignment);
  // In the entry block, so that a kernel op in a loop does not grow the stack.
  OpBuilder::InsertionGuard guard(*this);
  if (auto function = getInsertionBlock()->getParentOp()->getParentOfType<FunctionOpInterface>())
    setInsertionPointToStart(&function.front());
  else if (auto parent = dyn_cast<FunctionOpInterface>(getInsertionBlock()->getParentOp()))
    setInsertionPointToStart(&parent.front());
  return memref::AllocaOp::create(*this, type, ValueRange(), alignment);
}

void LoopEmitter::release(Value scratch) {
  if (scratch.getDefiningOp<memref::AllocOp>())
    memref::DeallocOp::create(*this, scratch);
}

Value LoopEmitter::flatten(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() == 1)
    return memref;
  Value size = index(1);
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    size = mul(size, extent(memref, axis));
  std::optional<int64_t> known = getConstantIntValue(size);
  auto flat = MemRefType::get(known.value_or(ShapedType::kDynamic), type.getElementType());
  return memref::ReinterpretCastOp::create(*this, flat, memref, getIndexAttr(0),
                                           ArrayRef<OpFoldResult>(getAsOpFoldResult(size)),
                                           ArrayRef<OpFoldResult>(getIndexAttr(1)));
}

Value LoopEmitter::flattenRows(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() == 2)
    return memref;
  ReassociationIndices inner;
  for (int64_t axis = 1; axis < type.getRank(); ++axis)
    inner.push_back(axis);
  return memref::CollapseShapeOp::create(*this, memref, ArrayRef<ReassociationIndices>{{0}, inner});
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value LoopEmitter::constant(double value, Type type) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr scalar = isa<IntegerType>(element) ? TypedAttr(getIntegerAttr(element, int64_t(value)))
                                               : TypedAttr(getFloatAttr(element, value));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, DenseElementsAttr::get(vector, scalar));
  return arith::ConstantOp::create(*this, scalar);
}

Value LoopEmitter::plus(Value a, Value b) {
  if (isa<IntegerType>(getElementTypeOrSelf(a)))
    return arith::AddIOp::create(*this, a, b);
  return addf(a, b);
}

Value LoopEmitter::addf(Value a, Value b) { return arith::AddFOp::create(*this, a, b); }
Value LoopEmitter::subf(Value a, Value b) { return arith::SubFOp::create(*this, a, b); }
Value LoopEmitter::mulf(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }
Value LoopEmitter::divf(Value a, Value b) { return arith::DivFOp::create(*this, a, b); }
Value LoopEmitter::fma(Value a, Value b, Value c) { return vector::FMAOp::create(*this, a, b, c); }

static bool beginsSum(Value sum) {
  auto constant = sum.getDefiningOp<arith::ConstantOp>();
  return constant && constant.getValue() == OpBuilder(constant).getZeroAttr(sum.getType());
}

Value LoopEmitter::addTo(Value sum, Value term) { return beginsSum(sum) ? term : plus(sum, term); }

Value LoopEmitter::addProductTo(Value sum, Value a, Value b) {
  if (isa<IntegerType>(getElementTypeOrSelf(sum)))
    return addTo(sum, arith::MulIOp::create(*this, a, b));
  return beginsSum(sum) ? mulf(a, b) : fma(a, b, sum);
}

Value LoopEmitter::maxf(Value a, Value b) {
  return select(arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, b, a), b, a);
}
Value LoopEmitter::absf(Value a) { return math::AbsFOp::create(*this, a); }
Value LoopEmitter::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(*this, condition, a, b);
}
Value LoopEmitter::both(Value a, Value b) { return arith::AndIOp::create(*this, a, b); }
Value LoopEmitter::either(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }

Value LoopEmitter::negate(Value condition) {
  Value ones = arith::ConstantOp::create(*this, getOneAttr(condition.getType()));
  return arith::XOrIOp::create(*this, condition, ones);
}

Value LoopEmitter::lessEqual(Value a, Value b) {
  return arith::CmpFOp::create(*this, arith::CmpFPredicate::OLE, a, b);
}

Value LoopEmitter::notNan(Value a) {
  return arith::CmpFOp::create(*this, arith::CmpFPredicate::ORD, a, a);
}

Value LoopEmitter::notZero(Value a) {
  Value zero = arith::ConstantOp::create(*this, getZeroAttr(a.getType()));
  if (isa<FloatType>(getElementTypeOrSelf(a)))
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::UNE, a, zero);
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, a, zero);
}

Value LoopEmitter::isFinite(Value a) {
  Value infinity = constant(std::numeric_limits<double>::infinity(), a.getType());
  return arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, absf(a), infinity);
}

Value LoopEmitter::isFiniteNonNegative(Value a) {
  auto type = cast<FloatType>(getElementTypeOrSelf(a));
  Type bits = getIntegerType(type.getWidth());
  if (auto vector = dyn_cast<VectorType>(a.getType()))
    bits = vector.cloneWith({}, bits);
  Value infinity = constant(std::numeric_limits<double>::infinity(), a.getType());
  Value asInteger = arith::BitcastOp::create(*this, bits, a);
  Value end = arith::BitcastOp::create(*this, bits, infinity);
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, asInteger, end);
}

Value LoopEmitter::finiteOrZero(Value value) {
  return select(isFinite(value), value, constant(0, value.getType()));
}

Value LoopEmitter::broadcast(Value scalar) {
  return vector::BroadcastOp::create(*this, vectorOf(scalar.getType()), scalar);
}

Value LoopEmitter::convert(Value value, Type element, bool isUnsigned) {
  auto from = getElementTypeOrSelf(value);
  if (from == element)
    return value;
  auto to = [&](Type type) -> Type {
    auto vector = dyn_cast<VectorType>(value.getType());
    return vector ? Type(vector.clone(type)) : type;
  };
  if (isa<IntegerType>(from)) {
    bool widens = isa<IntegerType>(element);
    if (widens && isUnsigned)
      return arith::ExtUIOp::create(*this, to(element), value);
    if (widens)
      return arith::ExtSIOp::create(*this, to(element), value);
    if (isUnsigned)
      return arith::UIToFPOp::create(*this, to(element), value);
    return arith::SIToFPOp::create(*this, to(element), value);
  }
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(*this, to(element), value);
  if (from.isF64() && element.getIntOrFloatBitWidth() == 16)
    value = arith::TruncFOp::create(*this, to(getF32Type()), value);
  return arith::TruncFOp::create(*this, to(element), value);
}

Value LoopEmitter::indexToF64(Value index) {
  Value integer = arith::IndexCastOp::create(*this, getI64Type(), index);
  return arith::SIToFPOp::create(*this, getF64Type(), integer);
}
