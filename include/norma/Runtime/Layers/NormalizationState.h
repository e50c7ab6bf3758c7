//===- NormalizationState.h - What a normalization knows --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A built layer without its engine: the value that a state file holds (see
// docs/state-file.md). Programs that only look at, merge or edit statistics work
// on it and need no compiler.
//
//   auto state = norma::readNormalizationState("wine.safetensors");
//   state->options.invert = true;
//   auto layer = norma::Normalization::fromState(engine, *state);
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_LAYERS_NORMALIZATIONSTATE_H
#define NORMA_RUNTIME_LAYERS_NORMALIZATIONSTATE_H

#include "norma/Runtime/Layers/Normalization.h"

namespace norma {

/// A reduced extent of a build shape that is not known.
inline constexpr int64_t kUnknownExtent = -1;

struct NormalizationState {
  NormalizationOptions options;
  /// The kept axes, canonical and ascending: options.axis for this rank.
  Dims axis;
  /// The build shape; reduced extents may be kUnknownExtent.
  Dims shape;
  /// One count, mean and m2 for every kept index. Where options.mean is given,
  /// the given numbers broadcast to the kept extents, with a count of 1 (so
  /// that variance = m2 / count holds for every state). A kept index with a
  /// count of 0 is left as it is by the layer: mean 0, variance 1.
  Statistics statistics;

  /// Whether mean and variance were given by the user, not learned from data.
  bool isGiven() const { return options.mean.has_value(); }
};

/// The state of a layer with `options` built for `shape` that has seen no data.
/// Errors: bad options, an axis out of range or repeated, a kept extent that is
/// unknown, given statistics that do not broadcast.
Expected<NormalizationState> createNormalizationState(const NormalizationOptions &options,
                                                      std::span<const int64_t> shape);

/// Checks a state that was put together by hand or read: options, axes, shape, and
/// statistics of the right shape with counts of 0 or more.
Expected<void> checkNormalizationState(const NormalizationState &state);

/// Adds the statistics of `from`, learned from other data, to `into`, which keeps
/// its options. Kept axes and extents must agree, and neither state be given;
/// reduced extents that differ become unknown.
Expected<void> mergeNormalizationStates(NormalizationState &into, const NormalizationState &from);

/// Whether a tensor of `shape` fits the state: its rank, and its kept extents.
/// `name` names the tensor or file in the message.
Expected<void> checkInputShape(const NormalizationState &state, std::span<const int64_t> shape,
                               std::string_view name);

/// Reads and checks a state file. Damage is DataLoss, another format version
/// Unsupported; every message names the file and what is wrong with it.
Expected<NormalizationState> readNormalizationState(const std::string &path);

/// Writes a state file, atomically. The state is checked first.
Expected<void> writeNormalizationState(const std::string &path, const NormalizationState &state);

/// Checks everything about options that does not need the rank of the input.
Expected<void> checkNormalizationOptions(const NormalizationOptions &options);

/// The configuration as JSON (see Normalization::getConfig()). With a build shape
/// it has the key "build_config".
std::string formatNormalizationConfig(const NormalizationOptions &options,
                                      const std::optional<Dims> &buildShape = std::nullopt);

/// What a configuration says.
struct NormalizationConfig {
  NormalizationOptions options;
  /// The "input_shape" of "build_config"; absent for a layer that is not built.
  std::optional<Dims> buildShape;
};

/// The inverse. Absent keys have their defaults; unknown keys, wrong types and
/// bad values are errors that name the key.
Expected<NormalizationConfig> parseNormalizationConfig(std::string_view json);

} // namespace norma

#endif // NORMA_RUNTIME_LAYERS_NORMALIZATIONSTATE_H
