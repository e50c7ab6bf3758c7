//===- DecomposeBatchNormGrad.cpp - The gradient to kernel ops ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchPieces.h"
#include "Decompose.h"
#include "Formula.h"
#include "GroupLoops.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace norma;

namespace {

/// The operands of the gradient that belong to one piece of the batch.
struct Part {
  const BatchPiece &piece;
  Value data, dy, mask, weights, adjustScale, adjustBias;
  Value count, mean, invStd;
};

/// sum(dy) and sum(dy * (x - mean)) of one piece, for every index of `loops`.
struct PartSums {
  GroupLoops loops;
  Value sum, dot;
};

/// Writes what one norma.batch_norm_grad becomes.
class GradWriter {
public:
  GradWriter(BatchNormGradOp op, PatternRewriter &rewriter)
      : op(op), b(rewriter), loc(op.getLoc()), f64(rewriter.getF64Type()),
        isFrozen(!op.getUseBatchStatistics()),
        pieces(rewriter, loc, op.getData(), op.getKept(),
               isFrozen ? std::nullopt : std::optional<int64_t>(op.getVirtualBatchSize()),
               op.getGrouping(), op.getRemainder()) {
    if (!op.getRenorm().empty() && !isFrozen) {
      r = op.getRenorm()[0];
      d = op.getRenorm()[1];
    }
    for (const BatchPiece &piece : pieces.get())
      parts.push_back(
          {piece, pieces.cut(piece, op.getData()), pieces.cut(piece, op.getDy()),
           pieces.cut(piece, op.getMask()), pieces.cut(piece, op.getWeights()),
           pieces.cut(piece, op.getAdjustScale()), pieces.cut(piece, op.getAdjustBias()),
           pieces.groupsOf(piece, op.getSavedCount()), pieces.groupsOf(piece, op.getSavedMean()),
           pieces.groupsOf(piece, op.getSavedInvStd())});
  }

  SmallVector<Value> write();

private:
  PartSums partSums(const Part &part);
  SmallVector<SmallVector<Value>> groupSums(ArrayRef<PartSums> sums);
  SmallVector<Value> affineGradients(ArrayRef<PartSums> sums);
  Value frozenMap(const Part &part, Value init);
  Value map(const Part &part, ValueRange groupSums, Value init);

  BatchNormGradOp op;
  OpBuilder &b;
  Location loc;
  Type f64;
  bool isFrozen;
  BatchPieces pieces;
  SmallVector<Part, 2> parts;
  /// Renorm's corrections, null where there are none.
  Value r, d;
};

} // namespace

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// Told apart as far as the adjustment wants it.
PartSums GradWriter::partSums(const Part &part) {
  GroupLoops loops(b, loc, part.piece, part.data,
                   {part.adjustScale, op.getTrainableAffine() ? part.adjustBias : Value()});
  Value center = part.mean;
  if (loops.areRefined())
    center = mapElements(b, loc, loops.sizes, loops.perGroup(part.mean), f64, copyFormula).front();
  Value sum = tensor::EmptyOp::create(b, loc, loops.sizes, f64);
  Value dot = tensor::EmptyOp::create(b, loc, loops.sizes, f64);
  auto kernel = GradSumsOp::create(b, loc, TypeRange{sum.getType(), dot.getType()}, part.data,
                                   part.dy, center, part.mask, part.weights, sum, dot, loops.axes,
                                   op.getUnsignedData(), ScheduleAttr());
  return {loops, kernel->getResult(0), kernel->getResult(1)};
}

/// S1 and S2 of the groups of every piece.
SmallVector<SmallVector<Value>> GradWriter::groupSums(ArrayRef<PartSums> sums) {
  SmallVector<SmallVector<Value>> results;
  if (!op.getSums().empty()) {
    for (const BatchPiece &piece : pieces.get())
      results.push_back(llvm::map_to_vector(
          op.getSums(), [&](Value all) { return pieces.groupsOf(piece, all); }));
    return results;
  }
  for (const auto &[part, sum] : llvm::zip_equal(parts, sums)) {
    const GroupLoops &loops = sum.loops;
    SmallVector<Operand> operands{sum.sum, sum.dot, loops.perElement(part.adjustScale)};
    auto adjusted = [](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
      return {f.scaled(v[0], v[2]), f.scaled(v[1], v[2])};
    };
    if (loops.areRefined())
      results.push_back(sumElements(b, loc, loops.sizes, loops.groupLoops, operands, 2, adjusted));
    else if (part.adjustScale)
      results.push_back(mapElements(b, loc, loops.sizes, operands, {f64, f64}, adjusted));
    else
      results.push_back({sum.sum, sum.dot});
  }
  pieces.combineSharedGhost(results, [&](ValueRange whole, ValueRange tail) {
    SmallVector<Operand> operands{whole[0], whole[1], tail[0], tail[1]};
    return mapElements(b, loc, operands, {f64, f64},
                       [](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                         return {f.add(v[0], v[2]), f.add(v[1], v[3])};
                       });
  });
  return results;
}

/// dgamma = sum(dy * ((xh * r + d) * a + b)) and dbeta = sum(dy).
static SmallVector<Value> affineFormula(Formula &f, ArrayRef<Value> v) {
  Value sum = v[0], dot = v[1], invStd = v[2], r = v[3], d = v[4], a = v[5], bias = v[6];
  Value gamma = f.scaled(f.mul(dot, invStd), r);
  gamma = f.scaled(f.shifted(gamma, f.scaled(d, sum)), a);
  return {f.shifted(gamma, f.scaled(bias, sum)), sum};
}

