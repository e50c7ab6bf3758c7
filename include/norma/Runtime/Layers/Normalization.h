//===- Normalization.h - Feature-wise normalization layer -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layer that Keras calls Normalization:
//
//   y = (x - mean) / max(sqrt(variance), epsilon)      forward
//   y = mean + x * max(sqrt(variance), epsilon)        inverted
//
// with mean and variance given, or adapted to data. Statistics are f64 and
// mergeable, whatever the data type. A layer is not safe for concurrent changes;
// concurrent calls of apply() are.
//
//   auto layer = Normalization::create(engine, {.axis = {{-1}}});
//   layer->adapt(data);
//   layer->apply(data, out);
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_LAYERS_NORMALIZATION_H
#define NORMA_RUNTIME_LAYERS_NORMALIZATION_H

#include "norma/Runtime/Engine.h"

#include <functional>

namespace norma {

struct NormalizationState;

/// A mean or variance given by the user: row-major values and their shape; ()
/// is a scalar.
struct GivenStatistic {
  Dims shape;
  std::vector<double> values;
};

struct NormalizationOptions {
  /// The kept axes: negative ones count from the back; empty is Keras' None (one
  /// mean and one variance for all elements).
  Dims axis = {-1};
  /// Both or neither. Broadcast to the kept extents, aligned from the right.
  std::optional<GivenStatistic> mean = {}, variance = {};
  /// Undo the normalization instead.
  bool invert = false;
  /// The smallest standard deviation divided by; under ZeroVariance::Clamp.
  double epsilon = 1e-7;
  ZeroVariance zeroVariance = ZeroVariance::Clamp;
  NanPolicy nan = NanPolicy::Propagate;
  /// The type inputs are converted to before the formula: F32 or F64.
  DType compute = DType::F32;
  /// The type of outputs made by apply(x): F32, F64, F16 or BF16. The compute
  /// type when absent.
  std::optional<DType> output = {};
  /// Run on the f64 reference instead of compiled kernels, for debugging.
  bool runEagerly = false;
  /// Batches of a source that are handed to one kernel call.
  int64_t stepsPerExecution = 1;
  std::string name = "normalization";
};

/// One batch of data, with an optional mask and weights (see MomentsOptions).
struct Batch {
  Tensor data;
  std::optional<Tensor> mask = {}, weights = {};
};

/// Called for the next batch; nothing at the end of the data. The memory must
/// stay valid until stepsPerExecution further calls were made.
using BatchSource = std::function<Expected<std::optional<Batch>>()>;

/// How far an adapt() is.
struct AdaptProgress {
  /// Elements of the data that were looked at, whether or not they take part.
  int64_t elements = 0;
  /// All that there are; the length of a stream is not known.
  std::optional<int64_t> totalElements = {};
  /// Batches that are finished.
  int64_t batches = 0;
  /// Bytes of the elements.
  uint64_t bytes = 0;
};

struct AdaptOptions {
  /// Rows of axis 0 that make a batch of an array; 0 for the whole array.
  int64_t batchSize = 0;
  /// Stop after so many batches; 0 for all.
  int64_t steps = 0;
  std::optional<Tensor> mask = {}, weights = {};
  /// Called about every `progressInterval`, and once more when all data were looked at,
  /// before the layer changes; false cancels, which is an error of the code Cancelled.
  /// Only the thread that called adapt() calls it, while no other works for that call.
  /// What it throws goes through to the caller. (With runEagerly, only between batches.)
  std::function<bool(const AdaptProgress &)> progress = {};
  /// Time between two reports, and that to finish a block of data; 0: after every block.
  std::chrono::nanoseconds progressInterval = std::chrono::milliseconds(50);
  /// Cancels from any thread.
  std::stop_token stop = {};
};

class Normalization {
public:
  /// Checks the options; nothing is compiled yet. The engine may be null where
  /// the options say to run eagerly.
  static Expected<Normalization> create(std::shared_ptr<Engine> engine,
                                        const NormalizationOptions &options = {});
  Normalization(Normalization &&);
  Normalization &operator=(Normalization &&);
  ~Normalization();

  /// Fixes the rank and the kept extents. Reduced extents may be unknown (-1);
  /// kept ones may not. Building again with other kept extents is an error.
  Expected<void> build(std::span<const int64_t> inputShape);
  bool isBuilt() const;

  // Statistics. Each call is an error for a layer with given statistics, and
  // changes nothing when it fails. Calls with data build the layer when needed.

  /// Forgets what was seen and learns the statistics of `data`. An error where
  /// no element takes part.
  Expected<void> adapt(const Tensor &data, const AdaptOptions &options = {});
  /// The same for a stream of batches, which bring their masks and weights themselves;
  /// the batch size of the options is not used either.
  Expected<void> adapt(const BatchSource &source, const AdaptOptions &options = {});
  /// Adds one batch to the statistics; call finalizeState() before apply().
  Expected<void> updateState(const Batch &batch);
  /// Adds statistics gathered elsewhere: another thread, file or machine. The
  /// layer must be built; call finalizeState() before apply().
  Expected<void> merge(const Statistics &other);
  /// Forgets all data: count 0, the layer is an identity again.
  Expected<void> resetState();
  /// Makes the gathered statistics the ones apply() uses.
  Expected<void> finalizeState();
  /// Whether the statistics were learned from data (or loaded).
  bool isAdapted() const;

  // Use. Each call builds the layer when needed, and changes nothing when it fails.

  /// Normalizes `x` into `y` (see Engine::affine for in-place use). Before any
  /// adapt the layer is an identity, as in Keras. Builds the layer when needed.
  Expected<void> apply(const Tensor &x, const Tensor &y) const;
  /// The same into a new array of the output type.
  Expected<Array> apply(const Tensor &x) const;
  /// The shape of apply's result: the input's, checked.
  Expected<Dims> computeOutputShape(std::span<const int64_t> inputShape) const;

  // What it knows.

  const NormalizationOptions &options() const;
  /// The kept axes, canonical and ascending; empty before build().
  const Dims &keptAxes() const;
  /// The gathered statistics: zeros before any data, empty before build().
  /// Given statistics have a count of 1.
  const Statistics &statistics() const;
  /// Mean and population variance of every kept index, as apply() uses them: 0
  /// and 1 where nothing was counted. Empty before build().
  std::vector<double> mean() const;
  std::vector<double> variance() const;
  /// The flat kept indices found constant by the last finalizeState(), or given
  /// a variance of 0.
  const std::vector<int64_t> &constantFeatures() const;

  // Storage.

  /// The configuration as JSON, with the keys of Keras' get_config() (name, axis,
  /// mean, variance, invert, dtype) and norma's own. Adapted statistics are not
  /// part of it. docs/state-file.md lists the keys; an empty axis is null.
  std::string getConfig() const;
  static Expected<Normalization> fromConfig(std::shared_ptr<Engine> engine, std::string_view json);

  /// Writes the gathered statistics and the configuration of a built layer as
  /// safetensors, atomically; see docs/state-file.md. load() finalizes them.
  Expected<void> save(const std::string &path) const;
  static Expected<Normalization> load(std::shared_ptr<Engine> engine, const std::string &path);

  /// What save() writes, and the layer that load() makes of it: see
  /// NormalizationState.h. The layer must be built.
  Expected<NormalizationState> toState() const;
  static Expected<Normalization> fromState(std::shared_ptr<Engine> engine,
                                           const NormalizationState &state);

private:
  struct State;
  explicit Normalization(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace norma

#endif // NORMA_RUNTIME_LAYERS_NORMALIZATION_H
