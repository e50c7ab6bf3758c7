//===- NormalizationFile.cpp - The layer as a file ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildShape.h"
#include "StateFile.h"

#include "norma/Runtime/Layers/NormalizationState.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace norma {

using namespace statefile;

namespace {

constexpr Format kFormat = {"norma.normalization", "1", "a normalization"};

Expected<std::vector<double>> readValues(const io::Safetensors &file, const char *name,
                                         const Dims &kept) {
  Expected<Tensor> tensor = tensorEntry(file, name, DType::F64, kept);
  if (!tensor)
    return tensor.takeError();
  std::vector<double> values(size_t(tensor->size()));
  if (!values.empty())
    std::memcpy(values.data(), tensor->data, values.size() * sizeof(double));
  return values;
}

/// Where the statistics come from, as the metadata say it.
const char *originOf(const NormalizationOptions &options) {
  return options.mean ? "given" : "adapted";
}

/// Whether the numbers are the same, NaN included.
bool isSame(const std::vector<double> &a, const std::vector<double> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

Expected<NormalizationState> parse(const io::Safetensors &file) {
  if (Expected<void> valid = checkFormat(file.metadata, kFormat); !valid)
    return valid.takeError();
  Expected<Dims> axis = dimsEntry(file.metadata, "axis", /*mayBeUnknown=*/false);
  if (!axis)
    return axis.takeError();
  Expected<Dims> shape = dimsEntry(file.metadata, "shape", /*mayBeUnknown=*/true);
  if (!shape)
    return shape.takeError();
  Expected<std::string> configText = metadataEntry(file.metadata, "config");
  if (!configText)
    return configText.takeError();
  Expected<NormalizationConfig> config = parseNormalizationConfig(*configText);
  if (!config)
    return damaged(config.takeError());
  if (config->buildShape && *config->buildShape != *shape)
    return damaged("the metadata 'shape' and the build shape of 'config' differ");

  Expected<std::string> origin = metadataEntry(file.metadata, "statistics");
  if (!origin)
    return origin.takeError();
  if (const char *expected = originOf(config->options); *origin != expected)
    return damaged(fmt::format("the metadata 'statistics' is '{}'; expected '{}', by 'config'",
                               origin->substr(0, 60), expected));

  // Before any memory is taken for kept extents that the metadata alone claim.
  Expected<BuildShape> built = makeBuildShape(config->options.axis, *shape);
  if (!built)
    return damaged(built.takeError());
  if (Expected<Tensor> tensor = tensorEntry(file, "count", DType::F64, built->kept); !tensor)
    return tensor.takeError();

  // What a layer with this configuration and shape must look like.
  Expected<NormalizationState> state = createNormalizationState(config->options, *shape);
  if (!state)
    return damaged(state.takeError());
  if (state->axis != *axis)
    return damaged(fmt::format("the metadata 'axis' is {}; expected {}, by 'config' and 'shape'",
                               toString(*axis), toString(state->axis)));
  Statistics statistics = Statistics::zeros({});
  statistics.shape = state->statistics.shape;
  struct Part {
    const char *name;
    std::vector<double> *values;
  };
  for (const Part &part : {Part{"count", &statistics.count}, Part{"mean", &statistics.mean},
                           Part{"m2", &statistics.m2}}) {
    Expected<std::vector<double>> values = readValues(file, part.name, statistics.shape);
    if (!values)
      return values.takeError();
    *part.values = std::move(*values);
  }
  if (state->isGiven() && !(isSame(statistics.count, state->statistics.count) &&
                            isSame(statistics.mean, state->statistics.mean) &&
                            isSame(statistics.m2, state->statistics.m2)))
    return damaged("the tensors differ from the mean and variance that 'config' gives");
  state->statistics = std::move(statistics);
  if (Expected<void> valid = checkNormalizationState(*state); !valid)
    return damaged(valid.takeError());
  return state;
}

} // namespace

Expected<NormalizationState> readNormalizationState(const std::string &path) try {
  Expected<io::Safetensors> file = io::readSafetensors(path);
  if (!file)
    return file.takeError();
  Expected<NormalizationState> state = parse(*file);
  if (!state)
    return state.takeError().within(path);
  return state;
} catch (...) {
  return outOfMemory();
}

Expected<void> writeNormalizationState(const std::string &path,
                                       const NormalizationState &state) try {
  if (Expected<void> valid = checkNormalizationState(state); !valid)
    return valid;
  Metadata metadata = describe(kFormat);
  metadata["axis"] = formatDims(state.axis, /*mayBeUnknown=*/false);
  metadata["shape"] = formatDims(state.shape, /*mayBeUnknown=*/true);
  metadata["statistics"] = originOf(state.options);
  metadata["config"] = formatNormalizationConfig(state.options, state.shape);
  const Statistics &statistics = state.statistics;
  const auto view = [&](const std::vector<double> &values) {
    return Tensor(const_cast<double *>(values.data()), DType::F64, statistics.shape);
  };
  return io::writeSafetensors(path, metadata,
                              {{"count", view(statistics.count)},
                               {"mean", view(statistics.mean)},
                               {"m2", view(statistics.m2)}});
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::save(const std::string &path) const try {
  Expected<NormalizationState> snapshot = toState();
  if (!snapshot)
    return snapshot.takeError().within("save");
  return writeNormalizationState(path, *snapshot);
} catch (...) {
  return outOfMemory();
}

Expected<Normalization> Normalization::load(std::shared_ptr<Engine> engine,
                                            const std::string &path) try {
  Expected<NormalizationState> snapshot = readNormalizationState(path);
  if (!snapshot)
    return snapshot.takeError();
  return fromState(std::move(engine), *snapshot);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
