//===- InitializerConfig.cpp - Initializers and their like as JSON --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table says which numbers a class has; writing and reading both follow it.
//
//===----------------------------------------------------------------------===//

#include "ConfigJson.h"

#include <algorithm>
#include <variant>

namespace norma::configjson {

namespace {

using FanMode = Initializer::FanMode;
using Distribution = Initializer::Distribution;

/// A number of a class, by the name it has in Keras.
struct Field {
  const char *name;
  std::variant<double *, int64_t *, uint64_t *, FanMode *, Distribution *> value;
};

/// A class under the name it has in Keras.
template <typename T>
struct Class {
  const char *name;
  T value;
  std::vector<Field> (*fields)(T &value);
};

template <typename T>
std::vector<Field> noFields(T &) {
  return {};
}

//===----------------------------------------------------------------------===//
// Keras' classes. The first of a kind is the one that is written.
//===----------------------------------------------------------------------===//

std::vector<Field> seedOnly(Initializer &value) { return {{"seed", &value.seed}}; }

std::vector<Field> normalFields(Initializer &value) {
  return {{"mean", &value.mean}, {"stddev", &value.stddev}, {"seed", &value.seed}};
}

const std::vector<Class<Initializer>> &initializerClasses() {
  static const std::vector<Class<Initializer>> classes = {
      {"Zeros", Initializer::zeros(), noFields},
      {"Ones", Initializer::ones(), noFields},
      {"Constant", Initializer::constant(0),
       [](Initializer &value) -> std::vector<Field> { return {{"value", &value.value}}; }},
      {"RandomUniform", Initializer::randomUniform(-0.05, 0.05, 0),
       [](Initializer &value) -> std::vector<Field> {
         return {{"minval", &value.minimum}, {"maxval", &value.maximum}, {"seed", &value.seed}};
       }},
      {"RandomNormal", Initializer::randomNormal(0, 0.05, 0), normalFields},
      {"TruncatedNormal", Initializer::truncatedNormal(0, 0.05, 0), normalFields},
      {"VarianceScaling",
       Initializer::varianceScaling(1, FanMode::FanIn, Distribution::TruncatedNormal, 0),
       [](Initializer &value) -> std::vector<Field> {
         return {{"scale", &value.scale},
                 {"mode", &value.mode},
                 {"distribution", &value.distribution},
                 {"seed", &value.seed}};
       }},
      {"GlorotUniform", Initializer::glorotUniform(0), seedOnly},
      {"GlorotNormal", Initializer::glorotNormal(0), seedOnly},
      {"HeUniform", Initializer::heUniform(0), seedOnly},
      {"HeNormal", Initializer::heNormal(0), seedOnly},
      {"LecunUniform", Initializer::lecunUniform(0), seedOnly},
      {"LecunNormal", Initializer::lecunNormal(0), seedOnly},
  };
  return classes;
}

const std::vector<Class<Regularizer>> &regularizerClasses() {
  static const std::vector<Class<Regularizer>> classes = {
      {"L1L2",
       {},
       [](Regularizer &value) -> std::vector<Field> {
         return {{"l1", &value.l1}, {"l2", &value.l2}};
       }},
      {"L1",
       {.l1 = 0.01},
       [](Regularizer &value) -> std::vector<Field> { return {{"l1", &value.l1}}; }},
      {"L2",
       {.l2 = 0.01},
       [](Regularizer &value) -> std::vector<Field> { return {{"l2", &value.l2}}; }},
  };
  return classes;
}

const std::vector<Class<Constraint>> &constraintClasses() {
  static const std::vector<Class<Constraint>> classes = {
      {"NonNeg", Constraint::nonNeg(), noFields},
      {"MaxNorm", Constraint::maxNorm(),
       [](Constraint &value) -> std::vector<Field> {
         return {{"max_value", &value.maximum}, {"axis", &value.axis}};
       }},
      {"UnitNorm", Constraint::unitNorm(),
       [](Constraint &value) -> std::vector<Field> { return {{"axis", &value.axis}}; }},
      {"MinMaxNorm", Constraint::minMaxNorm(),
       [](Constraint &value) -> std::vector<Field> {
         return {{"min_value", &value.minimum},
                 {"max_value", &value.maximum},
                 {"rate", &value.rate},
                 {"axis", &value.axis}};
       }},
  };
  return classes;
}

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

template <typename T>
Json fieldToJson(const T &value) {
  if constexpr (std::is_enum_v<T>)
    return toString(value);
  else
    return value;
}

Expected<void> readField(const Json &json, const std::string &key, double &value) {
  return read(json, key, value);
}
Expected<void> readField(const Json &json, const std::string &key, int64_t &value) {
  return read(json, key, value);
}
/// Without a seed Keras draws one; here every value is reproducible.
Expected<void> readField(const Json &json, const std::string &key, uint64_t &value) {
  value = 0;
  return json.isNull() ? Expected<void>() : read(json, key, value);
}
Expected<void> readField(const Json &json, const std::string &key, FanMode &value) {
  return readChoice(json, key, {FanMode::FanIn, FanMode::FanOut, FanMode::FanAverage}, value);
}
Expected<void> readField(const Json &json, const std::string &key, Distribution &value) {
  // Keras' older name.
  if (json == "normal") {
    value = Distribution::TruncatedNormal;
    return {};
  }
  return readChoice(
      json, key,
      {Distribution::TruncatedNormal, Distribution::UntruncatedNormal, Distribution::Uniform},
      value);
}

//===----------------------------------------------------------------------===//
// Objects
//===----------------------------------------------------------------------===//

template <typename T>
Json writeObject(const Class<T> &type, T value) {
  Json config = Json::object();
  for (const Field &field : type.fields(value))
    std::visit([&](auto *number) { config[field.name] = fieldToJson(*number); }, field.value);
  Json result;
  result["class_name"] = type.name;
  result["config"] = std::move(config);
  return result;
}

/// Reads the numbers of a class; those that are absent keep their defaults.
Expected<void> readFields(const Json &json, const std::string &key,
                          const std::vector<Field> &fields) {
  if (!json.isObject())
    return unexpected(key, json, "an object");
  for (const auto &[name, entry] : json.items()) {
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field &candidate) { return name == candidate.name; });
    if (field == fields.end())
      return invalidArgument(fmt::format("{}: the key '{}' is not known", key, name));
    if (Expected<void> done =
            std::visit([&](auto *number) { return readField(entry, key + ": " + name, *number); },
                       field->value);
        !done)
      return done;
  }
  return {};
}

