//===- BatchNormalization.cpp - The layer BatchNormalization from C -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Layers.h"
#include "Options.h"
#include "Tensor.h"

using namespace norma;
using namespace norma::capi;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// The presets, by their numbers.
static const BatchNormalizationOptions &presetOptions(int32_t preset) {
  static const BatchNormalizationOptions presets[] = {
      BatchNormalizationOptions::kerasV1(), BatchNormalizationOptions::kerasV2(),
      BatchNormalizationOptions::keras3(), BatchNormalizationOptions::pytorch(),
      BatchNormalizationOptions::onnx()};
  return presets[preset];
}

static Expected<int32_t> checkPreset(int32_t preset) {
  return toChoice<int32_t>("preset", preset,
                           {NORMA_PRESET_KERAS_V1, NORMA_PRESET_KERAS_V2, NORMA_PRESET_KERAS_3,
                            NORMA_PRESET_PYTORCH, NORMA_PRESET_ONNX});
}

static norma_batch_normalization_options defaultBatchNormalizationOptions(int32_t preset) {
  const BatchNormalizationOptions &defaults =
      presetOptions(checkPreset(preset) ? preset : int32_t(NORMA_PRESET_KERAS_V2));
  norma_batch_normalization_options options{};
  options.struct_size = sizeof(options);
  options.axis = defaults.axis.begin();
  options.axis_count = size_t(defaults.axis.size());
  options.momentum = defaults.momentum.value_or(0);
  options.epsilon = defaults.epsilon;
  options.name = defaults.name.c_str();
  options.preset = preset;
  options.cumulative = !defaults.momentum;
  options.center = defaults.center;
  options.scale = defaults.scale;
  options.renorm = defaults.renorm;
  options.trainable = defaults.trainable;
  options.compute_dtype = norma_dtype(defaults.compute);
  options.output_dtype = NORMA_DTYPE_DEFAULT;
  return options;
}

void norma_batch_normalization_options_init_sized(norma_batch_normalization_options *options,
                                                  size_t structSize, int32_t preset) {
  initOptions(defaultBatchNormalizationOptions(preset), options, structSize);
}

static Expected<BatchNormalizationOptions>
toBatchNormalizationOptions(const norma_batch_normalization_options &from) {
  if (Expected<int32_t> preset = checkPreset(from.preset); !preset)
    return preset.takeError();
  BatchNormalizationOptions options = presetOptions(from.preset);
  const Expected<Dims> axis = toAxes(from.axis, from.axis_count, "axis");
  if (!axis)
    return axis.error();
  options.axis = *axis;
  if (Expected<void> types =
          readDTypes(from.compute_dtype, from.output_dtype, options.compute, options.output);
      !types)
    return types.takeError();
  options.momentum = from.cumulative ? std::nullopt : std::optional(from.momentum);
  options.epsilon = from.epsilon;
  options.center = from.center != 0;
  options.scale = from.scale != 0;
  options.renorm = from.renorm != 0;
  options.trainable = from.trainable != 0;
  if (from.virtual_batch_size)
    options.virtualBatchSize = from.virtual_batch_size;
  if (from.name)
    options.name = from.name;
  return options;
}

norma_status norma_batch_normalization_create(norma_engine *engine,
                                              const norma_batch_normalization_options *options,
                                              norma_batch_normalization **layer) {
  return guarded({{"engine", engine}, {"layer", layer}}, [&]() -> Expected<void> {
    const Expected<norma_batch_normalization_options> read =
        readOptions(options, defaultBatchNormalizationOptions(NORMA_PRESET_KERAS_V2));
    if (!read)
      return read.error();
    const Expected<BatchNormalizationOptions> valid = toBatchNormalizationOptions(*read);
    if (!valid)
      return valid.error();
    return give(BatchNormalization::create(engine->value, *valid), layer);
  });
}

void norma_batch_normalization_destroy(norma_batch_normalization *layer) { delete layer; }

