//===- BatchNormalizationFile.cpp - The layer as a file -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormalizationImpl.h"
#include "StateFile.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace norma {

using namespace statefile;

namespace {

constexpr Format kFormat = {"norma.batch_normalization", "1", "a batch normalization"};

/// What a file says, checked, but for the tensors.
struct Description {
  BatchNormalizationOptions options;
  BuildShape shape;
  int64_t batchesSeen = 0;
};

Expected<int64_t> parseBatchesSeen(const Metadata &metadata) {
  Expected<std::string> text = metadataEntry(metadata, "batches_seen");
  if (!text)
    return text.takeError();
  int64_t value = 0;
  const char *const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || rest != end || value < 0)
    return damaged(fmt::format("the metadata 'batches_seen' is '{}'; expected an integer, 0 or "
                               "more",
                               text->substr(0, 60)));
  return value;
}

Expected<Description> parseMetadata(const Metadata &metadata) {
  if (Expected<void> valid = checkFormat(metadata, kFormat); !valid)
    return valid.takeError();
  Expected<Dims> axis = dimsEntry(metadata, "axis", /*mayBeUnknown=*/false);
  if (!axis)
    return axis.takeError();
  Expected<Dims> shape = dimsEntry(metadata, "shape", /*mayBeUnknown=*/true);
  if (!shape)
    return shape.takeError();
  Expected<std::string> configText = metadataEntry(metadata, "config");
  if (!configText)
    return configText.takeError();
  Expected<int64_t> batchesSeen = parseBatchesSeen(metadata);
  if (!batchesSeen)
    return batchesSeen.takeError();

  Expected<BatchNormalizationConfig> config = parseBatchNormalizationConfig(*configText);
  if (!config)
    return damaged(config.takeError());
  if (config->buildShape && *config->buildShape != *shape)
    return damaged("the metadata 'shape' and the build shape of 'config' differ");
  Expected<BuildShape> built = makeBuildShape(config->options.axis, *shape);
  if (!built)
    return damaged(built.takeError());
  if (built->axis != *axis)
    return damaged(fmt::format("the metadata 'axis' is {}; expected {}, by 'config' and 'shape'",
                               toString(*axis), toString(built->axis)));
  return Description{config->options, *built, *batchesSeen};
}

/// Variances and deviations are 0 or more. NaN may have been learned.
Expected<void> checkSpread(const BatchNormalizationWeights &weights) {
  for (const char *name : {"moving_variance", "moving_stddev", "renorm_stddev"}) {
    const std::vector<double> values = weights.values(name);
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] < 0)
        return damaged(fmt::format("the tensor '{}' has the value {} at flat index {}; expected 0 "
                                   "or more",
                                   name, values[i], i));
  }
  return {};
}

/// Replaces the values of all weights by those of the file.
Expected<void> readWeights(const io::Safetensors &file, const Description &description,
                           BatchNormalizationWeights &weights) {
  for (const auto &entry : weights.entries()) {
    Expected<Tensor> tensor =
        tensorEntry(file, entry.name, description.options.compute, description.shape.kept);
    if (!tensor)
      return tensor.takeError();
    if (tensor->size() != 0)
      std::memcpy(entry.value.as<std::byte>(), tensor->data, entry.value.sizeInBytes());
  }
  weights.batchesSeen = description.batchesSeen;
  return checkSpread(weights);
}

} // namespace

Expected<void> BatchNormalization::save(const std::string &path) const try {
  const auto built = state->getBuilt();
  if (!built)
    return invalidArgument("save: the layer is not built; it has no weights and no shape yet");
  Metadata metadata = describe(kFormat);
  metadata["axis"] = formatDims(built->shape.axis, /*mayBeUnknown=*/false);
  metadata["shape"] = formatDims(built->shape.shape, /*mayBeUnknown=*/true);
  metadata["config"] = getConfig();
  metadata["batches_seen"] = std::to_string(built->weights.batchesSeen);
  std::map<std::string, Tensor> tensors;
  for (const auto &entry : built->weights.entries())
    tensors.emplace(entry.name, entry.value.view());
  return io::writeSafetensors(path, metadata, tensors);
} catch (...) {
  return outOfMemory();
}

Expected<BatchNormalization> BatchNormalization::load(std::shared_ptr<Engine> engine,
                                                      const std::string &path) try {
  Expected<io::Safetensors> file = io::readSafetensors(path);
  if (!file)
    return file.takeError();
  Expected<Description> description = parseMetadata(file->metadata);
  if (!description)
    return description.takeError().within(path);
  // Before any memory is taken for kept extents that the metadata alone claim.
  if (Expected<Tensor> tensor =
          tensorEntry(*file, "moving_mean", description->options.compute, description->shape.kept);
      !tensor)
    return tensor.takeError().within(path);
  Expected<BatchNormalization> layer = create(std::move(engine), description->options);
  if (!layer)
    return layer;
  if (Expected<void> built = layer->build(description->shape.shape); !built)
    return damaged(built.takeError()).within(path);
  if (Expected<void> done = readWeights(*file, *description, layer->state->built->weights); !done)
    return done.takeError().within(path);
  return layer;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
