//===- Formula.h - Formulas on small tensors --------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a decomposition does per kept index: linalg.generic ops whose bodies are
// scalar f64 arithmetic. Optional operands are null where they are not given, and
// then nothing is written for them.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_TRANSFORMS_FORMULA_H
#define NORMA_LIB_TRANSFORMS_FORMULA_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace norma {

/// Writes scalar f64 arithmetic into the body of a generic op.
struct Formula {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value constant(double value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value neg(mlir::Value x);
  mlir::Value sqrt(mlir::Value x);
  /// NaN stays NaN.
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value equal(mlir::Value x, mlir::Value y);
  mlir::Value atMost(mlir::Value x, mlir::Value y);
  mlir::Value isFinite(mlir::Value x);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value toF64(mlir::Value x);
  mlir::Value fromF64(mlir::Value x, mlir::Type type);

  /// x * factor, where an absent factor is 1 and an absent x leaves nothing.
  mlir::Value scaled(mlir::Value x, mlir::Value factor);
  /// x + term, where what is absent is 0.
  mlir::Value shifted(mlir::Value x, mlir::Value term);
  /// m2 / count, 0 where nothing was counted.
  mlir::Value variance(mlir::Value count, mlir::Value m2);
};

/// What a generic op reads: a tensor, and how the loops index it. Without a map its
/// axes are the last loops, so that a scalar repeats, and so does what has no ghost
/// axis over groups that have one in front.
struct Operand {
  Operand(mlir::Value value, mlir::AffineMap map = {}) : value(value), map(map) {}

  mlir::Value value;
  mlir::AffineMap map;
};

/// Gets one element of every operand as f64, null for those that are absent.
using FormulaBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
    Formula &, llvm::ArrayRef<mlir::Value> elements)>;

/// New tensors of the shape `sizes` and the `results` element types, element by
/// element what `body` returns, rounded once.
llvm::SmallVector<mlir::Value> mapElements(mlir::OpBuilder &b, mlir::Location loc,
                                           llvm::ArrayRef<mlir::OpFoldResult> sizes,
                                           llvm::ArrayRef<Operand> operands,
                                           mlir::TypeRange results, FormulaBody body);

/// The same over the shape of the first operand.
llvm::SmallVector<mlir::Value> mapElements(mlir::OpBuilder &b, mlir::Location loc,
                                           llvm::ArrayRef<Operand> operands,
                                           mlir::TypeRange results, FormulaBody body);

/// The `count` sums, f64, of what `body` returns, for every index of the `kept` loops
/// over all others.
llvm::SmallVector<mlir::Value> sumElements(mlir::OpBuilder &b, mlir::Location loc,
                                           llvm::ArrayRef<mlir::OpFoldResult> sizes,
                                           llvm::ArrayRef<int64_t> kept,
                                           llvm::ArrayRef<Operand> operands, unsigned count,
                                           FormulaBody body);

/// The elements as they are.
llvm::SmallVector<mlir::Value> copyFormula(Formula &f, llvm::ArrayRef<mlir::Value> v);

/// norma.merge of (count, mean, m2) and (count, mean, m2).
llvm::SmallVector<mlir::Value> mergeFormula(Formula &f, llvm::ArrayRef<mlir::Value> v);

/// What (x - center) * scale lacks when `center` is rounded to the `compute` type; 0
/// where that is not finite, null where nothing is rounded.
mlir::Value roundingLoss(Formula &f, mlir::Value center, mlir::Value scale, mlir::Type compute);

} // namespace norma

#endif // NORMA_LIB_TRANSFORMS_FORMULA_H
