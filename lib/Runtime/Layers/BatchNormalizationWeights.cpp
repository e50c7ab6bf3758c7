//===- BatchNormalizationWeights.cpp - What the layer learns --------------===//
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

static void store(std::span<const double> values, const Tensor &into) {
  storeFromDoubles(values, into.data, into.dtype);
}

Expected<BatchNormalizationWeights>
BatchNormalizationWeights::create(const BatchNormalizationOptions &options, const Dims &kept) {
  BatchNormalizationWeights weights;
  struct Plan {
    bool isThere;
    const char *name;
    bool isParameter;
    const Initializer &initializer;
    /// Renorm's deviations start as the roots of variances.
    bool isDeviation;
  };
  const Plan plans[] = {
      {options.scale, "gamma", true, options.gammaInitializer, false},
      {options.center, "beta", true, options.betaInitializer, false},
      {true, "moving_mean", false, options.movingMeanInitializer, false},
      {true, "moving_variance", false, options.movingVarianceInitializer, false},
      {options.renorm, "moving_stddev", false, options.movingVarianceInitializer, true},
      {options.renorm, "renorm_mean", false, options.movingMeanInitializer, false},
      {options.renorm, "renorm_stddev", false, options.movingVarianceInitializer, true},
  };
  for (const Plan &plan : plans) {
    if (!plan.isThere)
      continue;
    // First, because this is what fails where memory is short.
    Expected<Array> array = Array::create(options.compute, kept);
    if (!array)
      return array.takeError().within(plan.name);
    std::vector<double> initial = initialValues(plan.initializer, kept);
    if (&plan.initializer == &options.movingVarianceInitializer)
      for (double &value : initial) {
        if (value < 0)
          return invalidArgument(fmt::format(
              "moving_variance_initializer: a variance of {}, expected 0 or more", value));
        if (plan.isDeviation)
          value = std::sqrt(value);
      }
    store(initial, *array);
    weights.list.push_back({plan.name, plan.isParameter, std::move(*array)});
  }
  return weights;
}

const BatchNormalizationWeights::Entry *
BatchNormalizationWeights::find(std::string_view name) const {
  for (const Entry &entry : list)
    if (name == entry.name)
      return &entry;
  return nullptr;
}

void BatchNormalizationWeights::get(std::string_view name, std::vector<double> &values) const {
  const Entry *entry = find(name);
  if (!entry)
    return values.clear();
  const Tensor weight = entry->value;
  values.resize(size_t(weight.size()));
  loadAsDoubles(weight.data, weight.dtype, values);
}

std::vector<double> BatchNormalizationWeights::values(std::string_view name) const {
  std::vector<double> result;
  get(name, result);
  return result;
}

void BatchNormalizationWeights::set(std::string_view name, std::span<const double> values) {
  store(values, find(name)->value);
}

BatchNormParameters BatchNormalizationWeights::parameters(BatchNormParameters memory) const {
  get("gamma", memory.gamma);
  get("beta", memory.beta);
  return memory;
}

MovingStatistics BatchNormalizationWeights::moving(bool withRenorm, MovingStatistics memory) const {
  get("moving_mean", memory.mean);
  get("moving_variance", memory.variance);
  memory.batches = batchesSeen;
  for (const auto &[name, values] :
       {std::pair("moving_stddev", &memory.stddev), std::pair("renorm_mean", &memory.renormMean),
        std::pair("renorm_stddev", &memory.renormStddev)}) {
    if (withRenorm)
      get(name, *values);
    else
      values->clear();
  }
  return memory;
}

void BatchNormalizationWeights::setMoving(const MovingStatistics &moving) {
  set("moving_mean", moving.mean);
  set("moving_variance", moving.variance);
  if (find("moving_stddev")) {
    set("moving_stddev", moving.stddev);
    set("renorm_mean", moving.renormMean);
    set("renorm_stddev", moving.renormStddev);
  }
  batchesSeen = moving.batches;
}

} // namespace norma