SmallVector<Value> GradWriter::affineGradients(ArrayRef<PartSums> sums) {
  Type element = cast<ShapedType>(op.getAffineGradients()[0].getType()).getElementType();
  SmallVector<Operand> ofParts;
  for (const auto &[part, sum] : llvm::zip_equal(parts, sums)) {
    const GroupLoops &loops = sum.loops;
    SmallVector<Operand> operands{sum.sum,
                                  sum.dot,
                                  loops.perGroup(part.invStd),
                                  loops.perKept(r),
                                  loops.perKept(d),
                                  loops.perElement(part.adjustScale),
                                  loops.perElement(part.adjustBias)};
    if (loops.keptLoops.size() == loops.axes.size())
      return mapElements(b, loc, loops.sizes, operands, {element, element}, affineFormula);
    llvm::append_range(
        ofParts, sumElements(b, loc, loops.sizes, loops.keptLoops, operands, 2, affineFormula));
  }
  return mapElements(b, loc, ofParts, {element, element},
                     [](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                       if (v.size() == 2)
                         return {v[0], v[1]};
                       return {f.add(v[0], v[2]), f.add(v[1], v[3])};
                     });
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

/// dx = gamma * a * inv_std * dy
Value GradWriter::frozenMap(const Part &part, Value init) {
  GroupLoops loops(b, loc, part.piece, part.data, part.adjustScale);
  SmallVector<Operand> operands{loops.perGroup(part.invStd), loops.perKept(op.getGamma()),
                                loops.perElement(part.adjustScale)};
  Type compute = op.getComputeType();
  Value scale = mapElements(b, loc, loops.sizes, operands, compute,
                            [](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                              return {f.scaled(f.scaled(v[0], v[1]), v[2])};
                            })
                    .front();
  auto kernel = AffineOp::create(b, loc, init.getType(), part.dy, Value(), scale, Value(), init,
                                 loops.axes, /*unsigned_data=*/false, ScheduleAttr());
  return kernel->getResult(0);
}

/// dx = dy * scale + ((x - center) * slope + offset) * w with
///
///   k = inv_std * gamma * r    scale  = k * a
///   slope = -k * inv_std^2 * S2 / n
///   offset = -k * S1 / n + (center - mean) * slope
Value GradWriter::map(const Part &part, ValueRange groupSums, Value init) {
  GroupLoops loops(b, loc, part.piece, part.data, part.adjustScale);
  Type compute = op.getComputeType();
  SmallVector<Operand> operands{loops.perGroup(part.count),
                                loops.perGroup(part.mean),
                                loops.perGroup(part.invStd),
                                loops.perGroup(groupSums[0]),
                                loops.perGroup(groupSums[1]),
                                loops.perKept(op.getGamma()),
                                loops.perKept(r),
                                loops.perElement(part.adjustScale)};
  SmallVector<Value> c =
      mapElements(b, loc, loops.sizes, operands, SmallVector<Type>(4, compute),
                  [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                    Value count = v[0], mean = v[1], invStd = v[2], s1 = v[3], s2 = v[4];
                    Value k = f.scaled(f.scaled(invStd, v[5]), v[6]);
                    Value zero = f.constant(0);
                    Value empty = f.equal(count, zero);
                    Value share = f.div(f.neg(k), count);
                    Value slope = f.mul(f.mul(share, f.mul(invStd, invStd)), s2);
                    slope = f.select(empty, zero, slope);
                    Value offset = f.select(empty, zero, f.mul(share, s1));
                    offset = f.shifted(offset, roundingLoss(f, mean, slope, compute));
                    return {mean, slope, offset, f.scaled(k, v[7])};
                  });
  auto kernel = GradMapOp::create(b, loc, init.getType(), part.data, part.dy, c[0], c[1], c[2],
                                  c[3], part.mask, part.weights, init, loops.axes,
                                  op.getUnsignedData(), ScheduleAttr());
  return kernel->getResult(0);
}

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

SmallVector<Value> GradWriter::write() {
  SmallVector<PartSums, 2> sums;
  if (op.getTrainableAffine() || (!isFrozen && op.getSums().empty()))
    for (const Part &part : parts)
      sums.push_back(partSums(part));

  SmallVector<SmallVector<Value>> ofGroups;
  if (!isFrozen)
    ofGroups = groupSums(sums);
  Value dx = tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, op.getData()),
                                     op.getResult().getType().getElementType());
  for (auto [i, part] : llvm::enumerate(parts)) {
    Value init = pieces.destination(part.piece, dx);
    Value piece = isFrozen ? frozenMap(part, init) : map(part, ofGroups[i], init);
    dx = pieces.paste(part.piece, piece, dx);
  }
  SmallVector<Value> results{dx};
  if (op.getTrainableAffine())
    llvm::append_range(results, affineGradients(sums));
  // Types may differ in what of an extent is known.
  for (auto [value, type] : llvm::zip_equal(results, op->getResultTypes()))
    if (value.getType() != type)
      value = tensor::CastOp::create(b, loc, type, value);
  return results;
}

namespace {

///   norma.batch_norm_grad %dy, %x saved(%n, %mean, %inv_std) gamma(%g)
///   -> %s1, %s2 = norma.grad_sums ins(%x, %dy) center(%mean)
///      %center, %slope, %offset, %scale = linalg.generic(%n, %mean, %inv_std, %s1, %s2, %g)
///      norma.grad_map ins(%x, %dy) center(%center) slope(%slope) offset(%offset) scale(%scale)
///      linalg.generic(%s1, %s2, %inv_std)                   (dgamma, dbeta)
struct DecomposeBatchNormGrad : OpRewritePattern<BatchNormGradOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormGradOp op, PatternRewriter &rewriter) const final {
    rewriter.replaceOp(op, GradWriter(op, rewriter).write());
    return success();
  }
};

} // namespace

void norma::populateDecomposeBatchNormGradPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeBatchNormGrad>(patterns.getContext());
}
