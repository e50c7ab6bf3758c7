//===- BatchPieces.cpp - A batch and its ghosts as tensors ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything works for a batch whose extent is known at run time only: then there
// may be no samples behind the whole ghosts, no whole ghosts, or neither. Slices
// stay in bounds in all cases, some of them by being empty.
//
//===----------------------------------------------------------------------===//

#include "BatchPieces.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// How the batch is cut
//===----------------------------------------------------------------------===//

BatchPieces::BatchPieces(OpBuilder &b, Location loc, ArrayRef<int64_t> kept) : b(b), loc(loc) {
  pieces.push_back({{}, {}, {}, SmallVector<int64_t>(kept), 0});
}

BatchPieces::BatchPieces(OpBuilder &b, Location loc, Value data, ArrayRef<int64_t> kept,
                         std::optional<int64_t> size, GhostGroupingKind grouping,
                         GhostRemainderKind remainder)
    : BatchPieces(b, loc, kept) {
  if (!size)
    return;
  pieces.clear();
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1), extent = b.getIndexAttr(*size);
  OpFoldResult samples = tensor::getMixedSize(b, loc, data, 0);
  whole = index<arith::DivUIOp>(samples, extent);
  OpFoldResult tail = index<arith::RemUIOp>(samples, extent);
  int64_t known = groupType(cast<ShapedType>(data.getType()), kept, size, remainder).getDimSize(0);
  ghosts = ShapedType::isStatic(known)
               ? OpFoldResult(b.getIndexAttr(known))
               : createGhostCount(b, loc, cast<Value>(samples), *size, remainder);
  OpFoldResult inWhole = index<arith::MulIOp>(whole, extent);

  // Axis 0 is never kept, so the ghost axis comes before all other kept ones.
  auto add = [&](OpFoldResult first, OpFoldResult count, OpFoldResult outer, OpFoldResult inner,
                 int64_t ghostAxis) {
    SmallVector<int64_t> axes{ghostAxis};
    for (int64_t axis : kept)
      axes.push_back(axis + 1);
    pieces.push_back({first, count, {outer, inner}, axes, 1});
  };
  if (!isZeroInteger(whole) || isZeroInteger(tail)) {
    if (grouping == GhostGroupingKind::Strided)
      add(zero, inWhole, extent, whole, 1);
    else
      add(zero, inWhole, whole, extent, 0);
  }
  if (!isZeroInteger(tail))
    add(inWhole, tail, tail, one, 1);
  shareLastGhost = pieces.size() > 1 && remainder == GhostRemainderKind::Merge;
}

//===----------------------------------------------------------------------===//
// Parts of the data
//===----------------------------------------------------------------------===//

/// Axis 0 against the two it is split into.
static SmallVector<ReassociationIndices> splitGroups(int64_t rank) {
  SmallVector<ReassociationIndices> groups{{0, 1}};
  for (int64_t axis = 1; axis < rank; ++axis)
    groups.push_back({axis + 1});
  return groups;
}

/// The type says what is known of the extent of axis 0, as that of the data does.
Value BatchPieces::withSamples(Value value, OpFoldResult samples) const {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.front() = decomposeMixedValues(samples).first.front();
  if (shape == type.getShape())
    return value;
  return tensor::CastOp::create(b, loc, type.clone(shape), value).getResult();
}

Value BatchPieces::cut(const BatchPiece &piece, Value value) const {
  if (!value || piece.split.empty())
    return value;
  SmallVector<OpFoldResult> split = piece.split;
  if (cast<ShapedType>(value.getType()).getDimSize(0) == 1)
    split.assign(2, b.getIndexAttr(1));
  else if (pieces.size() > 1)
    value = slice(value, piece.first, piece.samples);
  else
    value = withSamples(value, piece.samples);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  sizes.erase(sizes.begin());
  sizes.insert(sizes.begin(), split.begin(), split.end());
  auto type = cast<RankedTensorType>(value.getType());
  auto splitType = type.clone(decomposeMixedValues(sizes).first);
  return tensor::ExpandShapeOp::create(b, loc, splitType, value, splitGroups(type.getRank()),
                                       sizes);
}

Value BatchPieces::destination(const BatchPiece &piece, Value value) const {
  Value part = cut(piece, value);
  if (piece.split.empty() || !isa<Value>(piece.split.back()))
    return part;
  // That the two axes collapse again cannot be told from the type of a strided memref
  // then: in place, bufferization would copy twice.
  return emptyLike(part, piece.split.front());
}

