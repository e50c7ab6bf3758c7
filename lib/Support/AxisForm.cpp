//===- AxisForm.cpp - Shapes reduced to what matters ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/AxisForm.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>

namespace norma {

AxisForm collapseAxes(std::span<const int64_t> shape, std::span<const int64_t> kept,
                      std::span<const int64_t> repeats) {
  assert((repeats.empty() || repeats.size() == shape.size()) && "one set of bits per axis");
  AxisForm form;
  // Leading unit axes wait here for the first group.
  Dims waiting;
  int64_t lastRepeats = 0;
  for (int64_t axis = 0; axis < int64_t(shape.size()); ++axis) {
    const int64_t extent = shape[axis];
    if (extent == 1) {
      (form.groups.empty() ? waiting : form.groups.back()).push_back(axis);
      continue;
    }
    const char kind = std::find(kept.begin(), kept.end(), axis) != kept.end() ? 'K' : 'R';
    const int64_t bits = repeats.empty() ? 0 : repeats[axis];
    if (!form.groups.empty() && form.kinds.back() == kind && lastRepeats == bits) {
      form.groups.back().push_back(axis);
      int64_t &product = form.extents.back();
      product = product == kDynamic || extent == kDynamic ? kDynamic : product * extent;
      continue;
    }
    form.kinds.push_back(kind);
    form.extents.push_back(extent);
    form.groups.push_back(form.groups.empty() ? waiting : Dims());
    form.groups.back().push_back(axis);
    lastRepeats = bits;
  }
  if (form.groups.empty()) {
    form.kinds.push_back('R');
    form.extents.push_back(1);
    form.groups.push_back(waiting);
  }
  return form;
}

Expected<Dims> canonicalAxes(std::span<const int64_t> axes, int rank, std::string_view name) try {
  std::array<bool, kMaxRank> seen{};
  std::array<int64_t, kMaxRank> given{};
  for (int64_t axis : axes) {
    if (rank == 0)
      return invalidArgument(
          fmt::format("{}: {} is out of range for rank 0; a scalar has no axes", name, axis));
    if (axis < -rank || axis >= rank)
      return invalidArgument(
          fmt::format("{}: {} is out of range for rank {}; expected a value in [{}, {})", name,
                      axis, rank, -rank, rank));
    const int64_t canonical = axis < 0 ? axis + rank : axis;
    if (seen[canonical])
      return invalidArgument(fmt::format("{}: axis {} is given twice (as {} and {})", name,
                                         canonical, given[canonical], axis));
    seen[canonical] = true;
    given[canonical] = axis;
  }
  Dims result;
  for (int axis = 0; axis < rank; ++axis)
    if (seen[axis])
      result.push_back(axis);
  return result;
} catch (...) {
  return outOfMemory();
}

Dims complementAxes(std::span<const int64_t> kept, int rank) {
  Dims result;
  for (int axis = 0; axis < rank; ++axis)
    if (std::find(kept.begin(), kept.end(), axis) == kept.end())
      result.push_back(axis);
  return result;
}

Dims keptShape(std::span<const int64_t> shape, std::span<const int64_t> kept) {
  Dims result;
  for (int64_t axis : kept)
    result.push_back(shape[axis]);
  return result;
}

} // namespace norma
