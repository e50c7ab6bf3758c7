//===- PieceLayout.cpp - How a large tensor is cut for streaming ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PieceLayout.h"

using namespace norma;
using namespace norma::tool;

static bool contains(const Dims &axes, int axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

PieceLayout::PieceLayout(const Dims &shape, const Dims &kept, int64_t targetElements,
                         int64_t rowMultiple, int64_t rows)
    : shape(shape), kept(kept) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end() || rows == 0) {
    extent = 0;
    return;
  }
  if (!shape.empty()) {
    for (int64_t axisExtent : shape)
      inner *= axisExtent;
    // The outermost axis whose single indices fit.
    inner /= shape[0];
    while (inner > targetElements) {
      outer *= shape[cut];
      ++cut;
      inner /= shape[cut];
    }
    extent = shape[cut];
    if (cut == 0)
      extent = std::min(extent, rows);
    else if (shape[0] > rows)
      outer = outer / shape[0] * rows;
  }
  step = std::clamp<int64_t>(targetElements / inner, 1, extent);
  if (cut == 0 && rowMultiple < step)
    step -= step % rowMultiple;
  perRange = (extent + step - 1) / step;
  pieces = outer * perRange;
}

Piece PieceLayout::piece(int64_t index) const {
  Piece piece;
  int64_t outerIndex = index / perRange;
  int64_t first = index % perRange * step;
  int64_t length = std::min(step, extent - first);
  int64_t fullExtent = shape.empty() ? 1 : shape[cut];
  piece.begin = (outerIndex * fullExtent + first) * inner;
  piece.size = length * inner;

  piece.origin = shape;
  piece.shape = shape;
  int64_t rest = outerIndex;
  for (int axis = shape.size() - 1; axis >= 0; --axis) {
    if (axis > cut) {
      piece.origin[axis] = 0;
    } else if (axis == cut) {
      piece.origin[axis] = first;
      piece.shape[axis] = length;
    } else {
      piece.origin[axis] = rest % shape[axis];
      rest /= shape[axis];
      piece.shape[axis] = 1;
    }
  }
  for (int64_t axis : kept) {
    piece.statisticsBegin = piece.statisticsBegin * shape[axis] + piece.origin[axis];
    piece.statisticsSize *= piece.shape[axis];
  }
  return piece;
}

Dims tool::mirrorShape(const Dims &shape) {
  Dims result = shape;
  std::reverse(result.begin(), result.end());
  return result;
}

Dims tool::mirrorAxes(const Dims &axes, int rank) {
  Dims result;
  for (int axis = 0; axis < rank; ++axis)
    if (contains(axes, rank - 1 - axis))
      result.push_back(axis);
  return result;
}

Statistics tool::mirrorStatistics(const Statistics &statistics) {
  Statistics result = Statistics::zeros(mirrorShape(statistics.shape));
  // Walks the source in order; `target` is the mirrored index of the same place.
  Dims index = statistics.shape;
  std::fill(index.begin(), index.end(), 0);
  for (int64_t source = 0; source < statistics.size(); ++source) {
    int64_t target = 0;
    for (int axis = index.size() - 1; axis >= 0; --axis)
      target = target * statistics.shape[axis] + index[axis];
    result.count[target] = statistics.count[source];
    result.mean[target] = statistics.mean[source];
    result.m2[target] = statistics.m2[source];
    for (int axis = index.size() - 1; axis >= 0; --axis) {
      if (++index[axis] < statistics.shape[axis])
        break;
      index[axis] = 0;
    }
  }
  return result;
}

static std::vector<double> slice(const std::vector<double> &values, int64_t begin, int64_t size) {
  return {values.begin() + begin, values.begin() + begin + size};
}

Statistics tool::sliceStatistics(const Statistics &statistics, int64_t begin, const Dims &shape) {
  int64_t size = 1;
  for (int64_t extent : shape)
    size *= extent;
  return {shape, slice(statistics.count, begin, size), slice(statistics.mean, begin, size),
          slice(statistics.m2, begin, size)};
}

Expected<void> tool::mergeIntoRange(Statistics &whole, int64_t begin, const Statistics &part) {
  if (begin == 0 && part.shape == whole.shape)
    return mergeStatistics(whole, part);
  Statistics range = sliceStatistics(whole, begin, part.shape);
  Expected<void> merged = mergeStatistics(range, part);
  if (!merged)
    return merged;
  std::copy(range.count.begin(), range.count.end(), whole.count.begin() + begin);
  std::copy(range.mean.begin(), range.mean.end(), whole.mean.begin() + begin);
  std::copy(range.m2.begin(), range.m2.end(), whole.m2.begin() + begin);
  return {};
}
