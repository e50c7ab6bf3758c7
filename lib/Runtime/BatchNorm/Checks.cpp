//===- Checks.cpp - What batch normalization refuses ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checks.h"

#include "Adjustment.h"

#include "norma/Support/Arguments.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

namespace norma {

namespace {

struct NamedValues {
  std::span<const double> values;
  const char *name;
};

} // namespace

static Expected<void> checkPerKept(const NamedValues &given, int64_t keptSize) {
  if (int64_t(given.values.size()) == keptSize)
    return {};
  return invalidArgument(fmt::format("{}: {} values, expected {}, one per kept index", given.name,
                                     given.values.size(), keptSize));
}

/// gamma and beta may be absent.
static Expected<void> checkParameters(const BatchNormParameters &parameters, int64_t keptSize) {
  for (const NamedValues &given :
       {NamedValues{parameters.gamma, "gamma"}, NamedValues{parameters.beta, "beta"}})
    if (!given.values.empty())
      if (Expected<void> ok = checkPerKept(given, keptSize); !ok)
        return ok;
  return {};
}

static Expected<void> checkMoving(const MovingStatistics &moving, bool renorm, int64_t keptSize) {
  for (const NamedValues &given :
       {NamedValues{moving.mean, "moving_mean"}, NamedValues{moving.variance, "moving_variance"}})
    if (Expected<void> ok = checkPerKept(given, keptSize); !ok)
      return ok;
  if (renorm)
    for (const NamedValues &given : {NamedValues{moving.stddev, "moving_stddev"},
                                     NamedValues{moving.renormMean, "renorm_mean"},
                                     NamedValues{moving.renormStddev, "renorm_stddev"}})
      if (Expected<void> ok = checkPerKept(given, keptSize); !ok)
        return ok;
  if (moving.batches < 0)
    return invalidArgument(fmt::format("batches: {}, expected at least 0", moving.batches));
  return {};
}

Expected<void> checkTraining(const Tensor &x, std::span<const int64_t> kept,
                             const BatchNormRules &rules, const BatchNormParameters &parameters,
                             const MovingStatistics &moving, const BatchNormInputs &inputs,
                             DType compute, const Tensor &y) {
  if (Expected<void> ok = checkBatchNormRules(rules); !ok)
    return ok;
  if (Expected<void> ok = checkMoments(x, kept, {.mask = inputs.mask, .weights = inputs.weights});
      !ok)
    return ok;
  if (Expected<void> ok = checkAffine(x, kept, {}, compute, y); !ok)
    return ok;
  if (Expected<void> ok = checkAdjustment(inputs, x.shape); !ok)
    return ok;
  const int64_t keptSize = *numElements(keptShape(x.shape, kept));
  if (Expected<void> ok = checkParameters(parameters, keptSize); !ok)
    return ok;
  return checkMoving(moving, rules.renorm, keptSize);
}

Expected<void> checkInference(const Tensor &x, std::span<const int64_t> kept,
                              std::span<const double> mean, std::span<const double> variance,
                              double epsilon, const BatchNormParameters &parameters, DType compute,
                              const Tensor &y) {
  if (Expected<void> ok = checkBatchNormRules({.epsilon = epsilon}); !ok)
    return ok;
  if (Expected<void> ok = checkAffine(x, kept, {}, compute, y); !ok)
    return ok;
  const int64_t keptSize = *numElements(keptShape(x.shape, kept));
  for (const NamedValues &given : {NamedValues{mean, "mean"}, NamedValues{variance, "variance"}})
    if (Expected<void> ok = checkPerKept(given, keptSize); !ok)
      return ok;
  return checkParameters(parameters, keptSize);
}

Expected<void> checkGradient(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                             const BatchNormRules &rules, const BatchNormParameters &parameters,
                             const BatchNormInputs &inputs, DType compute, const Tensor &dx) {
  if (Expected<void> ok = checkBatchNormRules(rules); !ok)
    return ok;
  const MomentsOptions options{.mask = inputs.mask, .weights = inputs.weights};
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok;
  Expected<int64_t> keptSize = numElements(keptShape(x.shape, kept));
  if (!keptSize)
    return keptSize.takeError();
  if (Expected<void> ok = checkGradientTensors(x, dy, kept, compute, dx, options); !ok)
    return ok;
  if (Expected<void> ok = checkAdjustment(inputs, x.shape); !ok)
    return ok;
  return checkParameters(parameters, *keptSize);
}

Expected<void> checkForward(const BatchNormForward &forward, const Dims &groupShape,
                            int64_t keptSize, bool renorm) {
  if (!(forward.groupShape == groupShape))
    return invalidArgument(fmt::format("forward: groups of shape {}, expected {}, those of x",
                                       toString(forward.groupShape), toString(groupShape)));
  const size_t groups = size_t(*numElements(groupShape)), corrections = renorm ? keptSize : 0;
  for (const auto &[values, name, expected] :
       {std::tuple(&forward.count, "count", groups), std::tuple(&forward.mean, "mean", groups),
        std::tuple(&forward.invStd, "invStd", groups), std::tuple(&forward.r, "r", corrections),
        std::tuple(&forward.d, "d", corrections)})
    if (values->size() != expected)
      return invalidArgument(
          fmt::format("forward.{}: {} values, expected {}", name, values->size(), expected));
  return {};
}

} // namespace norma
