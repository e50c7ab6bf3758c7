//===- ConfigJson.cpp - Pieces of a configuration -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConfigJson.h"

#include <cmath>
#include <limits>

namespace norma::configjson {

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

Json numberToJson(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "Infinity" : "-Infinity";
  return value;
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
static std::string quote(const Json &json) {
  const std::string text = json.dump(/*isAscii=*/true);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

Error unexpected(std::string_view key, const Json &json, std::string_view expected) {
  return invalidArgument(fmt::format("{}: {}; expected {}", key, quote(json), expected));
}

bool isInt64(const Json &json) {
  return json.isInteger() &&
         !(json.isUnsigned() &&
           json.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()));
}

Expected<void> read(const Json &json, std::string_view key, bool &value) {
  if (!json.isBoolean())
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

Expected<void> read(const Json &json, std::string_view key, uint64_t &value) {
  // Only negative integers are not "unsigned" to the parser.
  if (!json.isUnsigned())
    return unexpected(key, json, "an integer, 0 or more");
  value = json.get<uint64_t>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, double &value) {
  if (!json.isNumber())
    return unexpected(key, json, "a number");
  value = json.get<double>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, std::string &value) {
  if (!json.isString())
    return unexpected(key, json, "a string");
  value = json.get<std::string>();
  return {};
}

Expected<void> read(const Json &json, std::string_view key, DType &value) {
  return readName(json, key, parseDType, value);
}

Expected<void> read(const Json &json, std::string_view key, MovingVariance &value) {
  return readChoice(json, key, {MovingVariance::Population, MovingVariance::Sample}, value);
}

Expected<void> read(const Json &json, std::string_view key, GhostGrouping &value) {
  return readChoice(json, key, {GhostGrouping::Strided, GhostGrouping::Contiguous}, value);
}

Expected<void> read(const Json &json, std::string_view key, GhostRemainder &value) {
  return readChoice(json, key,
                    {GhostRemainder::Error, GhostRemainder::Smaller, GhostRemainder::Merge}, value);
}

Expected<double> readNumber(const Json &json, std::string_view key) {
  if (json.isNumber())
    return json.get<double>();
  if (json == "NaN")
    return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity")
    return std::numeric_limits<double>::infinity();
  if (json == "-Infinity")
    return -std::numeric_limits<double>::infinity();
  return unexpected(key, json, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

Expected<Dims> readDims(const Json &json, std::string_view key, bool mayBeUnknown) {
  const char *const expected = mayBeUnknown ? "a list of integers and nulls" : "a list of integers";
  if (!json.isArray())
    return unexpected(key, json, expected);
  if (!Dims::fits(json.size()))
    return invalidArgument(
        fmt::format("{}: {} entries; expected at most {}", key, json.size(), kMaxRank));
  Dims dims;
  for (const Json &entry : json) {
    if (mayBeUnknown && entry.isNull())
      dims.push_back(kUnknownExtent);
    else if (isInt64(entry) && !(mayBeUnknown && entry.get<int64_t>() < 0))
      dims.push_back(entry.get<int64_t>());
    else
      return unexpected(key, json, expected);
  }
  return dims;
}

Expected<void> readAxis(const Json &json, Dims &axis) {
  if (json.isNull()) {
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

Expected<void> readBuildConfig(const Json &json, std::optional<Dims> &shape) {
  if (json.isNull())
    return {};
  if (!json.isObject())
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

Expected<Json> parseConfig(std::string_view text) {
  Expected<Json> json = Json::parse(text);
  if (!json)
    return json.takeError().within("config");
  if (!json->isObject())
    return unexpected("config", *json, "an object");
  return json;
}

} // namespace norma::configjson
