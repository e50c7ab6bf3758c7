//===- RunCompanion.h - What goes beside a reduction's runs -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_RUNCOMPANION_H
#define NORMA_CONVERSION_NORMATOLOOPS_RUNCOMPANION_H

#include "mlir/IR/Builders.h"

namespace norma {

/// Emits something for every vector that a reduction by runs adds to its sums: of other data of
/// the same shape, at the same indices.
class RunCompanion {
public:
  /// Before all, where runs fill rows of whole vectors: what is visited are places in these, of
  /// two indices.
  virtual void enterRows(mlir::OpBuilder::InsertPoint at) = 0;
  /// At the beginning of a run, whose first element is at `indices`.
  virtual void enterRun(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices) = 0;
  /// At a vector, in the lanes of `tail` (all where it is null).
  virtual void visit(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices,
                     mlir::Value tail) = 0;
  /// At a vector of a row in which a run ends, whose lanes are on the mask; the others are of the
  /// run at `next`.
  virtual void visitBoth(mlir::OpBuilder::InsertPoint at, mlir::ValueRange indices,
                         mlir::Value mask, mlir::ValueRange next) = 0;

protected:
  ~RunCompanion() = default;
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_RUNCOMPANION_H
