//===- MapLoops.h - What map kernels share ----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One result for every element, from the inputs at its index and coefficients of
// its kept index. The traversals are here; a kernel says what an element becomes.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_MAPLOOPS_H
#define NORMA_CONVERSION_NORMATOLOOPS_MAPLOOPS_H

#include "LoopEmitter.h"
#include "RunCompanion.h"

#include "norma/Dialect/Norma.h"

#include "mlir/IR/PatternMatch.h"

namespace norma {

using Values = LoopEmitter::Values;

class MapLoops : public RunCompanion {
public:
  virtual ~MapLoops() = default;
  void emit();

  // Beside a reduction, which ends with finish().
  void enterRows(mlir::OpBuilder::InsertPoint at) override;
  void enterRun(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices) override;
  void visit(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices, mlir::Value tail) override;
  void visitBoth(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices, mlir::Value mask,
                 mlir::ValueRange next) override;
  void finish(mlir::OpBuilder::InsertPoint at);

protected:
  /// `inputs` are the operands of the data's shape, data first. Coefficients that are
  /// absent are null.
  template <typename Op>
  MapLoops(Op op, mlir::RewriterBase &rewriter, Values inputs, Values coefficients)
      : schedule(op.getScheduleAttr()), e(op.getLoc(), rewriter, schedule.getVector()),
        compute(op.getComputeType()),
        dataType(mlir::cast<mlir::MemRefType>(op.getData().getType())), kept(op.getKept()),
        inputs(std::move(inputs)), out(op.getOut()), coefficients(std::move(coefficients)) {}

  /// The result, in the compute type, for one vector of elements: those of `from` at
  /// `indices`, in the lanes of `tail` (all where it is null).
  virtual mlir::Value element(mlir::ValueRange from, mlir::ValueRange indices,
                              llvm::ArrayRef<mlir::Value> c, mlir::Value tail) = 0;

  ScheduleAttr schedule;
  LoopEmitter e;
  mlir::Type compute;
  mlir::MemRefType dataType;

private:
  mlir::Value chooseDirection();
  void emitFence();
  int64_t lanesOfArithmetic() const;
  void emitFlat();
  void emitFlatRows();
  /// A vector of elements and its coefficients.
  struct Place {
    Values indices, coefficients;
  };
  /// `placeOf` is asked for each when it is its turn.
  void storeElements(mlir::ValueRange from, mlir::Value to, size_t count,
                     llvm::function_ref<Place(size_t)> placeOf, mlir::Value tail);
  void storeElement(mlir::ValueRange from, mlir::Value to, const Place &place, mlir::Value tail) {
    storeElements(from, to, 1, [&](size_t) { return place; }, tail);
  }
  void storeAbreast(mlir::ValueRange from, mlir::Value to, llvm::ArrayRef<mlir::Value> lines,
                    llvm::ArrayRef<mlir::Value> indices, int64_t count, mlir::Value tail,
                    llvm::function_ref<Values(mlir::Value i, int64_t l)> at);
  void prefetch(mlir::ValueRange from, mlir::ValueRange indices);
  Values eachCoefficient(llvm::ArrayRef<mlir::Value> from,
                         llvm::function_ref<mlir::Value(mlir::Value)> make);
  Values broadcastCoefficients(mlir::ValueRange indices);
  Values loadVectors(llvm::ArrayRef<mlir::Value> from, mlir::ValueRange indices, mlir::Value tail);
  Values expandCoefficients();
  int64_t rowElements() const;
  Values lineScratch();
  void fillLines(llvm::ArrayRef<mlir::Value> lines, mlir::Value firstKept, int64_t features,
                 int64_t inner);
  void storeCoefficients(llvm::ArrayRef<mlir::Value> vectors, llvm::ArrayRef<mlir::Value> lines,
                         mlir::Value at);
  Values keptOf(mlir::ValueRange indices);

  // MapRows.cpp
  void emitRows();
  /// A row, or a run with its coefficients; its index along the innermost axis is for others to
  /// set.
  struct Row {
    Values indices, coefficients;
  };
  Row rowAt(Values indices);
  void emitRow(const Row &row);
  void emitRowsAbreast(Values indices, int64_t count);
  mlir::Value headOf(llvm::ArrayRef<mlir::Value> indices);
  mlir::Value maskOfHead(mlir::Value head);
  void storeInRows(llvm::ArrayRef<Row> rows, llvm::ArrayRef<mlir::Value> columns, mlir::Value tail);

  llvm::ArrayRef<int64_t> kept;
  Values inputs;
  mlir::Value out;
  Values coefficients;
  /// See chooseDirection().
  mlir::Value isBackwards;
  /// Those of the run that was entered last.
  Values runCoefficients;
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_MAPLOOPS_H