template <typename T>
Expected<void> readObject(const Json &json, const std::string &key,
                          const std::vector<Class<T>> &classes, T &value) {
  if (!json.isObject() || !json.contains("class_name"))
    return unexpected(key, json, "an object with a class_name");
  const Json &name = json["class_name"];
  const auto type = std::find_if(classes.begin(), classes.end(),
                                 [&](const Class<T> &known) { return name == known.name; });
  if (type == classes.end()) {
    std::string names;
    for (const Class<T> &known : classes)
      names += (names.empty() ? "one of " : ", ") + std::string(known.name);
    return unexpected(key + ": class_name", name, names);
  }
  value = type->value;
  for (const auto &[entry, content] : json.items()) {
    if (entry == "config") {
      if (Expected<void> done = readFields(content, key, type->fields(value)); !done)
        return done;
      // What Keras 3 adds says where in Python the class is found.
    } else if (entry != "class_name" && entry != "module" && entry != "registered_name") {
      return invalidArgument(fmt::format("{}: the key '{}' is not known", key, entry));
    }
  }
  return {};
}

/// The class of a kind.
template <typename T>
const Class<T> &classOf(const T &value, const std::vector<Class<T>> &classes) {
  return *std::find_if(classes.begin(), classes.end(),
                       [&](const Class<T> &known) { return known.value.kind == value.kind; });
}

} // namespace

Expected<void> read(const Json &json, std::string_view key, Initializer &value) {
  return readObject(json, std::string(key), initializerClasses(), value);
}

Expected<void> read(const Json &json, std::string_view key, Regularizer &value) {
  return readObject(json, std::string(key), regularizerClasses(), value);
}

Expected<void> read(const Json &json, std::string_view key, Constraint &value) {
  return readObject(json, std::string(key), constraintClasses(), value);
}

Json toJson(const Initializer &value) {
  return writeObject(classOf(value, initializerClasses()), value);
}

Json toJson(const Regularizer &value) { return writeObject(regularizerClasses().front(), value); }

Json toJson(const Constraint &value) {
  return writeObject(classOf(value, constraintClasses()), value);
}

} // namespace norma::configjson
