//===- BatchNormalizationOptions.cpp - What the layer is told -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormalizationImpl.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace norma {

//===----------------------------------------------------------------------===//
// Presets
//===----------------------------------------------------------------------===//

BatchNormalizationOptions BatchNormalizationOptions::kerasV1() {
  return {.frozenIsInference = false, .fusedImpossibleIsError = false};
}

BatchNormalizationOptions BatchNormalizationOptions::kerasV2() { return {}; }

BatchNormalizationOptions BatchNormalizationOptions::keras3() {
  return {.movingVariance = MovingVariance::Population, .fusedConventions = false, .oneAxis = true};
}

BatchNormalizationOptions BatchNormalizationOptions::pytorch() {
  return {.axis = {1},
          .momentum = 0.1,
          .epsilon = 1e-5,
          .movingVariance = MovingVariance::Sample,
          .momentumWeighsNew = true,
          .fusedConventions = false};
}

BatchNormalizationOptions BatchNormalizationOptions::onnx() {
  return {.axis = {1},
          .momentum = 0.9,
          .epsilon = 1e-5,
          .movingVariance = MovingVariance::Population,
          .fusedConventions = false};
}

//===----------------------------------------------------------------------===//
// Fused
//===----------------------------------------------------------------------===//

/// Why no shape makes the layer fused; empty where one could. `axis` as given.
static std::string whyNeverFused(const BatchNormalizationOptions &options) {
  if (options.axis.size() != 1)
    return fmt::format("there are {} kept axes", options.axis.size());
  const int64_t axis = options.axis[0];
  if (axis == 0 || axis == 2 || axis == -2 || axis < -4 || axis > 4)
    return fmt::format("the kept axis is {}, not 1, 3 or 4 from the front or the back", axis);
  if (options.renorm)
    return "there is renorm";
  if (options.virtualBatchSize)
    return "there is a virtual_batch_size";
  if (options.adjustment)
    return "there is an adjustment";
  if (options.allReduce)
    return "the statistics are synchronized";
  if (options.compute != DType::F32)
    return fmt::format("the dtype is {}", toString(options.compute));
  return "";
}

/// Why this shape does not, where another could.
static std::string whyNotFused(const BuildShape &shape) {
  const int rank = shape.shape.size();
  const int64_t axis = shape.axis[0];
  if (rank != 4 && rank != 5)
    return fmt::format("the input has rank {}, not 4 or 5", rank);
  if (axis != 1 && axis != rank - 1)
    return fmt::format("the kept axis is {} of rank {}, not 1 or {}", axis, rank, rank - 1);
  return "";
}

static Expected<bool> fusedUnless(const BatchNormalizationOptions &options,
                                  const std::string &reason) {
  if (!reason.empty() && options.fused && options.fusedImpossibleIsError)
    return invalidArgument(
        fmt::format("fused: true, which is impossible as {}, expected false or none", reason));
  return reason.empty();
}

/// Whether some shape makes the layer fused.
static Expected<bool> mayBeFused(const BatchNormalizationOptions &options) {
  if (!options.fusedConventions || !options.fused.value_or(true))
    return false;
  return fusedUnless(options, whyNeverFused(options));
}