norma_status norma_batch_normalization_build(norma_batch_normalization *layer, int32_t rank,
                                             const int64_t *shape) {
  return guarded({{"layer", layer}}, [&] { return buildLayer(layer->value, rank, shape); });
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

norma_status norma_batch_normalization_train(norma_batch_normalization *layer,
                                             const norma_tensor *x, const norma_tensor *y,
                                             const norma_tensor *mask, const norma_tensor *weights,
                                             norma_saved_forward **saved) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    const Expected<Tensor> from = toTensor(x, "x");
    if (!from)
      return from.error();
    const Expected<Tensor> to = toTensor(y, "y");
    if (!to)
      return to.error();
    const Expected<MaskAndWeights> beside = toMaskAndWeights(mask, weights);
    if (!beside)
      return beside.error();
    // Before anything is learned: afterwards there may be no memory for it.
    auto handle = std::make_unique<norma_saved_forward>();
    Expected<SavedForward> result =
        layer->value.train(*from, *to, {.mask = beside->mask, .weights = beside->weights});
    if (!result)
      return result.takeError();
    handle->value = std::move(*result);
    if (saved)
      *saved = handle.release();
    return {};
  });
}

norma_status norma_batch_normalization_apply(const norma_batch_normalization *layer,
                                             const norma_tensor *x, const norma_tensor *y) {
  return guarded({{"layer", layer}}, [&] { return applyLayer(layer->value, x, y); });
}

norma_status norma_batch_normalization_apply_new(const norma_batch_normalization *layer,
                                                 const norma_tensor *x, norma_array **y) {
  return guarded({{"layer", layer}, {"y", y}}, [&] { return applyLayer(layer->value, x, y); });
}

norma_status norma_batch_normalization_apply_and_save(const norma_batch_normalization *layer,
                                                      const norma_tensor *x, const norma_tensor *y,
                                                      norma_saved_forward **saved) {
  return guarded({{"layer", layer}, {"saved", saved}}, [&]() -> Expected<void> {
    const Expected<Tensor> from = toTensor(x, "x");
    if (!from)
      return from.error();
    const Expected<Tensor> to = toTensor(y, "y");
    if (!to)
      return to.error();
    return give(layer->value.applyAndSave(*from, *to), saved);
  });
}

/// The number of kept indices of a built layer, which always has moving means.
static size_t sizeOfLayer(const BatchNormalization &layer) {
  const Expected<Tensor> mean = layer.weight("moving_mean");
  return mean ? size_t(mean->size()) : 0;
}

/// Writes a gradient, or zeros where the layer has none, to a place that may be null.
static void copyGradient(std::span<const double> gradient, double *to, size_t size) {
  if (to && gradient.empty())
    std::fill_n(to, size, 0.0);
  copyValues(gradient, to);
}

norma_status norma_batch_normalization_gradient(const norma_batch_normalization *layer,
                                                const norma_saved_forward *saved,
                                                const norma_tensor *x, const norma_tensor *dy,
                                                const norma_tensor *mask,
                                                const norma_tensor *weights, const norma_tensor *dx,
                                                double *dgamma, double *dbeta, size_t size) {
  return guarded({{"layer", layer}, {"saved", saved}}, [&]() -> Expected<void> {
    const Expected<Tensor> data = toTensor(x, "x");
    if (!data)
      return data.error();
    const Expected<Tensor> from = toTensor(dy, "dy");
    if (!from)
      return from.error();
    const Expected<MaskAndWeights> beside = toMaskAndWeights(mask, weights);
    if (!beside)
      return beside.error();
    const Expected<Tensor> to = toTensor(dx, "dx");
    if (!to)
      return to.error();
    if (dgamma || dbeta) {
      if (Expected<void> built = checkBuilt(layer->value); !built)
        return built;
      if (Expected<void> valid = checkSize(size, sizeOfLayer(layer->value)); !valid)
        return valid;
    }
    const Expected<BatchNormGradients> gradients = layer->value.gradient(
        saved->value, *data, *from, *to, {.mask = beside->mask, .weights = beside->weights});
    if (!gradients)
      return gradients.error();
    copyGradient(gradients->gamma, dgamma, size);
    copyGradient(gradients->beta, dbeta, size);
    return {};
  });
}

