//===- BatchNorm.h - The arithmetic of batch normalization ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything of batch normalization that is done once per kept index, in f64: how
// a batch is cut into ghosts, what its statistics do to the moving ones, and the
// coefficients of the maps over the data. `norma.batch_norm_training` and
// `norma.batch_norm_grad` describe the formulas; the lowering of those ops writes
// the same ones as IR.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_BATCHNORM_H
#define NORMA_SUPPORT_BATCHNORM_H

#include "norma/Support/Statistics.h"

namespace norma {

/// Which variance enters the moving variance.
enum class MovingVariance {
  /// m2 / n.
  Population,
  /// m2 / max(n - 1, 1) (Bessel's correction).
  Sample,
};
const char *toString(MovingVariance variance);

/// Which samples make a ghost batch: of G ghosts, ghost j holds samples j, j + G,
/// j + 2G, ... (TensorFlow), or a run of consecutive ones (code for PyTorch).
enum class GhostGrouping { Strided, Contiguous };
const char *toString(GhostGrouping grouping);

/// What the last B mod V samples of a batch do that do not fill a ghost of V: they
/// are an error, a smaller ghost of their own, or join the last whole ghost (and
/// are a ghost of their own where there is none).
enum class GhostRemainder { Error, Smaller, Merge };
const char *toString(GhostRemainder remainder);

/// How a batch is cut along axis 0.
struct GhostBatches {
  /// Samples of a ghost; 0 for a batch that is not cut.
  int64_t size = 0;
  GhostGrouping grouping = GhostGrouping::Strided;
  GhostRemainder remainder = GhostRemainder::Error;
};

/// A batch as whole ghosts in front and a tail behind.
struct GhostPlan {
  /// Ghosts of `GhostBatches::size` samples in the body.
  int64_t whole = 0;
  /// Samples behind the body, and the ghost they belong to.
  int64_t tail = 0, tailGhost = 0;
  /// All ghosts: the leading extent of everything that is kept per ghost.
  int64_t ghosts = 0;
};

/// Cuts a batch of `samples`. Errors: a size below 1, a remainder under
/// GhostRemainder::Error. An empty batch has no ghosts.
Expected<GhostPlan> planGhosts(const GhostBatches &ghosts, int64_t samples);

/// Limits of renorm's corrections; none where absent.
struct RenormClipping {
  std::optional<double> rmin = {}, rmax = {}, dmax = {};
};

/// Errors: rmax < rmin, dmax < 0, a limit that is NaN, an rmin or rmax below 0.
Expected<void> checkRenormClipping(const RenormClipping &clipping);

/// What moves from batch to batch, one value per kept index.
struct MovingStatistics {
  std::vector<double> mean = {}, variance = {};
  /// With renorm only; empty otherwise.
  std::vector<double> stddev = {}, renormMean = {}, renormStddev = {};
  /// Batches seen, for a cumulative average. (Batches with data.)
  int64_t batches = 0;
};

/// The choices that do not depend on the data.
struct BatchNormRules {
  /// Added to the variance, after it was raised to `epsilonFloor`.
  double epsilon = 1e-3, epsilonFloor = 0;
  /// The weight of the old value; absent for a cumulative average.
  std::optional<double> momentum = 0.99;
  MovingVariance movingVariance = MovingVariance::Population;
  bool renorm = false;
  RenormClipping clipping = {};
  double renormMomentum = 0.99;
  GhostBatches ghosts = {};
  /// Normalize with the statistics of the batch, not with the moving ones.
  bool useBatchStatistics = true;
  /// Change the moving statistics.
  bool updateMoving = true;

  double effectiveEpsilon() const { return epsilon > epsilonFloor ? epsilon : epsilonFloor; }
};

/// Errors: epsilon or its floor negative or not finite, a momentum that is not
/// finite, and those of clipping and ghosts.
Expected<void> checkBatchNormRules(const BatchNormRules &rules);

/// What a forward pass keeps for its gradient, and what the moving statistics
/// become.
struct BatchNormForward {
  /// Statistics of the groups: the kept extents, with the ghosts in front where
  /// the batch is cut (and batch statistics are used).
  Dims groupShape;
  std::vector<double> count, mean, invStd;
  /// Renorm's corrections, per kept index; empty without renorm.
  std::vector<double> r, d;
  MovingStatistics updated;
};

/// `groups` has the shape (ghosts, kept...) where rules.ghosts.size > 0, else
/// (kept...). The average of ghosts leaves out those in which nothing was counted.
BatchNormForward batchNormForward(const BatchNormRules &rules, const Statistics &groups,
                                  const MovingStatistics &moving);

/// Numbers per kept index that may be absent (empty): gamma is then 1, beta 0.
struct BatchNormParameters {
  std::vector<double> gamma = {}, beta = {};
};

/// The coefficients of the map of one group or of some of its kept indices: those of
/// `forward` from flat index `first` on, with `parameters`, r and d from `firstKept` on.
///
///   center = mean          scale = inv_std * r * gamma         shift = d * gamma + beta
///
/// `center` is rounded to `compute` and what that loses is put into `shift`, so
/// that large means cost no accuracy. A shift of zeros is left out.
Coefficients batchNormCoefficients(const BatchNormForward &forward, int64_t first,
                                   const Dims &keptShape, const BatchNormParameters &parameters,
                                   DType compute, int64_t firstKept = 0);

/// The inference coefficients of given statistics:
///   scale = gamma / sqrt(variance + epsilon), center = mean, shift = beta.
Coefficients batchNormCoefficients(std::span<const double> mean, std::span<const double> variance,
                                   double epsilon, const Dims &keptShape,
                                   const BatchNormParameters &parameters, DType compute);

/// Sums of a gradient for every kept index: sum(dy) and sum(dy * (x - center)).
struct GradientSums {
  Dims shape;
  std::vector<double> sum, dot;
};

/// dx = dy * scale + ((x - center) * slope + offset) * w for every kept index, w
/// the product of mask and weight. f64, rounded once to the compute type.
struct GradientCoefficients {
  Dims shape;
  std::vector<double> center, slope, offset, scale;
};

/// The coefficients of the gradient's map, of kept indices as above:
///
///   k = gamma * r             scale  = k * i
///   offset = -k * i * S1 / n  slope  = -k * i^3 * S2 / n      (0 where n = 0)
///
/// with i = inv_std, n the count and S1, S2 the group's `sums` (slice starting at
/// `first`, too). `offset` makes good the rounding of the center to `compute`.
GradientCoefficients batchNormGradientCoefficients(const BatchNormForward &forward, int64_t first,
                                                   const Dims &keptShape, const GradientSums &sums,
                                                   const BatchNormParameters &parameters,
                                                   DType compute, int64_t firstKept = 0);

} // namespace norma

#endif // NORMA_SUPPORT_BATCHNORM_H
