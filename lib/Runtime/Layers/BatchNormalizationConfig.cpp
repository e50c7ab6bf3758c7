//===- BatchNormalizationConfig.cpp - The layer as JSON -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormalizationImpl.h"
#include "ConfigJson.h"

#include "norma/Support/OutOfMemory.h"

namespace norma {

using namespace configjson;

namespace {

/// Every option under its key, in the order of Keras, then norma's own: what is written and
/// what is read.
template <typename Options, typename Visit>
void visitOptions(Options &options, const Visit &visit) {
  visit("name", options.name);
  visit("trainable", options.trainable);
  visit("dtype", options.compute);
  visit("axis", options.axis);
  visit("momentum", options.momentum);
  visit("epsilon", options.epsilon);
  visit("center", options.center);
  visit("scale", options.scale);
  visit("beta_initializer", options.betaInitializer);
  visit("gamma_initializer", options.gammaInitializer);
  visit("moving_mean_initializer", options.movingMeanInitializer);
  visit("moving_variance_initializer", options.movingVarianceInitializer);
  visit("beta_regularizer", options.betaRegularizer);
  visit("gamma_regularizer", options.gammaRegularizer);
  visit("beta_constraint", options.betaConstraint);
  visit("gamma_constraint", options.gammaConstraint);
  visit("renorm", options.renorm);
  visit("renorm_clipping", options.renormClipping);
  visit("renorm_momentum", options.renormMomentum);
  visit("fused", options.fused);
  visit("virtual_batch_size", options.virtualBatchSize);
  visit("ghost_grouping", options.ghostGrouping);
  visit("ghost_remainder", options.ghostRemainder);
  visit("output_dtype", options.output);
  visit("frozen_is_inference", options.frozenIsInference);
  visit("moving_variance", options.movingVariance);
  visit("momentum_weighs_new", options.momentumWeighsNew);
  visit("fused_impossible_is_error", options.fusedImpossibleIsError);
  visit("fused_conventions", options.fusedConventions);
  visit("fused_epsilon_floor", options.fusedEpsilonFloor);
  visit("one_axis", options.oneAxis);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

struct Writer {
  Json &json;

  void operator()(const char *key, const Dims &axis) const {
    json[key] = Json(std::vector<int64_t>(axis.begin(), axis.end()));
  }
  void operator()(const char *key, const std::map<std::string, double> &limits) const {
    json[key] = Json::object();
    for (const auto &[name, limit] : limits)
      json[key][name] = numberToJson(limit);
  }
  template <typename T>
  void operator()(const char *key, const std::optional<T> &value) const {
    if (value)
      (*this)(key, *value);
    else
      json[key] = nullptr;
  }
  template <typename T>
  void operator()(const char *key, const T &value) const {
    if constexpr (std::is_enum_v<T>)
      json[key] = toString(value);
    else if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>)
      json[key] = toJson(value);
    else
      json[key] = value;
  }
};

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

Expected<void> readLimits(const Json &json, std::map<std::string, double> &limits) {
  limits.clear();
  if (json.isNull())
    return {};
  if (!json.isObject())
    return unexpected("renorm_clipping", json, "an object");
  for (const auto &[name, entry] : json.items()) {
    Expected<double> limit = readNumber(entry, "renorm_clipping: " + name);
    if (!limit)
      return limit.takeError();
    limits[name] = *limit;
  }
  return {};
}

/// Keras 3 writes a policy: an object with the type's name in its config.
const Json &typeName(const Json &json) {
  if (json.isObject() && json.contains("config") && json["config"].isObject() &&
      json["config"].contains("name"))
    return json["config"]["name"];
  return json;
}

struct Reader {
  const std::string &key;
  const Json &json;
  bool &isKnown;
  Expected<void> &result;

  template <typename T>
  void operator()(const char *name, T &value) const {
    if (key != name)
      return;
    isKnown = true;
    if constexpr (std::is_same_v<T, Dims>)
      result = readAxis(json, value);
    else if constexpr (std::is_same_v<T, std::map<std::string, double>>)
      result = readLimits(json, value);
    else if constexpr (std::is_same_v<T, DType>)
      result = read(typeName(json), key, value);
    else
      result = read(json, key, value);
  }
};

Expected<void> readEntry(const std::string &key, const Json &json,
                         BatchNormalizationConfig &config) {
  if (key == "build_config")
    return readBuildConfig(json, config.buildShape);
  if (key == "synchronized") {
    // Keras' key. The participants are not something a text can name.
    if (json.isNull() || json == false)
      return {};
    return unexpected(key, json, "false; give the layer an all-reduce instead");
  }
  bool isKnown = false;
  Expected<void> result;
  visitOptions(config.options, Reader{key, json, isKnown, result});
  if (!isKnown)
    return invalidArgument(fmt::format("the key '{}' is not known", key));
  return result;
}

} // namespace

std::string formatBatchNormalizationConfig(const BatchNormalizationOptions &options,
                                           const std::optional<Dims> &buildShape) {
  BatchNormalizationOptions written = options;
  // Functions are not written; a layer without them must not become a fused one.
  if (options.fusedConventions && (options.adjustment || options.allReduce))
    written.fused = false;
  Json json;
  visitOptions(std::as_const(written), Writer{json});
  if (buildShape)
    json["build_config"]["input_shape"] = shapeToJson(*buildShape);
  return json.dump();
}

Expected<BatchNormalizationConfig> parseBatchNormalizationConfig(std::string_view text) {
  return parseConfigAs<BatchNormalizationConfig>(text, readEntry, checkBatchNormalizationOptions);
}

std::string BatchNormalization::getConfig() const {
  const auto built = state->getBuilt();
  return formatBatchNormalizationConfig(
      state->options, built ? std::optional<Dims>(built->shape.shape) : std::nullopt);
}

Expected<BatchNormalization> BatchNormalization::fromConfig(std::shared_ptr<Engine> engine,
                                                            std::string_view json) try {
  return createFromConfig<BatchNormalization>(std::move(engine),
                                              parseBatchNormalizationConfig(json));
} catch (...) {
  return outOfMemory();
}

} // namespace norma
