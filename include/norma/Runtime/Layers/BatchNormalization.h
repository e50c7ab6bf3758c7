//===- BatchNormalization.h - The batch normalization layer -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layer that TensorFlow, Keras and PyTorch call BatchNormalization, with the
// arguments of tf.compat.v1.keras.layers.BatchNormalization and what came after it.
// Presets set the conventions in which the systems differ. A layer is not safe for
// concurrent changes; concurrent calls of apply(), applyAndSave() and gradient() are.
//
//   auto layer = BatchNormalization::create(engine, BatchNormalizationOptions::kerasV2());
//   auto saved = layer->train(x, y);                  // training=True
//   auto gradient = layer->gradient(*saved, x, dy, dx);
//   layer->apply(x, y);                               // inference
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_LAYERS_BATCHNORMALIZATION_H
#define NORMA_RUNTIME_LAYERS_BATCHNORMALIZATION_H

#include "norma/Runtime/BatchNorm.h"
#include "norma/Runtime/Layers/Initializers.h"

#include <map>

namespace norma {

/// The two tensors of an adjustment; either may be absent.
struct Adjustment {
  std::optional<Array> scale = {}, bias = {};
};

struct BatchNormalizationOptions {
  /// The kept axes; negative ones count from the back. At least one.
  Dims axis = {-1};
  /// The weight of the old value in moving averages (of the new one with
  /// `momentumWeighsNew`); absent for a cumulative average.
  std::optional<double> momentum = 0.99;
  double epsilon = 1e-3;
  /// Whether there are beta and gamma.
  bool center = true, scale = true;
  Initializer betaInitializer = Initializer::zeros();
  Initializer gammaInitializer = Initializer::ones();
  Initializer movingMeanInitializer = Initializer::zeros();
  Initializer movingVarianceInitializer = Initializer::ones();
  std::optional<Regularizer> betaRegularizer = {}, gammaRegularizer = {};
  std::optional<Constraint> betaConstraint = {}, gammaConstraint = {};
  bool renorm = false;
  /// Limits by name: "rmax", "rmin", "dmax". Other names are an error.
  std::map<std::string, double> renormClipping = {};
  /// The weight of the old value in renorm's averages, in every convention.
  double renormMomentum = 0.99;
  /// Whether the conventions of TensorFlow's fused kernel hold: epsilon at least
  /// `fusedEpsilonFloor`, Bessel's correction in the moving variance. Possible for one kept axis of
  /// rank 4 (1 or 3) or 5 (1 or 4), f32, without renorm, virtual batches, adjustment and
  /// all-reduce. Absent: where it is possible. false also keeps the layer from working in
  /// cache-sized blocks, where the numbers would be those of the two passes up to rounding.
  std::optional<bool> fused = {};
  bool trainable = true;
  /// Samples of a ghost batch.
  std::optional<int64_t> virtualBatchSize = {};
  GhostGrouping ghostGrouping = GhostGrouping::Strided;
  GhostRemainder ghostRemainder = GhostRemainder::Error;
  /// Called in training with the shape of the input; broadcast as NumPy does.
  std::function<Expected<Adjustment>(const Dims &shape)> adjustment = {};
  std::string name = "batch_normalization";

  /// Statistics over all participants; see AllReduce.
  AllReduce allReduce = {};
  /// The type inputs are converted to before the formula, F32 or F64; also that of the
  /// parameters.
  DType compute = DType::F32;
  /// The type of outputs made by apply(x): that of the input where it is a float, else
  /// `compute`, when absent.
  std::optional<DType> output = {};

  // Conventions, as the presets set them.

  /// trainable = false means inference mode (Keras since V2), not only that nothing is
  /// updated (V1).
  bool frozenIsInference = true;
  /// Which variance the moving variance averages; absent: the sample's when fused, else
  /// the population's (TensorFlow).
  std::optional<MovingVariance> movingVariance = {};
  /// The weight of the new value is `momentum` (PyTorch), not of the old one.
  bool momentumWeighsNew = false;
  /// What fused = true does where it is impossible: an error (V2), or nothing (V1).
  bool fusedImpossibleIsError = true;
  /// Whether fused kernels are a notion of the system at all. If not, `fused` only
  /// selects the blocked kernel, with no other convention (Keras 3, PyTorch, ONNX).
  bool fusedConventions = true;
  /// The least epsilon of a layer with the fused conventions: TensorFlow's before 2.12; 0
  /// for its later versions, which use epsilon as it is.
  double fusedEpsilonFloor = 1.001e-5;
  /// More than one kept axis is an error (Keras 3).
  bool oneAxis = false;

  /// tf.compat.v1.keras.layers.BatchNormalization: trainable = false still uses batch
  /// statistics in training; fused falls back quietly.
  static BatchNormalizationOptions kerasV1();
  /// tf.keras 2.x.
  static BatchNormalizationOptions kerasV2();
  /// Keras 3: one kept axis, population variance.
  static BatchNormalizationOptions keras3();
  /// torch.nn.BatchNorm: axis 1, epsilon 1e-5, momentum 0.1 of the new value, sample
  /// variance; momentum = {} is its None.
  static BatchNormalizationOptions pytorch();
  /// ONNX BatchNormalization (opset 15): axis 1, epsilon 1e-5, momentum 0.9 of the old
  /// value, population variance.
  static BatchNormalizationOptions onnx();
};

/// What a forward call keeps for its gradient. Empty when default-constructed, or of a call
/// that kept nothing: the gradient of those is an error.
class SavedForward {
public:
  SavedForward() = default;
  bool empty() const { return !state; }
  /// Statistics, saved mean and inverse deviation, renorm's corrections.
  const BatchNormForward &forward() const;

