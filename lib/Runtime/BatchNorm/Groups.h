//===- Groups.h - A batch as pieces of statistics groups --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels know kept axes, not ghosts. But a batch of whole ghosts, its axis 0 split in
// two, has the ghosts as one more kept axis; what does not fill a ghost is a piece of
// its own behind it. So every call of a kernel works on one piece.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BATCHNORM_GROUPS_H
#define NORMA_RUNTIME_BATCHNORM_GROUPS_H

#include "norma/Support/BatchNorm.h"

namespace norma {

/// Samples of a batch in a view in which every statistics group is a kept index.
struct BatchPiece {
  /// Samples [begin, end) of all.
  int64_t begin = 0, end = 0, samples = 0;
  /// The ghosts of the piece: [firstGhost, firstGhost + ghosts).
  int64_t firstGhost = 0, ghosts = 1;
  /// How axis 0 is split into two; absent where it stays.
  std::optional<GhostGrouping> split = {};
  /// The kept axes of views, and their extents.
  Dims kept, groupShape;

  /// The piece of the data, or of a tensor that broadcasts to it from the left.
  Tensor view(const Tensor &tensor) const;
  /// An error about a view, saying which: its indices are not the caller's.
  Error located(Error error) const;
};

/// The statistics groups of a batch, numbered (ghost, kept index).
struct BatchGroups {
  Dims keptShape, groupShape;
  /// Kept indices, and ghosts of the whole batch; one ghost where it is not cut.
  int64_t keptSize = 1, ghosts = 1;
  std::vector<BatchPiece> pieces;

  /// The groups of data of `shape`, `kept` having been checked. Errors: data that cannot
  /// be cut as `cut` says.
  static Expected<BatchGroups> create(const Dims &shape, std::span<const int64_t> kept,
                                      const GhostBatches &cut);

  /// The number of the first group of a piece.
  int64_t first(const BatchPiece &piece) const { return piece.firstGhost * keptSize; }
  /// Values per kept index, repeated for every ghost. None stay none.
  std::vector<double> repeated(const std::vector<double> &perKept) const;
  BatchNormParameters repeated(const BatchNormParameters &parameters) const;
  /// With r and d for every group.
  BatchNormForward repeated(BatchNormForward forward) const;
};

} // namespace norma

#endif // NORMA_RUNTIME_BATCHNORM_GROUPS_H
