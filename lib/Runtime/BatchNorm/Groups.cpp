//===- Groups.cpp - A batch as pieces of statistics groups ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Groups.h"

#include "norma/Support/AxisForm.h"

#include <algorithm>
#include <fmt/format.h>

namespace norma {

Tensor BatchPiece::view(const Tensor &tensor) const {
  const bool repeats = tensor.rank() == 0 || tensor.shape[0] != samples;
  const bool whole = begin == 0 && end == samples;
  const Tensor part = repeats || whole ? tensor : tensor.rows(begin, end);
  if (!split || tensor.rank() == 0)
    return part;

  const bool strided = *split == GhostGrouping::Strided;
  // The stride along an extent of 1 may be any number.
  const int64_t size = (end - begin) / ghosts, step = part.shape[0] > 1 ? part.strides[0] : 0;
  Tensor result = part;
  result.shape = strided ? Dims{size, ghosts} : Dims{ghosts, size};
  result.strides = Dims{(strided ? ghosts : size) * step, step};
  if (repeats)
    result.shape = Dims{1, 1};
  for (int axis = 1; axis < part.rank(); ++axis) {
    result.shape.push_back(part.shape[axis]);
    result.strides.push_back(part.strides[axis]);
  }
  return result;
}

Error BatchPiece::located(Error error) const {
  if (!split && begin == 0)
    return error;
  return std::move(error).within(fmt::format("samples [{}, {}) as {} ghosts", begin, end, ghosts));
}

/// What keeps `shape` from being cut along axis 0.
static Expected<void> checkCut(const Dims &shape, std::span<const int64_t> kept, int64_t size) {
  if (shape.empty())
    return invalidArgument(fmt::format(
        "virtual_batch_size: {} for data of shape (), expected an axis 0 to cut", size));
  if (!kept.empty() && kept[0] == 0)
    return invalidArgument(
        fmt::format("virtual_batch_size: {} cuts axis 0, but kept is {}, expected axes from 1 on",
                    size, toString(kept)));
  if (!Dims::fits(size_t(shape.size()) + 1))
    return invalidArgument(fmt::format(
        "virtual_batch_size: {} for data of rank {}, expected at most {} (ghosts are an axis more)",
        size, shape.size(), kMaxRank - 1));
  return {};
}

/// Axes and extents of the groups of a piece whose axis 0 is split.
static void splitAxis(BatchPiece &piece, const Dims &shape, std::span<const int64_t> kept,
                      GhostGrouping grouping) {
  piece.split = grouping;
  piece.kept = {grouping == GhostGrouping::Strided ? 1 : 0};
  piece.groupShape = {piece.ghosts};
  for (int64_t axis : kept) {
    piece.kept.push_back(axis + 1);
    piece.groupShape.push_back(shape[int(axis)]);
  }
}

Expected<BatchGroups> BatchGroups::create(const Dims &shape, std::span<const int64_t> kept,
                                          const GhostBatches &cut) {
  BatchGroups groups;
  groups.keptShape = norma::keptShape(shape, kept);
  Expected<int64_t> size = numElements(groups.keptShape);
  if (!size)
    return size.takeError();
  groups.keptSize = *size;
  groups.groupShape = groups.keptShape;

  const int64_t samples = shape.empty() ? 1 : shape[0];
  BatchPiece piece;
  piece.samples = samples;
  piece.kept = Dims(kept);
  piece.groupShape = groups.keptShape;
  if (cut.size == 0) {
    piece.end = samples;
    groups.pieces.push_back(piece);
    return groups;
  }

  if (Expected<void> ok = checkCut(shape, kept, cut.size); !ok)
    return ok.takeError();
  Expected<GhostPlan> plan = planGhosts(cut, samples);
  if (!plan)
    return plan.takeError();
  groups.ghosts = plan->ghosts;
  groups.groupShape = {plan->ghosts};
  for (int64_t extent : groups.keptShape)
    groups.groupShape.push_back(extent);
  if (plan->whole > 0) {
    BatchPiece body = piece;
    body.end = samples - plan->tail;
    body.ghosts = plan->whole;
    splitAxis(body, shape, kept, cut.grouping);
    groups.pieces.push_back(body);
  }
  if (plan->tail > 0) {
    piece.begin = samples - plan->tail;
    piece.end = samples;
    piece.firstGhost = plan->tailGhost;
    groups.pieces.push_back(piece);
  }
  return groups;
}

std::vector<double> BatchGroups::repeated(const std::vector<double> &perKept) const {
  std::vector<double> result;
  result.reserve(perKept.size() * size_t(ghosts));
  for (int64_t ghost = 0; ghost < ghosts; ++ghost)
    result.insert(result.end(), perKept.begin(), perKept.end());
  return result;
}

BatchNormParameters BatchGroups::repeated(const BatchNormParameters &parameters) const {
  return {repeated(parameters.gamma), repeated(parameters.beta)};
}

BatchNormForward BatchGroups::repeated(BatchNormForward forward) const {
  forward.r = repeated(forward.r);
  forward.d = repeated(forward.d);
  return forward;
}

} // namespace norma
