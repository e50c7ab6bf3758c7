//===- DecomposeBatchNormTraining.cpp - Training to kernel ops ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchAverages.h"
#include "BatchPieces.h"
#include "Decompose.h"
#include "Formula.h"
#include "GroupLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

#include <tuple>

using namespace mlir;
using namespace norma;

namespace {

/// Statistics of the groups of one piece, by GroupStatistic.
using GroupStatistics = SmallVector<Value>;

/// What normalizes: the statistics of the groups of one piece, or the moving ones.
struct Normalizer {
  Value mean, invStd;
};

/// Writes what one norma.batch_norm_training becomes.
class TrainingWriter {
public:
  TrainingWriter(BatchNormTrainingOp op, PatternRewriter &rewriter)
      : op(op), b(rewriter), loc(op.getLoc()), f64(rewriter.getF64Type()),
        epsilon(op.getEffectiveEpsilon()),
        pieces(rewriter, loc, op.getData(), op.getKept(), ghostSize(op), op.getGrouping(),
               op.getRemainder()) {}

  SmallVector<Value> write();

private:
  /// A frozen layer whose moving statistics stay has no use for ghosts.
  static std::optional<int64_t> ghostSize(BatchNormTrainingOp op) {
    if (!op.getUseBatchStatistics() && !op.getUpdateMoving())
      return std::nullopt;
    return op.getVirtualBatchSize();
  }

  SmallVector<GroupStatistics> groupStatistics();
  GroupStatistics moments(const BatchPiece &piece);
  SmallVector<Value> joined(ArrayRef<GroupStatistics> groups);
  Normalizer normalizerOf(const GroupStatistics &group);
  Normalizer movingNormalizer();
  Value normalized(const BatchPieces &batch, ArrayRef<Normalizer> normalizers);
  SmallVector<Value> coefficients(const GroupLoops &loops, const Normalizer &normalizer,
                                  Value adjustScale, Value adjustBias);

  BatchNormTrainingOp op;
  OpBuilder &b;
  Location loc;
  Type f64;
  double epsilon;
  BatchPieces pieces;
  /// Renorm's corrections, null without renorm.
  Value r, d;
};

} // namespace

//===----------------------------------------------------------------------===//
// Statistics of the groups
//===----------------------------------------------------------------------===//

GroupStatistics TrainingWriter::moments(const BatchPiece &piece) {
  Value data = pieces.cut(piece, op.getData());
  SmallVector<Value> inits;
  SmallVector<OpFoldResult> sizes = GroupLoops(b, loc, piece, data).sizes;
  for (int i = 0; i < 3; ++i)
    inits.push_back(tensor::EmptyOp::create(b, loc, sizes, f64));
  auto kernel = MomentsOp::create(
      b, loc, TypeRange(ValueRange(inits)), data, pieces.cut(piece, op.getMask()),
      pieces.cut(piece, op.getWeights()), inits[0], inits[1], inits[2], piece.kept,
      op.getUnsignedData(), NanHandling::Propagate, MomentsPart::All, ScheduleAttr());
  return kernel->getResults();
}

SmallVector<GroupStatistics> TrainingWriter::groupStatistics() {
  SmallVector<GroupStatistics> groups;
  if (!op.getStatistics().empty()) {
    for (const BatchPiece &piece : pieces.get())
      groups.push_back(llvm::map_to_vector(op.getStatistics(),
                                           [&](Value all) { return pieces.groupsOf(piece, all); }));
    return groups;
  }
  for (const BatchPiece &piece : pieces.get())
    groups.push_back(moments(piece));
  pieces.combineSharedGhost(groups, [&](ValueRange whole, ValueRange tail) {
    SmallVector<Operand> operands = llvm::to_vector_of<Operand>(whole);
    llvm::append_range(operands, tail);
    return mapElements(b, loc, operands, {f64, f64, f64}, mergeFormula);
  });
  return groups;
}

SmallVector<Value> TrainingWriter::joined(ArrayRef<GroupStatistics> groups) {
  if (!op.getStatistics().empty())
    return op.getStatistics();
  SmallVector<Value> all;
  for (int part : {Count, Mean, M2})
    all.push_back(pieces.join(
        llvm::map_to_vector(groups, [&](const GroupStatistics &group) { return group[part]; })));
  return all;
}

Normalizer TrainingWriter::normalizerOf(const GroupStatistics &group) {
  SmallVector<Value> invStd =
      mapElements(b, loc, {group[Count], group[M2]}, f64,
                  [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                    Value stddev = f.sqrt(f.add(f.variance(v[0], v[1]), f.constant(epsilon)));
                    return {f.div(f.constant(1), stddev)};
                  });
  return {group[Mean], invStd.front()};
}

Normalizer TrainingWriter::movingNormalizer() {
  SmallVector<Value> invStd = mapElements(b, loc, Operand(op.getMoving()[1]), f64,
                                          [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                                            Value stddev = f.sqrt(f.add(v[0], f.constant(epsilon)));
                                            return {f.div(f.constant(1), stddev)};
                                          });
  return {op.getMoving()[0], invStd.front()};
}

//===----------------------------------------------------------------------===//
// The data
//===----------------------------------------------------------------------===//

