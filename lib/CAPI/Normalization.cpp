//===- Normalization.cpp - The layer Normalization from C -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Layers.h"
#include "Options.h"
#include "Tensor.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::capi;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static norma_normalization_options defaultNormalizationOptions() {
  static const NormalizationOptions defaults;
  norma_normalization_options options{};
  options.struct_size = sizeof(options);
  options.axis = defaults.axis.begin();
  options.axis_count = size_t(defaults.axis.size());
  options.epsilon = defaults.epsilon;
  options.steps_per_execution = defaults.stepsPerExecution;
  options.name = defaults.name.c_str();
  options.zero_variance = NORMA_ZERO_VARIANCE_CLAMP;
  options.nan_policy = NORMA_NAN_PROPAGATE;
  options.compute_dtype = norma_dtype(defaults.compute);
  options.output_dtype = NORMA_DTYPE_DEFAULT;
  return options;
}

void norma_normalization_options_init_sized(norma_normalization_options *options,
                                            size_t structSize) {
  initOptions(defaultNormalizationOptions(), options, structSize);
}

/// A statistic of any element type, in any layout.
static Expected<std::optional<GivenStatistic>> toGiven(const norma_tensor *tensor,
                                                       const char *argument) {
  const Expected<std::optional<Tensor>> view = toOptionalTensor(tensor, argument);
  if (!view)
    return view.error();
  if (!*view)
    return std::optional<GivenStatistic>();
  const Expected<Array> dense = Array::copyOf(**view);
  if (!dense)
    return dense.error();
  const Tensor &values = dense->view();
  GivenStatistic given{.shape = values.shape, .values = {}};
  for (int64_t i = 0; i < values.size(); ++i)
    given.values.push_back(
        loadAsDouble(dense->as<std::byte>() + size_t(i) * sizeOf(values.dtype), values.dtype));
  return std::optional(std::move(given));
}

static Expected<NormalizationOptions>
toNormalizationOptions(const norma_normalization_options &from) {
  NormalizationOptions options;
  const Expected<Dims> axis = toAxes(from.axis, from.axis_count, "axis");
  if (!axis)
    return axis.error();
  options.axis = *axis;
  Expected<std::optional<GivenStatistic>> mean = toGiven(from.mean, "mean");
  if (!mean)
    return mean.takeError();
  options.mean = std::move(*mean);
  Expected<std::optional<GivenStatistic>> variance = toGiven(from.variance, "variance");
  if (!variance)
    return variance.takeError();
  options.variance = std::move(*variance);
  const Expected<ZeroVariance> zeroVariance =
      toChoice("zero_variance", from.zero_variance, {ZeroVariance::Clamp, ZeroVariance::Unit});
  if (!zeroVariance)
    return zeroVariance.error();
  options.zeroVariance = *zeroVariance;
  const Expected<NanPolicy> nan =
      toChoice("nan_policy", from.nan_policy, {NanPolicy::Propagate, NanPolicy::Omit});
  if (!nan)
    return nan.error();
  options.nan = *nan;
  if (Expected<void> types =
          readDTypes(from.compute_dtype, from.output_dtype, options.compute, options.output);
      !types)
    return types.takeError();
  options.invert = from.invert != 0;
  options.epsilon = from.epsilon;
  options.runEagerly = from.run_eagerly != 0;
  options.stepsPerExecution = from.steps_per_execution;
  if (from.name)
    options.name = from.name;
  return options;
}

norma_status norma_normalization_create(norma_engine *engine,
                                        const norma_normalization_options *options,
                                        norma_normalization **layer) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    const Expected<norma_normalization_options> read =
        readOptions(options, defaultNormalizationOptions());
    if (!read)
      return read.error();
    const Expected<NormalizationOptions> valid = toNormalizationOptions(*read);
    if (!valid)
      return valid.error();
    return give(Normalization::create(engineOf(engine), *valid), layer);
  });
}

void norma_normalization_destroy(norma_normalization *layer) { delete layer; }

