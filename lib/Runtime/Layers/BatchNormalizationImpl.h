//===- BatchNormalizationImpl.h - Inside of the layer -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_BATCHNORMALIZATIONIMPL_H
#define NORMA_LIB_RUNTIME_LAYERS_BATCHNORMALIZATIONIMPL_H

#include "BuildShape.h"
#include "LastPlan.h"
#include "SavedForwardPool.h"
#include "WeightsVersion.h"

#include "norma/Runtime/Layers/BatchNormalization.h"

#include <memory>
#include <mutex>

namespace norma {

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// Checks everything that needs no shape.
Expected<void> checkBatchNormalizationOptions(const BatchNormalizationOptions &options);

/// Renorm's limits, from their names.
Expected<RenormClipping> parseRenormClipping(const std::map<std::string, double> &limits);

/// Whether the fused conventions hold for a shape; an error where they must but cannot.
Expected<bool> decideFused(const BatchNormalizationOptions &options, const BuildShape &shape);

/// The options as rules of a call in training or in inference mode. They must be valid.
BatchNormRules makeRules(const BatchNormalizationOptions &options, bool isFused, bool isTraining);

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The weights of a built layer: arrays of the compute type, f64 to the arithmetic.
class BatchNormalizationWeights {
public:
  struct Entry {
    std::string_view name;
    /// gamma and beta, not the moving statistics.
    bool isParameter;
    Array value;
  };

  /// Initial weights in Keras' order. Errors: a moving variance below 0, no memory.
  static Expected<BatchNormalizationWeights> create(const BatchNormalizationOptions &options,
                                                    const Dims &kept);

  const std::vector<Entry> &entries() const { return list; }
  const Entry *find(std::string_view name) const;
  /// The values of a weight, in the memory of a vector that there is; none where the layer does
  /// not have it.
  void get(std::string_view name, std::vector<double> &values) const;
  std::vector<double> values(std::string_view name) const;
  /// Rounds values into a weight that there is.
  void set(std::string_view name, std::span<const double> values);

  BatchNormParameters parameters(BatchNormParameters memory = {}) const;
  /// Renorm's are left out where they are not asked for.
  MovingStatistics moving(bool withRenorm, MovingStatistics memory = {}) const;
  void setMoving(const MovingStatistics &moving);

  /// Batches that entered the moving statistics.
  int64_t batchesSeen = 0;

private:
  std::vector<Entry> list;
};

//===----------------------------------------------------------------------===//
// The layer
//===----------------------------------------------------------------------===//

/// What build() decides and makes.
struct BuiltBatchNormalization {
  BuildShape shape;
  bool isFused = false;
  BatchNormalizationWeights weights;
};

struct BatchNormalization::State {
  std::shared_ptr<Engine> engine;
  BatchNormalizationOptions options;
  /// Guards `built`, which even a const apply() may set.
  mutable std::mutex mutex;
  mutable std::shared_ptr<BuiltBatchNormalization> built;
  /// Of inference.
  mutable LastPlan lastPlan;
  mutable WeightsVersion weightsVersion;
  std::shared_ptr<SavedForwardPool> savedForwards = std::make_shared<SavedForwardPool>();

  std::shared_ptr<BuiltBatchNormalization> getBuilt() const;
  /// What the layer is built as or, before that, would be for this input. A call keep()s
  /// it when it has succeeded.
  Expected<std::shared_ptr<BuiltBatchNormalization>> builtFor(const Tensor &x) const;
  /// Returns what the layer is built as; another thread may have been first.
  std::shared_ptr<BuiltBatchNormalization>
  keep(std::shared_ptr<BuiltBatchNormalization> candidate) const;

  /// A forward call in either mode, with everything that its gradient needs.
  Expected<SavedForward> forward(const Tensor &x, const Tensor &y,
                                 const BatchNormalizationCall &call, bool isTraining) const;
  /// Takes options with another adjustment or all-reduce, which `name` names.
  Expected<void> setHooks(BatchNormalizationOptions next, const char *name);
};

Expected<std::shared_ptr<BuiltBatchNormalization>>
buildBatchNormalization(const BatchNormalizationOptions &options,
                        std::span<const int64_t> inputShape);

/// The configuration as JSON. With a build shape it has the key "build_config".
std::string formatBatchNormalizationConfig(const BatchNormalizationOptions &options,
                                           const std::optional<Dims> &buildShape);

/// What a configuration says.
struct BatchNormalizationConfig {
  BatchNormalizationOptions options;
  /// Absent for a layer that is not built.
  std::optional<Dims> buildShape;
};
Expected<BatchNormalizationConfig> parseBatchNormalizationConfig(std::string_view json);

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_BATCHNORMALIZATIONIMPL_H
