//===- Formula.cpp - Formulas on small tensors ----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Formula.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value Formula::constant(double value) {
  return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
}
Value Formula::add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value Formula::sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value Formula::mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value Formula::div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
Value Formula::neg(Value x) { return arith::NegFOp::create(b, loc, x); }
Value Formula::sqrt(Value x) { return math::SqrtOp::create(b, loc, x); }
Value Formula::max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
Value Formula::min(Value x, Value y) { return arith::MinimumFOp::create(b, loc, x, y); }

Value Formula::equal(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
}

Value Formula::atMost(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, x, y);
}

Value Formula::isFinite(Value x) {
  Value magnitude = math::AbsFOp::create(b, loc, x);
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, magnitude,
                               constant(std::numeric_limits<double>::infinity()));
}

Value Formula::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, loc, condition, x, y);
}

Value Formula::toF64(Value x) {
  if (x.getType().isF64())
    return x;
  if (x.getType().isInteger())
    return arith::SIToFPOp::create(b, loc, b.getF64Type(), x);
  return arith::ExtFOp::create(b, loc, b.getF64Type(), x);
}

Value Formula::fromF64(Value x, Type type) {
  return type.isF64() ? x : arith::TruncFOp::create(b, loc, type, x);
}

Value Formula::scaled(Value x, Value factor) { return x && factor ? mul(x, factor) : x; }

Value Formula::shifted(Value x, Value term) {
  if (!x || !term)
    return x ? x : term;
  return add(x, term);
}

Value Formula::variance(Value count, Value m2) {
  Value zero = constant(0);
  return select(equal(count, zero), zero, div(m2, count));
}

//===----------------------------------------------------------------------===//
// Generic ops
//===----------------------------------------------------------------------===//

/// One generic op over `rank` loops. The body gets the elements of the operands
/// (see FormulaBody), then those of the inits, and returns what is yielded.
static SmallVector<Value>
createGeneric(OpBuilder &b, Location loc, ArrayRef<utils::IteratorType> iterators,
              ArrayRef<Operand> operands, ValueRange inits, AffineMap initMap,
              function_ref<SmallVector<Value>(Formula &, ArrayRef<Value>, ValueRange)> body) {
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Operand &operand : operands) {
    if (!operand.value)
      continue;
    inputs.push_back(operand.value);
    int64_t rank = cast<ShapedType>(operand.value.getType()).getRank();
    maps.push_back(operand.map
                       ? operand.map
                       : AffineMap::getMinorIdentityMap(iterators.size(), rank, b.getContext()));
  }
  maps.append(inits.size(), initMap);
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange(inits), inputs, inits, maps, iterators,
      [&](OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
        Formula formula{nested, nestedLoc};
        SmallVector<Value> elements;
        auto next = arguments.begin();
        for (const Operand &operand : operands)
          elements.push_back(operand.value ? formula.toF64(*next++) : Value());
        linalg::YieldOp::create(nested, nestedLoc,
                                body(formula, elements, arguments.take_back(inits.size())));
      });
  return SmallVector<Value>(generic.getResults());
}

SmallVector<Value> norma::mapElements(OpBuilder &b, Location loc, ArrayRef<OpFoldResult> sizes,
                                      ArrayRef<Operand> operands, TypeRange results,
                                      FormulaBody body) {
  SmallVector<Value> inits;
  for (Type element : results)
    inits.push_back(tensor::EmptyOp::create(b, loc, sizes, element));
  SmallVector<utils::IteratorType> iterators(sizes.size(), utils::IteratorType::parallel);
  return createGeneric(b, loc, iterators, operands, inits, b.getMultiDimIdentityMap(sizes.size()),
                       [&](Formula &f, ArrayRef<Value> elements, ValueRange) {
                         SmallVector<Value> values = body(f, elements);
                         for (auto [value, type] : llvm::zip_equal(values, results))
                           value = f.fromF64(value, type);
                         return values;
                       });
}

SmallVector<Value> norma::mapElements(OpBuilder &b, Location loc, ArrayRef<Operand> operands,
                                      TypeRange results, FormulaBody body) {
  return mapElements(b, loc, tensor::getMixedSizes(b, loc, operands.front().value), operands,
                     results, body);
}

SmallVector<Value> norma::sumElements(OpBuilder &b, Location loc, ArrayRef<OpFoldResult> sizes,
                                      ArrayRef<int64_t> kept, ArrayRef<Operand> operands,
                                      unsigned count, FormulaBody body) {
  SmallVector<utils::IteratorType> iterators(sizes.size(), utils::IteratorType::reduction);
  SmallVector<AffineExpr> keptLoops;
  SmallVector<OpFoldResult> keptSizes;
  for (int64_t loop : kept) {
    iterators[loop] = utils::IteratorType::parallel;
    keptLoops.push_back(b.getAffineDimExpr(loop));
    keptSizes.push_back(sizes[loop]);
  }
  Value zero = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(0));
  SmallVector<Value> inits;
  for (unsigned i = 0; i < count; ++i) {
    Value init = tensor::EmptyOp::create(b, loc, keptSizes, b.getF64Type());
    inits.push_back(linalg::FillOp::create(b, loc, zero, init).getResult(0));
  }
  return createGeneric(b, loc, iterators, operands, inits,
                       AffineMap::get(sizes.size(), 0, keptLoops, b.getContext()),
                       [&](Formula &f, ArrayRef<Value> elements, ValueRange totals) {
                         SmallVector<Value> values = body(f, elements);
                         for (auto [value, total] : llvm::zip_equal(values, totals))
                           value = f.add(total, value);
                         return values;
                       });
}

//===----------------------------------------------------------------------===//
// Formulas that several ops share
//===----------------------------------------------------------------------===//

SmallVector<Value> norma::copyFormula(Formula &, ArrayRef<Value> v) {
  return SmallVector<Value>(v);
}

SmallVector<Value> norma::mergeFormula(Formula &f, ArrayRef<Value> v) {
  Value countA = v[0], meanA = v[1], m2A = v[2], countB = v[3], meanB = v[4], m2B = v[5];
  Value zero = f.constant(0);
  Value n = f.add(countA, countB);
  Value share = f.div(countB, n);
  Value d = f.sub(meanB, meanA);
  // Infinity stays infinite; opposite infinities and NaN give NaN.
  Value mean = f.select(f.isFinite(d), f.add(meanA, f.mul(d, share)), f.add(meanA, meanB));
  Value m2 = f.add(f.add(m2A, m2B), f.mul(f.mul(d, d), f.mul(countA, share)));
  // An empty side leaves the other as it is; 0/0 above is then not used.
  Value emptyA = f.equal(countA, zero), emptyB = f.equal(countB, zero);
  mean = f.select(emptyB, meanA, f.select(emptyA, meanB, mean));
  m2 = f.select(emptyB, m2A, f.select(emptyA, m2B, m2));
  return {n, mean, m2};
}

Value norma::roundingLoss(Formula &f, Value center, Value scale, Type compute) {
  if (compute.isF64())
    return {};
  Value rounded = f.toF64(f.fromF64(center, compute));
  Value loss = f.mul(f.sub(rounded, center), scale);
  return f.select(f.isFinite(loss), loss, f.constant(0));
}