void norma_saved_forward_destroy(norma_saved_forward *saved) { delete saved; }

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Where a weight of `size` values is; see BatchNormalization::weight().
static Expected<Tensor> findWeight(const norma_batch_normalization *layer, const char *name,
                                   size_t size) {
  if (Expected<void> built = checkBuilt(layer->value); !built)
    return built.takeError();
  Expected<Tensor> weight = layer->value.weight(name);
  if (weight)
    if (Expected<void> valid = checkSize(size, size_t(weight->size())); !valid)
      return valid.takeError();
  return weight;
}

norma_status norma_batch_normalization_get_weight(const norma_batch_normalization *layer,
                                                  const char *name, double *values, size_t size) {
  return guarded({{"layer", layer}, {"name", name}, {"values", values}}, [&]() -> Expected<void> {
    const Expected<Tensor> weight = findWeight(layer, name, size);
    if (!weight)
      return weight.error();
    const auto *const bytes = static_cast<const std::byte *>(weight->data);
    for (size_t i = 0; i < size; ++i)
      values[i] = loadAsDouble(bytes + i * sizeOf(weight->dtype), weight->dtype);
    return {};
  });
}

norma_status norma_batch_normalization_set_weight(norma_batch_normalization *layer,
                                                  const char *name, const double *values,
                                                  size_t size) {
  return guarded({{"layer", layer}, {"name", name}, {"values", values}}, [&]() -> Expected<void> {
    const Expected<Tensor> weight = findWeight(layer, name, size);
    if (!weight)
      return weight.error();
    auto *const bytes = static_cast<std::byte *>(weight->data);
    for (size_t i = 0; i < size; ++i)
      storeFromDouble(values[i], bytes + i * sizeOf(weight->dtype), weight->dtype);
    return {};
  });
}

norma_status
norma_batch_normalization_get_regularization_loss(const norma_batch_normalization *layer,
                                                  double *loss) {
  return guarded({{"layer", layer}, {"loss", loss}}, [&]() -> Expected<void> {
    *loss = layer->value.regularizationLoss();
    return {};
  });
}

norma_status norma_batch_normalization_apply_constraints(norma_batch_normalization *layer) {
  return guarded({{"layer", layer}}, [&] { return layer->value.applyConstraints(); });
}

norma_status norma_batch_normalization_set_trainable(norma_batch_normalization *layer,
                                                     int32_t isTrainable) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    layer->value.setTrainable(isTrainable != 0);
    return {};
  });
}

//===----------------------------------------------------------------------===//
// What it knows
//===----------------------------------------------------------------------===//

norma_status norma_batch_normalization_get_built(const norma_batch_normalization *layer,
                                                 int32_t *isBuilt) {
  return guarded({{"layer", layer}, {"is_built", isBuilt}}, [&]() -> Expected<void> {
    *isBuilt = layer->value.isBuilt();
    return {};
  });
}

norma_status norma_batch_normalization_get_axes(const norma_batch_normalization *layer,
                                                int64_t axes[NORMA_MAX_RANK], size_t *count) {
  return guarded({{"layer", layer}, {"axes", axes}, {"count", count}},
                 [&] { return copyAxes(layer->value, axes, count); });
}

norma_status norma_batch_normalization_get_size(const norma_batch_normalization *layer,
                                                size_t *size) {
  return guarded({{"layer", layer}, {"size", size}}, [&]() -> Expected<void> {
    if (Expected<void> built = checkBuilt(layer->value); !built)
      return built;
    *size = sizeOfLayer(layer->value);
    return {};
  });
}