/// center, scale and shift, null where there is none:
///
///   center = mean rounded    scale = inv_std * r * a * gamma
///   shift  = (d * a + b) * gamma + beta + (center - mean) * scale
SmallVector<Value> TrainingWriter::coefficients(const GroupLoops &loops,
                                                const Normalizer &normalizer, Value adjustScale,
                                                Value adjustBias) {
  FloatType compute = op.getComputeType();
  auto meanType = cast<RankedTensorType>(normalizer.mean.getType()).getElementType();
  bool isRounded = meanType.getIntOrFloatBitWidth() > compute.getWidth();
  bool isShifted = isRounded || d || adjustBias || op.getBeta();
  SmallVector<Type> types(isShifted ? 3 : 2, compute);
  SmallVector<Operand> operands{loops.perGroup(normalizer.mean),
                                loops.perGroup(normalizer.invStd),
                                loops.perKept(r),
                                loops.perKept(d),
                                loops.perElement(adjustScale),
                                loops.perElement(adjustBias),
                                loops.perKept(op.getGamma()),
                                loops.perKept(op.getBeta())};
  SmallVector<Value> written =
      mapElements(b, loc, loops.sizes, operands, types,
                  [&](Formula &f, ArrayRef<Value> v) -> SmallVector<Value> {
                    Value mean = v[0], invStd = v[1], ratio = v[2], distance = v[3];
                    Value a = v[4], bias = v[5], gamma = v[6], beta = v[7];
                    Value scale = f.scaled(f.scaled(f.scaled(invStd, ratio), a), gamma);
                    Value shift = f.scaled(f.shifted(f.scaled(distance, a), bias), gamma);
                    shift = f.shifted(shift, beta);
                    if (isRounded)
                      shift = f.shifted(shift, roundingLoss(f, mean, scale, compute));
                    SmallVector<Value> results{mean, scale};
                    if (shift)
                      results.push_back(shift);
                    return results;
                  });
  written.resize(3);
  return written;
}

/// The result; one normalizer for every piece of `batch`.
Value TrainingWriter::normalized(const BatchPieces &batch, ArrayRef<Normalizer> normalizers) {
  Type element = op.getResult().getType().getElementType();
  Value y = tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, op.getData()), element);
  for (auto [piece, normalizer] : llvm::zip_equal(batch.get(), normalizers)) {
    Value data = batch.cut(piece, op.getData());
    Value scale = batch.cut(piece, op.getAdjustScale());
    Value bias = batch.cut(piece, op.getAdjustBias());
    GroupLoops loops(b, loc, piece, data, {scale, bias});
    SmallVector<Value> c = coefficients(loops, normalizer, scale, bias);
    Value init = batch.destination(piece, y);
    auto map = AffineOp::create(b, loc, init.getType(), data, c[0], c[1], c[2], init, loops.axes,
                                op.getUnsignedData(), ScheduleAttr());
    y = batch.paste(piece, map->getResult(0), y);
  }
  return y;
}

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

SmallVector<Value> TrainingWriter::write() {
  SmallVector<GroupStatistics> groups = groupStatistics();
  SmallVector<Value> all = joined(groups);
  bool isFrozen = !op.getUseBatchStatistics();
  bool hasRenorm = !op.getRenorm().empty();

  BatchAverage batch;
  if (!op.getMoving().empty() && (op.getUpdateMoving() || (hasRenorm && !isFrozen)))
    batch = averageGroups(b, op, all, pieces.haveGhosts());
  SmallVector<Value> state = updatedStatistics(b, op, batch);

  Value y, count, mean, invStd;
  if (isFrozen) {
    BatchPieces whole(b, loc, op.getKept());
    Normalizer moving = movingNormalizer();
    y = normalized(whole, moving);
    count = all[Count];
    if (pieces.haveGhosts())
      count = sumGhosts(b, loc, count, 1, copyFormula).front();
    mean = mapElements(b, loc, Operand(moving.mean), f64, copyFormula).front();
    invStd = moving.invStd;
  } else {
    if (hasRenorm)
      std::tie(r, d) = renormCorrections(b, op, batch);
    SmallVector<Normalizer> normalizers = llvm::map_to_vector(
        groups, [&](const GroupStatistics &group) { return normalizerOf(group); });
    y = normalized(pieces, normalizers);
    count = all[Count];
    mean = all[Mean];
    invStd = pieces.join(llvm::map_to_vector(
        normalizers, [](const Normalizer &normalizer) { return normalizer.invStd; }));
  }

  SmallVector<Value> results{y, count, mean, invStd};
  llvm::append_range(results, state);
  if (hasRenorm && isFrozen) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, op.getRenorm().front());
    for (double value : {1, 0}) {
      Value constant = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
      Value init = tensor::EmptyOp::create(b, loc, sizes, f64);
      results.push_back(linalg::FillOp::create(b, loc, constant, init).getResult(0));
    }
  } else if (hasRenorm) {
    results.append({r, d});
  }
  // Types may differ in what of an extent is known.
  for (auto [value, type] : llvm::zip_equal(results, op->getResultTypes()))
    if (value.getType() != type)
      value = tensor::CastOp::create(b, loc, type, value);
  return results;
}

namespace {

///   norma.batch_norm_training %x gamma(%g) beta(%b) moving(%mean, %variance)
///   -> %n, %m, %s = norma.moments ins(%x)
///      %inv_std = linalg.generic(%n, %s)
///      %center, %scale, %shift = linalg.generic(%m, %inv_std, %g, %b)
///      norma.affine ins(%x) center(%center) scale(%scale) shift(%shift)
///      linalg.generic(%n, %m, %s, %mean, %variance)         (the moving statistics)
struct DecomposeBatchNormTraining : OpRewritePattern<BatchNormTrainingOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormTrainingOp op, PatternRewriter &rewriter) const final {
    rewriter.replaceOp(op, TrainingWriter(op, rewriter).write());
    return success();
  }
};

} // namespace

void norma::populateDecomposeBatchNormTrainingPatterns(RewritePatternSet &patterns) {
  patterns.add<DecomposeBatchNormTraining>(patterns.getContext());
}
