//===- PieceLayout.h - How a large tensor is cut for streaming --*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file in C order is streamed in pieces that are contiguous in it. The axes of
// a piece are, from the outermost: single indices, then a range of one axis (the
// cut axis), then whole axes. Its statistics are a contiguous range of the kept
// indices in the same way, so kept axes may stand anywhere.
//
//   shape (1000, 13), kept {1}     pieces (600, 13) (400, 13), statistics 0..13 each
//   shape (3, 10^9),  kept {0}     pieces (1, 2^21) ..., statistics 0, 0, ..., 1, ...
//
// The bounds depend on nothing but the arguments, never on the machine.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_PIECELAYOUT_H
#define NORMA_TOOLS_NORMA_PIECELAYOUT_H

#include "norma/Support/AxisForm.h"
#include "norma/Support/Statistics.h"

namespace norma::tool {

struct Piece {
  /// The elements of the whole that come before it, and its own.
  int64_t begin = 0, size = 0;
  /// Of the same rank as the whole.
  Dims origin, shape;
  /// Its range in the row-major kept indices of the whole.
  int64_t statisticsBegin = 0, statisticsSize = 1;
};

class PieceLayout {
public:
  /// Pieces of about `targetElements`, never more than that. Pieces of whole rows
  /// of axis 0 have a multiple of `rowMultiple` rows where that is not too many.
  /// Only the first `rows` rows of axis 0 are visited.
  PieceLayout(const Dims &shape, const Dims &kept, int64_t targetElements, int64_t rowMultiple = 1,
              int64_t rows = INT64_MAX);

  int64_t count() const { return pieces; }
  Piece piece(int64_t index) const;
  /// The axis that is cut into ranges; 0 when the tensor has rank 0.
  int cutAxis() const { return cut; }
  /// Elements of the largest piece.
  int64_t largest() const { return step * inner; }
  /// Elements of all pieces.
  int64_t total() const { return outer * extent * inner; }

private:
  Dims shape, kept;
  int cut = 0;
  /// Extents before, of, and after the cut axis; `extent` is what is visited.
  int64_t outer = 1, extent = 1, inner = 1;
  /// Indices of the cut axis in one piece, and pieces in one range of the axis.
  int64_t step = 1, perRange = 0, pieces = 0;
};

/// A Fortran-order tensor is a C-order tensor of the reversed shape. These turn
/// the shape, the axes and the statistics of one into those of the other.
Dims mirrorShape(const Dims &shape);
Dims mirrorAxes(const Dims &axes, int rank);
Statistics mirrorStatistics(const Statistics &statistics);

/// The kept indices [begin, begin + size) of `statistics`, with another shape.
Statistics sliceStatistics(const Statistics &statistics, int64_t begin, const Dims &shape);
/// Merges `part` into the kept indices of `whole` from `begin` on.
Expected<void> mergeIntoRange(Statistics &whole, int64_t begin, const Statistics &part);

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_PIECELAYOUT_H
