//===- NormalizationConfig.cpp - The layer as JSON ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConfigJson.h"

#include "norma/Support/OutOfMemory.h"

namespace norma {

using namespace configjson;

namespace {

/// Values as nested lists, as Python's array.tolist() gives them.
Json nest(const GivenStatistic &given, int axis, size_t &position) {
  if (axis == given.shape.size())
    return numberToJson(given.values[position++]);
  Json list = Json::array();
  for (int64_t i = 0; i < given.shape[axis]; ++i)
    list.push_back(nest(given, axis + 1, position));
  return list;
}

Json toJson(const std::optional<GivenStatistic> &given) {
  size_t position = 0;
  return given ? nest(*given, 0, position) : Json();
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Appends the values of nested lists, whose shape must be that of `given`.
Expected<void> flatten(const Json &json, std::string_view key, int axis, GivenStatistic &given) {
  if (axis == given.shape.size()) {
    Expected<double> value = readNumber(json, key);
    if (!value)
      return value.takeError();
    given.values.push_back(*value);
    return {};
  }
  if (!json.isArray() || int64_t(json.size()) != given.shape[axis])
    return unexpected(
        key, json,
        fmt::format("a list of {} entries, as in the first of its kind", given.shape[axis]));
  for (const Json &entry : json)
    if (Expected<void> done = flatten(entry, key, axis + 1, given); !done)
      return done;
  return {};
}

Expected<void> readGiven(const Json &json, std::string_view key,
                         std::optional<GivenStatistic> &value) {
  if (json.isNull()) {
    value.reset();
    return {};
  }
  GivenStatistic given;
  // The first entry of every list tells the shape.
  for (const Json *entry = &json; entry->isArray(); entry = &entry->front()) {
    if (!Dims::fits(size_t(given.shape.size()) + 1))
      return invalidArgument(fmt::format("{}: nested more than {} lists deep", key, kMaxRank));
    given.shape.push_back(int64_t(entry->size()));
    if (entry->empty())
      break;
  }
  if (Expected<void> done = flatten(json, key, 0, given); !done)
    return done;
  value = std::move(given);
  return {};
}

Expected<void> readEntry(const std::string &key, const Json &json, NormalizationConfig &config) {
  NormalizationOptions &options = config.options;
  if (key == "name")
    return read(json, key, options.name);
  if (key == "axis")
    return readAxis(json, options.axis);
  if (key == "mean")
    return readGiven(json, key, options.mean);
  if (key == "variance")
    return readGiven(json, key, options.variance);
  if (key == "invert")
    return read(json, key, options.invert);
  if (key == "epsilon")
    return read(json, key, options.epsilon);
  if (key == "zero_variance")
    return readName(json, key, parseZeroVariance, options.zeroVariance);
  if (key == "nan_policy")
    return readName(json, key, parseNanPolicy, options.nan);
  if (key == "dtype")
    return read(json, key, options.compute);
  if (key == "output_dtype")
    return read(json, key, options.output);
  if (key == "run_eagerly")
    return read(json, key, options.runEagerly);
  if (key == "steps_per_execution")
    return read(json, key, options.stepsPerExecution);
  if (key == "build_config")
    return readBuildConfig(json, config.buildShape);
  return invalidArgument(fmt::format("the key '{}' is not known", key));
}

} // namespace

std::string formatNormalizationConfig(const NormalizationOptions &options,
                                      const std::optional<Dims> &buildShape) {
  Json json;
  json["name"] = options.name;
  json["axis"] = options.axis.empty()
                     ? Json()
                     : Json(std::vector<int64_t>(options.axis.begin(), options.axis.end()));
  json["mean"] = toJson(options.mean);
  json["variance"] = toJson(options.variance);
  json["invert"] = options.invert;
  json["epsilon"] = options.epsilon;
  json["zero_variance"] = toString(options.zeroVariance);
  json["nan_policy"] = toString(options.nan);
  json["dtype"] = toString(options.compute);
  json["output_dtype"] = options.output ? Json(toString(*options.output)) : Json();
  json["run_eagerly"] = options.runEagerly;
  json["steps_per_execution"] = options.stepsPerExecution;
  if (buildShape)
    json["build_config"]["input_shape"] = shapeToJson(*buildShape);
  return json.dump();
}

Expected<NormalizationConfig> parseNormalizationConfig(std::string_view text) try {
  return parseConfigAs<NormalizationConfig>(text, readEntry, checkNormalizationOptions);
} catch (...) {
  return outOfMemory();
}

std::string Normalization::getConfig() const {
  Expected<NormalizationState> snapshot = toState();
  return snapshot ? formatNormalizationConfig(options(), snapshot->shape)
                  : formatNormalizationConfig(options());
}

Expected<Normalization> Normalization::fromConfig(std::shared_ptr<Engine> engine,
                                                  std::string_view json) try {
  return createFromConfig<Normalization>(std::move(engine), parseNormalizationConfig(json));
} catch (...) {
  return outOfMemory();
}

} // namespace norma
