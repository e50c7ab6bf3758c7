//===- NormalizationState.cpp - What a normalization knows ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/NormalizationState.h"

#include "BuildShape.h"

#include "norma/Support/AxisForm.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <cmath>

namespace norma {

namespace {

Dims unflatten(int64_t position, const Dims &shape) {
  Dims index = shape;
  for (int axis = index.size() - 1; axis >= 0; --axis) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}

Expected<void> checkGiven(const GivenStatistic &given, const Dims &axis, const char *name) {
  Expected<int64_t> size = numElements(given.shape);
  if (!size)
    return size.takeError().within(name);
  if (int64_t(given.values.size()) != *size)
    return invalidArgument(fmt::format("{}: {} values for shape {}; expected {}", name,
                                       given.values.size(), toString(given.shape), *size));
  if (*size == 0)
    return invalidArgument(fmt::format("{}: shape {} has no values", name, toString(given.shape)));
  if (given.shape.size() > axis.size())
    return invalidArgument(
        fmt::format("{}: shape {} has rank {}; expected at most one axis for each of the {} kept "
                    "axes",
                    name, toString(given.shape), given.shape.size(), axis.size()));
  return {};
}

Expected<void> checkGivenStatistics(const NormalizationOptions &options) {
  if (options.mean.has_value() != options.variance.has_value())
    return invalidArgument(options.mean
                               ? "variance: absent, but mean is given; expected both or neither"
                               : "mean: absent, but variance is given; expected both or neither");
  if (!options.mean)
    return {};
  if (Expected<void> valid = checkGiven(*options.mean, options.axis, "mean"); !valid)
    return valid;
  if (Expected<void> valid = checkGiven(*options.variance, options.axis, "variance"); !valid)
    return valid;
  if (options.mean->shape != options.variance->shape)
    return invalidArgument(fmt::format("variance: shape {}; expected mean's, {}",
                                       toString(options.variance->shape),
                                       toString(options.mean->shape)));
  for (size_t i = 0; i < options.variance->values.size(); ++i) {
    const double value = options.variance->values[i];
    if (value >= 0)
      continue;
    const Dims &shape = options.variance->shape;
    const std::string place =
        shape.empty() ? "" : fmt::format(" at {}", toString(unflatten(int64_t(i), shape)));
    return invalidArgument(
        fmt::format("variance: the value{} is {}; expected 0 or more", place, value));
  }
  return {};
}

/// `given` repeated to the kept extents as NumPy broadcasts, aligned from the
/// right.
Expected<std::vector<double>> broadcastGiven(const GivenStatistic &given, const Dims &kept,
                                             const char *name) {
  const int missing = kept.size() - given.shape.size();
  const Dims dense = contiguousStrides(given.shape);
  Dims strides;
  bool fits = missing >= 0;
  for (int axis = 0; fits && axis < kept.size(); ++axis) {
    const int64_t extent = axis < missing ? 1 : given.shape[axis - missing];
    fits = extent == 1 || extent == kept[axis];
    strides.push_back(extent == 1 ? 0 : dense[axis - missing]);
  }
  if (!fits)
    return invalidArgument(fmt::format("{}: shape {} does not broadcast to the kept extents {}",
                                       name, toString(given.shape), toString(kept)));
  int64_t size = 1;
  for (int64_t extent : kept)
    size *= extent;
  std::vector<double> result(size_t(size), 0.0);
  for (int64_t i = 0; i < size; ++i) {
    const Dims index = unflatten(i, kept);
    int64_t offset = 0;
    for (int axis = 0; axis < kept.size(); ++axis)
      offset += index[axis] * strides[axis];
    result[size_t(i)] = given.values[size_t(offset)];
  }
  return result;
}

} // namespace

Expected<void> checkNormalizationOptions(const NormalizationOptions &options) try {
  // Without a rank only equal values can be recognized as the same axis.
  for (int i = 0; i < options.axis.size(); ++i)
    for (int j = 0; j < i; ++j)
      if (options.axis[i] == options.axis[j])
        return invalidArgument(
            fmt::format("axis: {} is given twice in {}", options.axis[i], toString(options.axis)));
  if (!(options.epsilon >= 0) || !std::isfinite(options.epsilon))
    return invalidArgument(
        fmt::format("epsilon: {}; expected a finite number, 0 or more", options.epsilon));
  if (options.compute != DType::F32 && options.compute != DType::F64)
    return invalidArgument(
        fmt::format("dtype: {}; expected f32 or f64", toString(options.compute)));
  if (options.output && !isFloat(*options.output))
    return invalidArgument(fmt::format("output_dtype: {}; expected one of f32, f64, f16, bf16",
                                       toString(*options.output)));
  if (options.stepsPerExecution < 1)
    return invalidArgument(
        fmt::format("steps_per_execution: {}; expected 1 or more", options.stepsPerExecution));
  return checkGivenStatistics(options);
} catch (...) {
  return outOfMemory();
}

Expected<NormalizationState> createNormalizationState(const NormalizationOptions &options,
                                                      std::span<const int64_t> shape) try {
  if (Expected<void> valid = checkNormalizationOptions(options); !valid)
    return valid.takeError();
  Expected<BuildShape> built = makeBuildShape(options.axis, shape);
  if (!built)
    return built.takeError();
  const Dims &kept = built->kept;
  NormalizationState state;
  state.options = options;
  state.axis = built->axis;
  state.shape = built->shape;
  state.statistics = Statistics::zeros(kept);
  if (state.isGiven()) {
    Expected<std::vector<double>> mean = broadcastGiven(*options.mean, kept, "mean");
    if (!mean)
      return mean.takeError();
    Expected<std::vector<double>> variance = broadcastGiven(*options.variance, kept, "variance");
    if (!variance)
      return variance.takeError();
    state.statistics.count.assign(mean->size(), 1.0);
    state.statistics.mean = std::move(*mean);
    state.statistics.m2 = std::move(*variance);
  }
  return state;
} catch (...) {
  return outOfMemory();
}

Expected<void> checkNormalizationState(const NormalizationState &state) try {
  if (Expected<void> valid = checkNormalizationOptions(state.options); !valid)
    return valid;
  Expected<BuildShape> built = makeBuildShape(state.options.axis, state.shape);
  if (!built)
    return built.takeError();
  if (built->axis != state.axis)
    return invalidArgument(fmt::format("axis: the kept axes are {}, but the options name {} for "
                                       "rank {}",
                                       toString(state.axis), toString(state.options.axis),
                                       state.shape.size()));
  const Dims &kept = built->kept;
  const int64_t size = *numElements(kept);
  const Statistics &statistics = state.statistics;
  if (statistics.shape != kept)
    return invalidArgument(fmt::format("statistics: shape {}; expected the kept extents {}",
                                       toString(statistics.shape), toString(kept)));
  const std::vector<double> *const parts[] = {&statistics.count, &statistics.mean, &statistics.m2};
  const char *const names[] = {"count", "mean", "m2"};
  for (int part = 0; part < 3; ++part)
    if (int64_t(parts[part]->size()) != size)
      return invalidArgument(fmt::format("{}: {} values for the kept extents {}; expected {}",
                                         names[part], parts[part]->size(), toString(kept), size));
  for (int64_t i = 0; i < size; ++i) {
    if (!(statistics.count[i] >= 0) || !std::isfinite(statistics.count[i]))
      return invalidArgument(
          fmt::format("count: the value at {} is {}; expected a finite number, 0 or more",
                      toString(unflatten(i, kept)), statistics.count[i]));
    if (statistics.m2[i] < 0)
      return invalidArgument(fmt::format("m2: the value at {} is {}; expected 0 or more",
                                         toString(unflatten(i, kept)), statistics.m2[i]));
  }
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> mergeNormalizationStates(NormalizationState &into,
                                        const NormalizationState &from) try {
  for (const NormalizationState *state : {static_cast<const NormalizationState *>(&into), &from})
    if (state->isGiven())
      return invalidArgument("statistics: mean and variance were given, not learned from data; "
                             "they cannot be merged");
  if (into.shape.size() != from.shape.size())
    return invalidArgument(fmt::format("shape: {} has rank {}; expected rank {}, as {}",
                                       formatShape(from.shape), from.shape.size(),
                                       into.shape.size(), formatShape(into.shape)));
  if (into.axis != from.axis)
    return invalidArgument(
        fmt::format("axis: kept axes {}; expected {}", toString(from.axis), toString(into.axis)));
  if (Expected<void> valid = checkInputShape(into, from.shape, "shape"); !valid)
    return valid;
  if (Expected<void> merged = mergeStatistics(into.statistics, from.statistics); !merged)
    return merged;
  for (int axis = 0; axis < into.shape.size(); ++axis)
    if (into.shape[axis] != from.shape[axis])
      into.shape[axis] = kUnknownExtent;
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> checkInputShape(const NormalizationState &state, std::span<const int64_t> shape,
                               std::string_view name) try {
  return checkInputShape(BuildShape{state.shape, state.axis, state.statistics.shape}, shape, name);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
