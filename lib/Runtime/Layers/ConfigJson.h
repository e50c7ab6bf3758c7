//===- ConfigJson.h - Pieces of a configuration -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the configurations of layers are written and read with. Readers check the type
// of a value; their errors name the key, the value and what was expected.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_CONFIGJSON_H
#define NORMA_LIB_RUNTIME_LAYERS_CONFIGJSON_H

#include "Json.h"

#include "norma/Runtime/Layers/Initializers.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <fmt/format.h>

namespace norma::configjson {

/// JSON has no NaN and no infinities; they become strings.
Json numberToJson(double value);
/// Unknown extents become null.
Json shapeToJson(const Dims &shape);
Error unexpected(std::string_view key, const Json &json, std::string_view expected);
bool isInt64(const Json &json);

Expected<void> read(const Json &json, std::string_view key, bool &value);
Expected<void> read(const Json &json, std::string_view key, int64_t &value);
Expected<void> read(const Json &json, std::string_view key, uint64_t &value);
/// A finite number.
Expected<void> read(const Json &json, std::string_view key, double &value);
Expected<void> read(const Json &json, std::string_view key, std::string &value);
/// {"class_name": ..., "config": {...}}, as Keras writes them, of its classes and numbers.
Expected<void> read(const Json &json, std::string_view key, Initializer &value);
Expected<void> read(const Json &json, std::string_view key, Regularizer &value);
Expected<void> read(const Json &json, std::string_view key, Constraint &value);
Json toJson(const Initializer &value);
Json toJson(const Regularizer &value);
Json toJson(const Constraint &value);

/// By the name that toString() gives it.
Expected<void> read(const Json &json, std::string_view key, DType &value);
Expected<void> read(const Json &json, std::string_view key, MovingVariance &value);
Expected<void> read(const Json &json, std::string_view key, GhostGrouping &value);
Expected<void> read(const Json &json, std::string_view key, GhostRemainder &value);

/// null is the absent value.
template <typename T>
Expected<void> read(const Json &json, std::string_view key, std::optional<T> &value) {
  value.reset();
  return json.isNull() ? Expected<void>() : read(json, key, value.emplace());
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

/// One of a few choices, by the name that toString() gives it.
template <typename T>
Expected<void> readChoice(const Json &json, std::string_view key, std::initializer_list<T> choices,
                          T &value) {
  std::string names;
  for (T choice : choices) {
    if (json == toString(choice)) {
      value = choice;
      return {};
    }
    names += (names.empty() ? "" : " or ") + std::string(toString(choice));
  }
  return unexpected(key, json, names);
}

/// A number, or the string that stands for one that is not finite.
Expected<double> readNumber(const Json &json, std::string_view key);
/// A list of integers; null entries stand for kUnknownExtent where allowed.
Expected<Dims> readDims(const Json &json, std::string_view key, bool mayBeUnknown);
/// Axes as Keras takes them: an integer, a list, or None.
Expected<void> readAxis(const Json &json, Dims &axis);
/// {"input_shape": [...]}, or null for a layer that is not built.
Expected<void> readBuildConfig(const Json &json, std::optional<Dims> &shape);

/// The object that a text holds.
Expected<Json> parseConfig(std::string_view text);

/// The configuration that a text holds: read(key, value, config) for every entry, then
/// check(config.options).
template <typename Config, typename Read, typename Check>
Expected<Config> parseConfigAs(std::string_view text, Read read, Check check) {
  const Expected<Json> json = parseConfig(text);
  if (!json)
    return json.error();
  Config config;
  for (const auto &[key, value] : (*json).items())
    if (Expected<void> done = read(key, value, config); !done)
      return done.takeError().within("config");
  if (Expected<void> valid = check(config.options); !valid)
    return valid.takeError().within("config");
  return config;
}

/// The layer of a configuration, built where that says for which shape.
template <typename Layer, typename Config>
Expected<Layer> createFromConfig(std::shared_ptr<Engine> engine, Expected<Config> config) {
  if (!config)
    return config.takeError();
  Expected<Layer> layer = Layer::create(std::move(engine), config->options);
  if (!layer || !config->buildShape)
    return layer;
  if (Expected<void> built = layer->build(*config->buildShape); !built)
    return built.takeError().within("config: build_config");
  return layer;
}

} // namespace norma::configjson

#endif // NORMA_LIB_RUNTIME_LAYERS_CONFIGJSON_H
