//===- GroupLoops.h - Loops over statistics groups --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_TRANSFORMS_GROUPLOOPS_H
#define NORMA_LIB_TRANSFORMS_GROUPLOOPS_H

#include "BatchPieces.h"
#include "Formula.h"

namespace norma {

/// The loops of a generic op that makes one number for every group of a piece, or
/// more where an adjustment varies within a group: then there is also a loop for
/// every axis along which it does.
struct GroupLoops {
  /// `data` and `adjustments` (null where absent) are those of the piece.
  GroupLoops(mlir::OpBuilder &b, mlir::Location loc, const BatchPiece &piece, mlir::Value data,
             llvm::ArrayRef<mlir::Value> adjustments = {});

  /// Whether groups are told apart further.
  bool areRefined() const { return axes.size() > groupLoops.size(); }

  /// A number for every group, for every kept index, and an operand that broadcasts
  /// to the data.
  Operand perGroup(mlir::Value value) const { return {value, mapOf(groupLoops)}; }
  Operand perKept(mlir::Value value) const { return {value, mapOf(keptLoops)}; }
  Operand perElement(mlir::Value value) const;

  /// The axis of the data of every loop, ascending: the kept axes of a kernel that
  /// makes or takes such numbers.
  llvm::SmallVector<int64_t> axes;
  llvm::SmallVector<mlir::OpFoldResult> sizes;
  /// The loops over the groups, and those over the kept extents of the batch.
  llvm::SmallVector<int64_t> groupLoops, keptLoops;

private:
  mlir::AffineMap mapOf(llvm::ArrayRef<int64_t> loops) const;

  mlir::MLIRContext *context;
};

} // namespace norma

#endif // NORMA_LIB_TRANSFORMS_GROUPLOOPS_H
