//===- NormalizationConfig.cpp - The layer as JSON ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/NormalizationState.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace norma {

namespace {

using Json = nlohmann::ordered_json;

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// JSON has no NaN and no infinities; they become strings.
Json numberToJson(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

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

Json shapeToJson(const Dims &shape) {
  Json list = Json::array();
  for (int64_t extent : shape)
    list.push_back(extent == kUnknownExtent ? Json() : Json(extent));
  return list;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// A value for a message, cut where it is long.
std::string quote(const Json &json) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

Error unexpected(std::string_view key, const Json &json, std::string_view expected) {
  return invalidArgument(fmt::format("{}: {}; expected {}", key, quote(json), expected));
}

bool isInt64(const Json &json) {
  return json.is_number_integer() &&
         !(json.is_number_unsigned() &&
           json.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()));
}

Expected<void> read(const Json &json, std::string_view key, bool &value) {
  if (!json.is_boolean())
    return unexpected(key, json, "true or false");
  value = json.get<bool>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, int64_t &value) {
  if (!isInt64(json))
    return unexpected(key, json, "an integer");
  value = json.get<int64_t>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, double &value) {
  if (!json.is_number())
    return unexpected(key, json, "a number");
  value = json.get<double>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, std::string &value) {
  if (!json.is_string())
    return unexpected(key, json, "a string");
  value = json.get<std::string>();
  return {};
}

/// A policy or type, by its name.
template <typename T>
Expected<void> readName(const Json &json, std::string_view key,
                        Expected<T> (*parse)(std::string_view), T &value) {
  std::string name;
  if (Expected<void> done = read(json, key, name); !done)
    return done;
  Expected<T> parsed = parse(name);
  if (!parsed)
    return parsed.takeError().within(std::string(key));
  value = *parsed;
  return {};
}

/// A list of integers; null entries stand for kUnknownExtent where allowed.
Expected<Dims> readDims(const Json &json, std::string_view key, bool mayBeUnknown) {
  const char *const expected = mayBeUnknown ? "a list of integers and nulls" : "a list of integers";
  if (!json.is_array())
    return unexpected(key, json, expected);
  if (!Dims::fits(json.size()))
    return invalidArgument(
        fmt::format("{}: {} entries; expected at most {}", key, json.size(), kMaxRank));
  Dims dims;
  for (const Json &entry : json) {
    if (mayBeUnknown && entry.is_null())
      dims.push_back(kUnknownExtent);
    else if (isInt64(entry) && !(mayBeUnknown && entry.get<int64_t>() < 0))
      dims.push_back(entry.get<int64_t>());
    else
      return unexpected(key, json, expected);
  }
  return dims;
}

/// Keras takes an integer, a list, or None.
Expected<void> readAxis(const Json &json, Dims &axis) {
  if (json.is_null()) {
    axis = Dims();
    return {};
  }
  if (isInt64(json)) {
    axis = Dims{json.get<int64_t>()};
    return {};
  }
  Expected<Dims> list = readDims(json, "axis", /*mayBeUnknown=*/false);
  if (!list)
    return list.takeError();
  axis = *list;
  return {};
}

Expected<double> readNumber(const Json &json, std::string_view key) {
  if (json.is_number())
    return json.get<double>();
  if (json == "NaN")
    return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity")
    return std::numeric_limits<double>::infinity();
  if (json == "-Infinity")
    return -std::numeric_limits<double>::infinity();
  return unexpected(key, json, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

/// Appends the values of nested lists, whose shape must be that of `given`.
Expected<void> flatten(const Json &json, std::string_view key, int axis, GivenStatistic &given) {
  if (axis == given.shape.size()) {
    Expected<double> value = readNumber(json, key);
    if (!value)
      return value.takeError();
    given.values.push_back(*value);
    return {};
  }
  if (!json.is_array() || int64_t(json.size()) != given.shape[axis])
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
  if (json.is_null()) {
    value.reset();
    return {};
  }
  GivenStatistic given;
  // The first entry of every list tells the shape.
  for (const Json *entry = &json; entry->is_array(); entry = &entry->front()) {
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

Expected<void> readBuildConfig(const Json &json, std::optional<Dims> &shape) {
  if (!json.is_object())
    return unexpected("build_config", json, "an object");
  for (const auto &[key, value] : json.items()) {
    if (key != "input_shape")
      return invalidArgument(
          fmt::format("build_config: the key '{}' is not known; expected input_shape", key));
    Expected<Dims> dims = readDims(value, "build_config: input_shape", /*mayBeUnknown=*/true);
    if (!dims)
      return dims.takeError();
    shape = *dims;
  }
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
    return readName(json, key, parseDType, options.compute);
  if (key == "output_dtype") {
    options.output.reset();
    return json.is_null() ? Expected<void>()
                          : readName(json, key, parseDType, options.output.emplace());
  }
  if (key == "run_eagerly")
    return read(json, key, options.runEagerly);
  if (key == "steps_per_execution")
    return read(json, key, options.stepsPerExecution);
  if (key == "build_config")
    return json.is_null() ? Expected<void>() : readBuildConfig(json, config.buildShape);
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
  // A name need not be UTF-8, JSON must be.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Expected<NormalizationConfig> parseNormalizationConfig(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return invalidArgument("config: not valid JSON");
  if (!json.is_object())
    return unexpected("config", json, "an object");
  NormalizationConfig config;
  for (const auto &[key, value] : json.items())
    if (Expected<void> done = readEntry(key, value, config); !done)
      return done.takeError().within("config");
  if (Expected<void> valid = checkNormalizationOptions(config.options); !valid)
    return valid.takeError().within("config");
  return config;
}

std::string Normalization::getConfig() const {
  Expected<NormalizationState> snapshot = toState();
  return snapshot ? formatNormalizationConfig(options(), snapshot->shape)
                  : formatNormalizationConfig(options());
}

Expected<Normalization> Normalization::fromConfig(std::shared_ptr<Engine> engine,
                                                  std::string_view json) {
  Expected<NormalizationConfig> config = parseNormalizationConfig(json);
  if (!config)
    return config.takeError();
  Expected<Normalization> layer = create(std::move(engine), config->options);
  if (!layer || !config->buildShape)
    return layer;
  if (Expected<void> built = layer->build(*config->buildShape); !built)
    return built.takeError().within("config: build_config");
  return layer;
}

} // namespace norma
