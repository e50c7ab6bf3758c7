//===- BuildShape.cpp - The shape a layer is built for --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildShape.h"

#include "norma/Runtime/Layers/NormalizationState.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

namespace norma {

std::string formatShape(std::span<const int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i)
      text += ", ";
    text += shape[i] == kUnknownExtent ? std::string("?") : fmt::format("{}", shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

/// Extents that make sense, and are known where they are kept.
static Expected<void> checkExtents(std::span<const int64_t> shape, const Dims &axis) {
  for (int64_t extent : shape)
    if (extent < 0 && extent != kUnknownExtent)
      return invalidArgument(fmt::format("shape {}: an extent is {}; expected 0 or more, or {} for "
                                         "unknown",
                                         toString(shape), extent, kUnknownExtent));
  for (int64_t kept : axis)
    if (shape[size_t(kept)] == kUnknownExtent)
      return invalidArgument(fmt::format("axis: the extent of the kept axis {} is unknown in shape "
                                         "{}; expected a number",
                                         kept, formatShape(shape)));
  return {};
}

Expected<BuildShape> makeBuildShape(const Dims &axis, std::span<const int64_t> shape) {
  if (!Dims::fits(shape.size()))
    return invalidArgument(
        fmt::format("shape: rank {}; expected at most {}", shape.size(), kMaxRank));
  Expected<Dims> canonical = canonicalAxes(axis, int(shape.size()), "axis");
  if (!canonical)
    return canonical.takeError();
  if (Expected<void> valid = checkExtents(shape, *canonical); !valid)
    return valid.takeError();
  const Dims kept = keptShape(shape, *canonical);
  if (Expected<int64_t> size = numElements(kept); !size)
    return size.takeError().within("kept extents");
  return BuildShape{Dims(shape), *canonical, kept};
}

Expected<void> checkInputShape(const BuildShape &built, std::span<const int64_t> shape,
                               std::string_view name) {
  if (int(shape.size()) != built.shape.size())
    return invalidArgument(fmt::format("{}: shape {} has rank {}; expected rank {}, as the build "
                                       "shape {}",
                                       name, formatShape(shape), shape.size(), built.shape.size(),
                                       formatShape(built.shape)));
  for (int i = 0; i < built.axis.size(); ++i)
    if (const int64_t extent = shape[size_t(built.axis[i])]; extent != built.kept[i])
      return invalidArgument(fmt::format("{}: shape {} has an extent of {} along the kept axis {}; "
                                         "expected {}, as the build shape {}",
                                         name, formatShape(shape), extent, built.axis[i],
                                         built.kept[i], formatShape(built.shape)));
  return {};
}

} // namespace norma
