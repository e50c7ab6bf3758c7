//===- NormaToLinalg.cpp - Kernel ops on tensors to linalg ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The executable specification of the kernel ops: what they compute, written as
// plainly as linalg allows, and nothing about how to compute it fast.
//
//===----------------------------------------------------------------------===//

#include "NormaToLinalg.h"

#include "norma/Conversion/Passes.h"
#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

#include <limits>

namespace norma {
#define GEN_PASS_DEF_CONVERTNORMATOLINALGPASS
#include "norma/Conversion/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

namespace {

//===----------------------------------------------------------------------===//
// AffineOp
//===----------------------------------------------------------------------===//

///   norma.affine ins(%x) center(%c) scale(%s) shift(%t) outs(%init)
///   -> linalg.generic ins(%x, %c, %s, %t) outs(%init)
struct AffineToLinalg : OpRewritePattern<AffineOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AffineOp op, PatternRewriter &rewriter) const final {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    int64_t rank = cast<ShapedType>(op.getData().getType()).getRank();
    auto compute = op.getComputeType();
    auto element = cast<FloatType>(cast<ShapedType>(op.getOut().getType()).getElementType());

    SmallVector<Value> inputs{op.getData()};
    llvm::append_range(inputs, op.getCoefficients());
    SmallVector<AffineMap> maps(inputs.size(), keptMap(rewriter, rank, op.getKept()));
    maps.front() = rewriter.getMultiDimIdentityMap(rank);
    maps.push_back(maps.front());
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
      auto coefficient = std::next(arguments.begin());
      Value y = toFloat(b, loc, arguments[0], compute, op.getUnsignedData());
      if (op.getCenter())
        y = arith::SubFOp::create(b, loc, y, *coefficient++);
      if (op.getScale())
        y = arith::MulFOp::create(b, loc, y, *coefficient++);
      if (op.getShift())
        y = arith::AddFOp::create(b, loc, y, *coefficient++);
      linalg::YieldOp::create(b, loc, toOutput(b, loc, y, element));
    };
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(op, op->getResultTypes(), inputs, op.getOut(),
                                                   maps, iterators, body);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// MomentsOp
//===----------------------------------------------------------------------===//

/// An element of the data inside the body of a generic op.
struct Element {
  Value value, weight;
  /// i1, whether it takes part; null when every element does.
  Value takesPart;
};

/// Writes the generic ops of one norma.moments.
class MomentsWriter {
public:
  MomentsWriter(MomentsOp op, RewriterBase &rewriter)
      : op(op), b(rewriter), loc(op.getLoc()), f64(rewriter.getF64Type()),
        data(cast<ShapedType>(op.getData().getType())) {
    addInput(op.getData(), rewriter.getMultiDimIdentityMap(data.getRank()));
    if (op.getMask())
      addInput(op.getMask(),
               broadcastMap(rewriter, cast<ShapedType>(op.getMask().getType()), data));
    if (op.getWeights())
      addInput(op.getWeights(),
               broadcastMap(rewriter, cast<ShapedType>(op.getWeights().getType()), data));
  }

  /// count, mean and m2.
  SmallVector<Value> write() {
    double infinity = std::numeric_limits<double>::infinity();
    ValueRange sums = reduce(
        {filled(op.getCount(), 0), filled(empty(), 0), filled(empty(), infinity),
         filled(empty(), -infinity)},
        [](OpBuilder &b, Location loc, const Element &x, ValueRange totals) -> SmallVector<Value> {
          Value weighted = arith::MulFOp::create(b, loc, x.weight, x.value);
          return {arith::AddFOp::create(b, loc, totals[0], x.weight),
                  arith::AddFOp::create(b, loc, totals[1], weighted),
                  arith::MinimumFOp::create(b, loc, totals[2], x.value),
                  arith::MaximumFOp::create(b, loc, totals[3], x.value)};
        });
    Value count = sums[0];
    Value mean = meanOf(sums);
    ValueRange m2 = reduce(
        {filled(op.getM2(), 0)},
        [](OpBuilder &b, Location loc, const Element &x, ValueRange totals) -> SmallVector<Value> {
          Value deviation = arith::SubFOp::create(b, loc, x.value, totals[0]);
          Value square = arith::MulFOp::create(b, loc, deviation, deviation);
          Value weighted = arith::MulFOp::create(b, loc, x.weight, square);
          return {arith::AddFOp::create(b, loc, totals[1], weighted)};
        },
        mean);
    return {count, mean, m2[0]};
  }

private:
  using Step = function_ref<SmallVector<Value>(OpBuilder &, Location, const Element &, ValueRange)>;

  void addInput(Value value, AffineMap map) {
    inputs.push_back(value);
    inputMaps.push_back(map);
  }