Value BatchPieces::paste(const BatchPiece &piece, Value part, Value value) const {
  if (piece.split.empty())
    return part;
  int64_t rank = cast<ShapedType>(value.getType()).getRank();
  part = tensor::CollapseShapeOp::create(b, loc, part, splitGroups(rank));
  return pieces.size() == 1 ? part : insert(part, value, piece.first, piece.samples);
}

//===----------------------------------------------------------------------===//
// Numbers of groups
//===----------------------------------------------------------------------===//

Value BatchPieces::groupsOf(const BatchPiece &piece, Value all) const {
  if (pieces.size() == 1)
    return all;
  if (&piece == pieces.begin())
    return slice(all, b.getIndexAttr(0), whole);
  // The tail has the last ghost. An empty batch has none; its tail then has no samples,
  // and zeros for them.
  OpFoldResult one = b.getIndexAttr(1);
  OpFoldResult present = index<arith::MinUIOp>(ghosts, one);
  Value last = slice(all, index<arith::SubIOp>(ghosts, present), present);
  if (isOneInteger(present))
    return last;
  Value zero = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(0));
  Value zeros = linalg::FillOp::create(b, loc, zero, emptyLike(all, one)).getResult(0);
  return insert(last, zeros, b.getIndexAttr(0), present);
}

Value BatchPieces::join(ValueRange parts) const {
  if (pieces.size() == 1)
    return parts.front();
  OpFoldResult zero = b.getIndexAttr(0);
  OpFoldResult added = index<arith::SubIOp>(ghosts, whole);
  if (isZeroInteger(added))
    return parts[0];
  Value all = insert(parts[0], emptyLike(parts[0], ghosts), zero, whole);
  return insert(slice(parts[1], zero, added), all, whole, added);
}

void BatchPieces::combineSharedGhost(MutableArrayRef<SmallVector<Value>> parts,
                                     Combine combine) const {
  if (!shareLastGhost)
    return;
  OpFoldResult zero = b.getIndexAttr(0);
  OpFoldResult present = index<arith::MinUIOp>(whole, b.getIndexAttr(1));
  OpFoldResult last = index<arith::SubIOp>(whole, present);
  SmallVector<Value> ofWhole, ofTail;
  for (auto [inWhole, inTail] : llvm::zip_equal(parts[0], parts[1])) {
    ofWhole.push_back(slice(inWhole, last, present));
    ofTail.push_back(isOneInteger(present) ? inTail : slice(inTail, zero, present));
  }
  SmallVector<Value> combined = combine(ofWhole, ofTail);
  for (auto [value, inWhole, inTail] : llvm::zip_equal(combined, parts[0], parts[1])) {
    inWhole = insert(value, inWhole, last, present);
    inTail = isOneInteger(present) ? value : insert(value, inTail, zero, present);
  }
}

//===----------------------------------------------------------------------===//
// Indices and slices along axis 0
//===----------------------------------------------------------------------===//

template <typename Op>
OpFoldResult BatchPieces::index(OpFoldResult x, OpFoldResult y) const {
  return getAsOpFoldResult(b.createOrFold<Op>(loc, getValueOrCreateConstantIndexOp(b, loc, x),
                                              getValueOrCreateConstantIndexOp(b, loc, y)));
}

/// Offsets, sizes and steps of a slice along axis 0.
static SmallVector<Range> frontRanges(OpBuilder &b, ArrayRef<OpFoldResult> sizes,
                                      OpFoldResult first, OpFoldResult count) {
  SmallVector<Range> ranges;
  for (OpFoldResult size : sizes)
    ranges.push_back({b.getIndexAttr(0), size, b.getIndexAttr(1)});
  ranges.front().offset = first;
  ranges.front().size = count;
  return ranges;
}

/// Whether there is nothing in a tensor whatever the extent of axis 0: MLIR takes any
/// slice of an extent of 0 for one that is out of bounds.
static bool hasEmptySamples(Value value) {
  return llvm::is_contained(cast<ShapedType>(value.getType()).getShape().drop_front(), 0);
}

Value BatchPieces::slice(Value value, OpFoldResult first, OpFoldResult count) const {
  if (hasEmptySamples(value))
    return emptyLike(value, count);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  return tensor::ExtractSliceOp::create(b, loc, value, frontRanges(b, sizes, first, count));
}

Value BatchPieces::insert(Value part, Value value, OpFoldResult first, OpFoldResult count) const {
  if (hasEmptySamples(value))
    return value;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, part);
  return tensor::InsertSliceOp::create(b, loc, part, value, frontRanges(b, sizes, first, count));
}

Value BatchPieces::emptyLike(Value value, OpFoldResult firstExtent) const {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  sizes.front() = firstExtent;
  return tensor::EmptyOp::create(b, loc, sizes,
                                 cast<RankedTensorType>(value.getType()).getElementType());
}