Expected<bool> decideFused(const BatchNormalizationOptions &options, const BuildShape &shape) {
  const Expected<bool> possible = mayBeFused(options);
  return possible && *possible ? fusedUnless(options, whyNotFused(shape)) : possible;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

Expected<RenormClipping> parseRenormClipping(const std::map<std::string, double> &limits) {
  RenormClipping clipping;
  for (const auto &[name, limit] : limits) {
    if (name == "rmin")
      clipping.rmin = limit;
    else if (name == "rmax")
      clipping.rmax = limit;
    else if (name == "dmax")
      clipping.dmax = limit;
    else
      return invalidArgument(
          fmt::format("renorm_clipping: unknown key '{}', expected rmax, rmin or dmax", name));
  }
  if (Expected<void> valid = checkRenormClipping(clipping); !valid)
    return valid.takeError();
  return clipping;
}

static Expected<void> checkAxis(const BatchNormalizationOptions &options) {
  const Dims &axis = options.axis;
  if (axis.empty())
    return invalidArgument("axis: (), expected at least one axis");
  if (options.oneAxis && axis.size() != 1)
    return invalidArgument(fmt::format("axis: {}, expected exactly one axis", toString(axis)));
  // Without a rank only equal values can be recognized as the same axis.
  for (int i = 0; i < axis.size(); ++i) {
    if (std::find(axis.begin(), axis.begin() + i, axis[i]) != axis.begin() + i)
      return invalidArgument(fmt::format("axis: {} is given twice in {}, expected each axis once",
                                         axis[i], toString(axis)));
    if (options.virtualBatchSize && axis[i] == 0)
      return invalidArgument(fmt::format("axis: {} with a virtual_batch_size, expected axes "
                                         "without 0, which is cut into virtual batches",
                                         toString(axis)));
  }
  return {};
}

static Expected<void> checkParameters(const BatchNormalizationOptions &options) {
  for (const auto &[initializer, name] :
       {std::pair(&options.betaInitializer, "beta_initializer"),
        std::pair(&options.gammaInitializer, "gamma_initializer"),
        std::pair(&options.movingMeanInitializer, "moving_mean_initializer"),
        std::pair(&options.movingVarianceInitializer, "moving_variance_initializer")})
    if (Expected<void> valid = checkInitializer(*initializer, name); !valid)
      return valid;
  for (const auto &[regularizer, name] :
       {std::pair(&options.betaRegularizer, "beta_regularizer"),
        std::pair(&options.gammaRegularizer, "gamma_regularizer")})
    if (*regularizer)
      if (Expected<void> valid = checkRegularizer(**regularizer, name); !valid)
        return valid;
  for (const auto &[constraint, name] : {std::pair(&options.betaConstraint, "beta_constraint"),
                                         std::pair(&options.gammaConstraint, "gamma_constraint")}) {
    if (!*constraint)
      continue;
    if (Expected<void> valid = checkConstraint(**constraint, name); !valid)
      return valid;
    // Parameters have one axis for each kept one.
    if (Expected<void> valid = checkConstraintAxis(**constraint, options.axis.size(), name); !valid)
      return valid;
  }
  return {};
}

Expected<void> checkBatchNormalizationOptions(const BatchNormalizationOptions &options) {
  if (Expected<void> valid = checkAxis(options); !valid)
    return valid;
  if (options.virtualBatchSize && *options.virtualBatchSize < 1)
    return invalidArgument(
        fmt::format("virtual_batch_size: {}, expected at least 1", *options.virtualBatchSize));
  // The momentum as given, for the message.
  if (Expected<void> valid = checkBatchNormRules({.epsilon = options.epsilon,
                                                  .momentum = options.momentum,
                                                  .renormMomentum = options.renormMomentum});
      !valid)
    return valid;
  if (!(options.fusedEpsilonFloor >= 0) || std::isinf(options.fusedEpsilonFloor))
    return invalidArgument(
        fmt::format("fused_epsilon_floor: {}, expected a finite number not below 0",
                    options.fusedEpsilonFloor));
  if (Expected<RenormClipping> clipping = parseRenormClipping(options.renormClipping); !clipping)
    return clipping.takeError();
  if (options.compute != DType::F32 && options.compute != DType::F64)
    return invalidArgument(
        fmt::format("dtype: {}, expected f32 or f64", toString(options.compute)));
  if (options.output && !isFloat(*options.output))
    return invalidArgument(
        fmt::format("output_dtype: {}, expected f32, f64, f16 or bf16", toString(*options.output)));
  if (Expected<void> valid = checkParameters(options); !valid)
    return valid;
  if (Expected<bool> fused = mayBeFused(options); !fused)
    return fused.takeError();
  return {};
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

BatchNormRules makeRules(const BatchNormalizationOptions &options, bool isFused, bool isTraining) {
  BatchNormRules rules;
  rules.epsilon = options.epsilon;
  rules.epsilonFloor = isFused ? options.fusedEpsilonFloor : 0;
  rules.useBatchStatistics = isTraining;
  rules.updateMoving = isTraining && options.trainable;
  if (!isTraining)
    return rules;
  rules.momentum = options.momentum;
  if (options.momentum && options.momentumWeighsNew)
    rules.momentum = 1 - *options.momentum;
  rules.movingVariance = options.movingVariance.value_or(isFused ? MovingVariance::Sample
                                                                 : MovingVariance::Population);
  rules.renorm = options.renorm;
  // Limits that do not parse were refused before.
  if (Expected<RenormClipping> clipping = parseRenormClipping(options.renormClipping))
    rules.clipping = *clipping;
  rules.renormMomentum = options.renormMomentum;
  if (options.virtualBatchSize)
    rules.ghosts = {*options.virtualBatchSize, options.ghostGrouping, options.ghostRemainder};
  return rules;
}

} // namespace norma