  struct State;
  explicit SavedForward(std::shared_ptr<const State> state) : state(std::move(state)) {}

private:
  std::shared_ptr<const State> state;
  friend class BatchNormalization;
};

/// Inputs of one call beside the data. What is computed of the batch takes them into
/// account, in a fused layer, too. (TensorFlow's fused kernel ignores a mask.)
struct BatchNormalizationCall {
  std::optional<Tensor> mask = {}, weights = {};
};

class BatchNormalization {
public:
  /// Checks the options; nothing is compiled yet.
  static Expected<BatchNormalization> create(std::shared_ptr<Engine> engine,
                                             const BatchNormalizationOptions &options = {});
  BatchNormalization(BatchNormalization &&);
  BatchNormalization &operator=(BatchNormalization &&);
  ~BatchNormalization();

  /// Fixes rank and kept extents, makes the parameters, and decides whether the fused
  /// conventions hold. Reduced extents may be unknown (-1). Building again with other
  /// kept extents or another rank is an error.
  Expected<void> build(std::span<const int64_t> inputShape);
  bool isBuilt() const;
  /// Whether the fused conventions hold; of a built layer.
  bool isFused() const;

  // Use. Each call builds the layer when needed, and changes nothing when it fails.

  /// The layer in training mode: normalizes `x` into `y` and updates the moving
  /// statistics, as far as `trainable` and the conventions say.
  Expected<SavedForward> train(const Tensor &x, const Tensor &y,
                               const BatchNormalizationCall &call = {});
  /// The layer in inference mode, from its moving statistics. A mask changes nothing.
  Expected<void> apply(const Tensor &x, const Tensor &y) const;
  /// The same into a new array.
  Expected<Array> apply(const Tensor &x) const;
  /// The layer in inference mode, kept for a gradient (fine-tuning a frozen layer).
  Expected<SavedForward> applyAndSave(const Tensor &x, const Tensor &y) const;
  /// Gradients of gamma and beta (empty where the layer has none, or is not trainable),
  /// with those of their regularizers; dx into a tensor that may be dy. `x` and the mask
  /// and weights are those of the forward call, which `saved` is of; so are gamma, beta,
  /// the adjustment and the mode. Under an all-reduce gamma's and beta's are this
  /// participant's, but with the penalties whole.
  Expected<BatchNormGradients> gradient(const SavedForward &saved, const Tensor &x,
                                        const Tensor &dy, const Tensor &dx,
                                        const BatchNormalizationCall &call = {}) const;
  /// The sum of the regularizers' losses; 0 before build().
  double regularizationLoss() const;
  /// Makes gamma and beta satisfy their constraints; for after an update.
  Expected<void> applyConstraints();
  /// The shape of a result: the input's, checked.
  Expected<Dims> computeOutputShape(std::span<const int64_t> inputShape) const;

  // Parameters.

  struct Weight {
    /// "gamma", "beta", "moving_mean", "moving_variance", "moving_stddev",
    /// "renorm_mean" or "renorm_stddev".
    std::string name;
    /// Of the kept extents and the compute type. Writing to it changes the layer.
    Tensor value;
    bool trainable;
  };
  /// All weights of a built layer in Keras' order: gamma, beta, moving_mean,
  /// moving_variance, then renorm's moving_stddev, renorm_mean and renorm_stddev. None
  /// before build().
  std::vector<Weight> weights() const;
  /// The weight of a name; NotFound where the layer has none of it.
  Expected<Tensor> weight(std::string_view name) const;
  /// Batches that entered the moving statistics.
  int64_t batchesSeen() const;

  void setTrainable(bool trainable);
  /// Another momentum from the next batch on.
  Expected<void> setMomentum(std::optional<double> momentum);
  /// Other limits from the next batch on; see BatchNormalizationOptions.
  Expected<void> setRenormClipping(const std::map<std::string, double> &clipping);
  /// Another adjustment or all-reduce from the next batch on, for layers made by
  /// fromConfig() and load(), which have none. An error where the layer is fused, or must be.
  Expected<void> setAdjustment(std::function<Expected<Adjustment>(const Dims &shape)> adjustment);
  Expected<void> setAllReduce(AllReduce allReduce);

  const BatchNormalizationOptions &options() const;
  /// The kept axes, canonical and ascending; empty before build().
  const Dims &keptAxes() const;

  // Storage.

  /// The configuration as JSON, with the keys of Keras' get_config() and norma's own. An
  /// adjustment and an all-reduce are not part of it, but where one of them keeps the layer
  /// from being fused, "fused" is false in it. docs/state-file.md lists the keys.
  std::string getConfig() const;
  static Expected<BatchNormalization> fromConfig(std::shared_ptr<Engine> engine,
                                                 std::string_view json);
  /// Writes the weights under their names and the configuration of a built layer as
  /// safetensors, atomically; see docs/state-file.md.
  Expected<void> save(const std::string &path) const;
  static Expected<BatchNormalization> load(std::shared_ptr<Engine> engine, const std::string &path);

private:
  struct State;
  explicit BatchNormalization(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace norma

#endif // NORMA_RUNTIME_LAYERS_BATCHNORMALIZATION_H