norma_status norma_normalization_build(norma_normalization *layer, int32_t rank,
                                       const int64_t *shape) {
  return guarded({{"layer", layer}}, [&] { return buildLayer(layer->value, rank, shape); });
}

//===----------------------------------------------------------------------===//
// Learning
//===----------------------------------------------------------------------===//

norma_status norma_normalization_update(norma_normalization *layer, const norma_tensor *data,
                                        const norma_tensor *mask, const norma_tensor *weights) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    const Expected<Tensor> view = toTensor(data, "data");
    if (!view)
      return view.error();
    const Expected<MaskAndWeights> beside = toMaskAndWeights(mask, weights);
    if (!beside)
      return beside.error();
    return layer->value.updateState({*view, beside->mask, beside->weights});
  });
}

norma_status norma_normalization_merge(norma_normalization *layer,
                                       const norma_statistics *statistics) {
  return guarded({{"layer", layer}, {"statistics", statistics}},
                 [&] { return layer->value.merge(statistics->value); });
}

norma_status norma_normalization_reset(norma_normalization *layer) {
  return guarded({{"layer", layer}}, [&] { return layer->value.resetState(); });
}

norma_status norma_normalization_finalize(norma_normalization *layer) {
  return guarded({{"layer", layer}}, [&] { return layer->value.finalizeState(); });
}

//===----------------------------------------------------------------------===//
// Use
//===----------------------------------------------------------------------===//

norma_status norma_normalization_apply(const norma_normalization *layer, const norma_tensor *x,
                                       const norma_tensor *y) {
  return guarded({{"layer", layer}}, [&] { return applyLayer(layer->value, x, y); });
}

norma_status norma_normalization_apply_new(const norma_normalization *layer, const norma_tensor *x,
                                           norma_array **y) {
  return guarded({{"layer", layer}, {"y", y}}, [&] { return applyLayer(layer->value, x, y); });
}

//===----------------------------------------------------------------------===//
// What it knows
//===----------------------------------------------------------------------===//

norma_status norma_normalization_get_built(const norma_normalization *layer, int32_t *isBuilt) {
  return guarded({{"layer", layer}, {"is_built", isBuilt}}, [&]() -> Expected<void> {
    *isBuilt = layer->value.isBuilt();
    return {};
  });
}

norma_status norma_normalization_get_adapted(const norma_normalization *layer, int32_t *isAdapted) {
  return guarded({{"layer", layer}, {"is_adapted", isAdapted}}, [&]() -> Expected<void> {
    *isAdapted = layer->value.isAdapted();
    return {};
  });
}

norma_status norma_normalization_get_axes(const norma_normalization *layer,
                                          int64_t axes[NORMA_MAX_RANK], size_t *count) {
  return guarded({{"layer", layer}, {"axes", axes}, {"count", count}},
                 [&] { return copyAxes(layer->value, axes, count); });
}

norma_status norma_normalization_get_size(const norma_normalization *layer, size_t *size) {
  return guarded({{"layer", layer}, {"size", size}}, [&]() -> Expected<void> {
    if (Expected<void> built = checkBuilt(layer->value); !built)
      return built;
    *size = size_t(layer->value.statistics().size());
    return {};
  });
}

norma_status norma_normalization_get_moments(const norma_normalization *layer, double *mean,
                                             double *variance, size_t size) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    if (Expected<void> built = checkBuilt(layer->value); !built)
      return built;
    const std::vector<double> means = layer->value.mean(), variances = layer->value.variance();
    if (Expected<void> valid = checkSize(size, means.size()); !valid)
      return valid;
    copyValues(means, mean);
    copyValues(variances, variance);
    return {};
  });
}

norma_status norma_normalization_get_statistics(const norma_normalization *layer,
                                                norma_statistics **statistics) {
  return guarded({{"layer", layer}, {"statistics", statistics}}, [&]() -> Expected<void> {
    if (Expected<void> built = checkBuilt(layer->value); !built)
      return built;
    return give(layer->value.statistics(), statistics);
  });
}
