//===- NormalizationFile.cpp - The layer as a file ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Safetensors.h"
#include "norma/Runtime/Layers/NormalizationState.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>

#ifndef NORMA_VERSION
#define NORMA_VERSION "0.1.0"
#endif

namespace norma {

namespace {

using Metadata = std::map<std::string, std::string>;

constexpr const char *kFormat = "norma.normalization";
constexpr const char *kFormatVersion = "1";
constexpr const char *kProducer = "norma " NORMA_VERSION;

std::string formatDims(const Dims &dims, bool mayBeUnknown) {
  nlohmann::json list = nlohmann::json::array();
  for (int64_t value : dims) {
    if (mayBeUnknown && value == kUnknownExtent)
      list.push_back(nullptr);
    else
      list.push_back(value);
  }
  return list.dump();
}

Error damaged(std::string message) { return Error(ErrorCode::DataLoss, std::move(message)); }

Expected<std::string> metadataEntry(const Metadata &metadata, const char *key) {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    return damaged(fmt::format("the metadata have no '{}'", key));
  return found->second;
}

/// A list of axes or extents: integers of 0 or more, and null where allowed.
Expected<Dims> dimsEntry(const Metadata &metadata, const char *key, bool mayBeUnknown) {
  Expected<std::string> text = metadataEntry(metadata, key);
  if (!text)
    return text.takeError();
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  bool valid = json.is_array() && Dims::fits(json.size());
  Dims dims;
  for (size_t i = 0; valid && i < json.size(); ++i) {
    if (mayBeUnknown && json[i].is_null()) {
      dims.push_back(kUnknownExtent);
      continue;
    }
    // Only negative integers are not "unsigned" to the parser.
    valid = json[i].is_number_unsigned() && json[i].get<uint64_t>() <= uint64_t(INT64_MAX);
    if (valid)
      dims.push_back(json[i].get<int64_t>());
  }
  if (!valid)
    return damaged(fmt::format("the metadata '{}' is '{}'; expected a list of at most {} {}", key,
                               text->substr(0, 60), kMaxRank,
                               mayBeUnknown ? "extents, null where unknown" : "axes"));
  return dims;
}

Expected<void> checkFormat(const Metadata &metadata) {
  const auto format = metadata.find("format");
  if (format == metadata.end())
    return Error(ErrorCode::Unsupported,
                 fmt::format("not a state of a normalization: the metadata have no 'format'; "
                             "expected '{}'",
                             kFormat));
  if (format->second != kFormat)
    return Error(ErrorCode::Unsupported,
                 fmt::format("not a state of a normalization: the format is '{}'; expected '{}'",
                             format->second.substr(0, 60), kFormat));
  Expected<std::string> version = metadataEntry(metadata, "format_version");
  if (!version)
    return version.takeError();
  if (*version != kFormatVersion)
    return Error(ErrorCode::Unsupported,
                 fmt::format("the format version is '{}'; this version of norma reads '{}'",
                             version->substr(0, 60), kFormatVersion));
  return {};
}

Expected<std::vector<double>> tensorEntry(const io::Safetensors &file, const char *name,
                                          const Dims &kept) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    return damaged(fmt::format("there is no tensor '{}'", name));
  const Tensor &tensor = found->second.view();
  if (tensor.dtype != DType::F64)
    return damaged(
        fmt::format("the tensor '{}' has the type {}; expected f64", name, toString(tensor.dtype)));
  if (tensor.shape != kept)
    return damaged(fmt::format("the tensor '{}' has the shape {}; expected the kept extents {}",
                               name, toString(tensor.shape), toString(kept)));
  std::vector<double> values(size_t(tensor.size()));
  if (!values.empty())
    std::memcpy(values.data(), tensor.data, values.size() * sizeof(double));
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
  if (Expected<void> valid = checkFormat(file.metadata); !valid)
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
    return damaged(config.error().message());
  if (config->buildShape && *config->buildShape != *shape)
    return damaged("the metadata 'shape' and the build shape of 'config' differ");

  Expected<std::string> origin = metadataEntry(file.metadata, "statistics");
  if (!origin)
    return origin.takeError();
  if (const char *expected = originOf(config->options); *origin != expected)
    return damaged(fmt::format("the metadata 'statistics' is '{}'; expected '{}', by 'config'",
                               origin->substr(0, 60), expected));

  // What a layer with this configuration and shape must look like.
  Expected<NormalizationState> state = createNormalizationState(config->options, *shape);
  if (!state)
    return damaged(state.error().message());
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
    Expected<std::vector<double>> values = tensorEntry(file, part.name, statistics.shape);
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
    return damaged(valid.error().message());
  return state;
}

} // namespace

Expected<NormalizationState> readNormalizationState(const std::string &path) {
  Expected<io::Safetensors> file = io::readSafetensors(path);
  if (!file)
    return file.takeError();
  Expected<NormalizationState> state = parse(*file);
  if (!state)
    return state.takeError().within(path);
  return state;
}

Expected<void> writeNormalizationState(const std::string &path, const NormalizationState &state) {
  if (Expected<void> valid = checkNormalizationState(state); !valid)
    return valid;
  const Metadata metadata = {
      {"format", kFormat},
      {"format_version", kFormatVersion},
      {"producer", kProducer},
      {"axis", formatDims(state.axis, /*mayBeUnknown=*/false)},
      {"shape", formatDims(state.shape, /*mayBeUnknown=*/true)},
      {"statistics", originOf(state.options)},
      {"config", formatNormalizationConfig(state.options, state.shape)},
  };
  const Statistics &statistics = state.statistics;
  const auto view = [&](const std::vector<double> &values) {
    return Tensor(const_cast<double *>(values.data()), DType::F64, statistics.shape);
  };
  return io::writeSafetensors(path, metadata,
                              {{"count", view(statistics.count)},
                               {"mean", view(statistics.mean)},
                               {"m2", view(statistics.m2)}});
}

Expected<void> Normalization::save(const std::string &path) const {
  Expected<NormalizationState> snapshot = toState();
  if (!snapshot)
    return snapshot.takeError().within("save");
  return writeNormalizationState(path, *snapshot);
}

Expected<Normalization> Normalization::load(std::shared_ptr<Engine> engine,
                                            const std::string &path) {
  Expected<NormalizationState> snapshot = readNormalizationState(path);
  if (!snapshot)
    return snapshot.takeError();
  return fromState(std::move(engine), *snapshot);
}

} // namespace norma
