//===- BatchPieces.h - A batch and its ghosts as tensors --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A ghost batch is one more kept axis: axis 0 of the data is split in two, one of
// which tells the ghosts apart. Samples that do not fill a ghost are a piece of
// their own with one ghost. A batch that is not cut is one piece as it is.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_TRANSFORMS_BATCHPIECES_H
#define NORMA_LIB_TRANSFORMS_BATCHPIECES_H

#include "norma/Dialect/Norma.h"

#include <optional>

namespace norma {

/// A part of a batch in which every kept index is a statistics group.
struct BatchPiece {
  /// The samples of the batch: `samples` of them behind `first`.
  mlir::OpFoldResult first, samples;
  /// The extents that axis 0 is split into; empty where it stays as it is.
  llvm::SmallVector<mlir::OpFoldResult> split;
  /// The kept axes of the data so split. The ghost axis, where there is one, is the
  /// first of them.
  llvm::SmallVector<int64_t> kept;
  /// Kept axes in front that the batch does not have: 1 with ghosts, else 0.
  int64_t ghostAxes = 0;
};

class BatchPieces {
public:
  /// The batch as it is.
  BatchPieces(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<int64_t> kept);
  /// The batch `data` in ghosts of `size` samples, or as it is without a size.
  BatchPieces(mlir::OpBuilder &b, mlir::Location loc, mlir::Value data,
              llvm::ArrayRef<int64_t> kept, std::optional<int64_t> size, GhostGroupingKind grouping,
              GhostRemainderKind remainder);

  llvm::ArrayRef<BatchPiece> get() const { return pieces; }
  bool haveGhosts() const { return pieces.front().ghostAxes > 0; }

  /// The part of the data, or of an operand that broadcasts to it, that belongs to a
  /// piece; null for null.
  mlir::Value cut(const BatchPiece &piece, mlir::Value value) const;
  /// What a kernel may write a piece of `value` to, which has the shape of the data and
  /// holds nothing there.
  mlir::Value destination(const BatchPiece &piece, mlir::Value value) const;
  /// `value` with one piece overwritten.
  mlir::Value paste(const BatchPiece &piece, mlir::Value part, mlir::Value value) const;

  /// The part of a tensor over all groups, f64, that belongs to a piece.
  mlir::Value groupsOf(const BatchPiece &piece, mlir::Value all) const;
  /// The tensor over all groups, from one tensor for every piece.
  mlir::Value join(mlir::ValueRange parts) const;

  using Combine = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange whole,
                                                                    mlir::ValueRange tail)>;
  /// Where the samples behind the whole ghosts belong to the last one, numbers of the
  /// two pieces are combined, and both get the result.
  void combineSharedGhost(llvm::MutableArrayRef<llvm::SmallVector<mlir::Value>> parts,
                          Combine combine) const;

private:
  template <typename Op>
  mlir::OpFoldResult index(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::Value withSamples(mlir::Value value, mlir::OpFoldResult samples) const;
  mlir::Value slice(mlir::Value value, mlir::OpFoldResult first, mlir::OpFoldResult count) const;
  mlir::Value insert(mlir::Value part, mlir::Value value, mlir::OpFoldResult first,
                     mlir::OpFoldResult count) const;
  mlir::Value emptyLike(mlir::Value value, mlir::OpFoldResult firstExtent) const;

  mlir::OpBuilder &b;
  mlir::Location loc;
  llvm::SmallVector<BatchPiece, 2> pieces;
  /// Whole ghosts and all ghosts.
  mlir::OpFoldResult whole, ghosts;
  bool shareLastGhost = false;
};

} // namespace norma

#endif // NORMA_LIB_TRANSFORMS_BATCHPIECES_H