  Value empty() {
    return tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, op.getCount()), f64);
  }

  Value filled(Value init, double value) {
    Value constant = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
    return linalg::FillOp::create(b, loc, constant, init).getResult(0);
  }

  /// One pass over the data. `step` gets an element, the values of `perKept` at its
  /// kept index and the totals so far, and returns the new totals. Elements that
  /// take no part leave the totals alone whatever their value is, NaN and infinity
  /// included.
  ValueRange reduce(ArrayRef<Value> totals, Step step, ValueRange perKept = {}) {
    AffineMap perIndex = keptMap(b, data.getRank(), op.getKept());
    SmallVector<Value> operands(inputs);
    SmallVector<AffineMap> maps(inputMaps);
    llvm::append_range(operands, perKept);
    maps.append(perKept.size() + totals.size(), perIndex);
    SmallVector<Type> types;
    for (Value total : totals)
      types.push_back(total.getType());
    auto body = [&](OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
      Element x = load(nested, nestedLoc, arguments);
      SmallVector<Value> next = step(nested, nestedLoc, x, arguments.drop_front(inputs.size()));
      if (x.takesPart)
        for (auto [value, total] : llvm::zip(next, arguments.take_back(totals.size())))
          value = arith::SelectOp::create(nested, nestedLoc, x.takesPart, value, total);
      linalg::YieldOp::create(nested, nestedLoc, next);
    };
    return linalg::GenericOp::create(b, loc, types, operands, totals, maps,
                                     reductionIterators(data.getRank(), op.getKept()), body)
        .getResults();
  }

  Element load(OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
    auto next = arguments.begin();
    Element x;
    auto require = [&](Value condition) {
      x.takesPart = x.takesPart
                        ? Value(arith::AndIOp::create(nested, nestedLoc, x.takesPart, condition))
                        : condition;
    };
    x.value = toFloat(nested, nestedLoc, *next++, f64, op.getUnsignedData());
    if (op.getMask())
      require(isNotZero(nested, nestedLoc, *next++));
    if (op.getWeights()) {
      x.weight = toFloat(nested, nestedLoc, *next++, f64, /*isUnsigned=*/false);
      require(isNotZero(nested, nestedLoc, x.weight));
    } else {
      x.weight = arith::ConstantOp::create(nested, nestedLoc, nested.getF64FloatAttr(1));
    }
    if (op.getNan() == NanHandling::Omit && isa<FloatType>(data.getElementType()))
      require(
          arith::CmpFOp::create(nested, nestedLoc, arith::CmpFPredicate::ORD, x.value, x.value));
    return x;
  }

  /// sum / count, and 0 where nothing was counted. Where all elements are equal it is
  /// that element: the rounding of a sum must not give a constant a variance.
  Value meanOf(ValueRange sums) {
    int64_t rank = cast<ShapedType>(op.getMean().getType()).getRank();
    SmallVector<AffineMap> maps(sums.size() + 1, b.getMultiDimIdentityMap(rank));
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    auto body = [](OpBuilder &nested, Location nestedLoc, ValueRange v) {
      Value count = v[0], sum = v[1], least = v[2], greatest = v[3];
      Value zero = arith::ConstantOp::create(nested, nestedLoc, nested.getF64FloatAttr(0));
      Value quotient = arith::DivFOp::create(nested, nestedLoc, sum, count);
      Value equal =
          arith::CmpFOp::create(nested, nestedLoc, arith::CmpFPredicate::OEQ, least, greatest);
      Value mean = arith::SelectOp::create(nested, nestedLoc, equal, least, quotient);
      Value none = arith::CmpFOp::create(nested, nestedLoc, arith::CmpFPredicate::OEQ, count, zero);
      linalg::YieldOp::create(nested, nestedLoc,
                              Value(arith::SelectOp::create(nested, nestedLoc, none, zero, mean)));
    };
    return linalg::GenericOp::create(b, loc, op.getMean().getType(), sums, op.getMean(), maps,
                                     iterators, body)
        .getResult(0);
  }

  MomentsOp op;
  RewriterBase &b;
  Location loc;
  FloatType f64;
  ShapedType data;
  SmallVector<Value> inputs;
  SmallVector<AffineMap> inputMaps;
};

///   %n, %mean, %m2 = norma.moments ins(%x) outs(...)
///   -> %n, %sum, %least, %greatest = linalg.generic ins(%x)      over the data
///      %mean = linalg.generic ins(%n, %sum, %least, %greatest)   over the kept indices
///      %m2 = linalg.generic ins(%x, %mean)                       over the data
struct MomentsToLinalg : OpRewritePattern<MomentsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MomentsOp op, PatternRewriter &rewriter) const final {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    rewriter.replaceOp(op, MomentsWriter(op, rewriter).write());
    return success();
  }
};

struct ConvertNormaToLinalgPass
    : norma::impl::ConvertNormaToLinalgPassBase<ConvertNormaToLinalgPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateNormaToLinalgPatterns(set);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override { walkAndApplyPatterns(getOperation(), patterns); }

  FrozenRewritePatternSet patterns;
};

} // namespace

void norma::populateNormaToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<AffineToLinalg, MomentsToLinalg>(patterns.getContext());
  populateGradToLinalgPatterns(patterns);
}
