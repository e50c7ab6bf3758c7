//===- Json.h - JSON values that need no memory to go -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// nlohmann's library parses and prints. Its own values allocate while they are
// destroyed, which ends a process that is short of memory, and nest as deep as a text
// says. These are what configurations need of one.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_JSON_H
#define NORMA_LIB_RUNTIME_LAYERS_JSON_H

#include "norma/Support/Error.h"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace norma {

class Json {
public:
  using Array = std::vector<Json>;
  /// In the order in which the keys came first.
  using Object = std::vector<std::pair<std::string, Json>>;

  /// null.
  Json(std::nullptr_t = nullptr) {}
  Json(const Json &);
  Json(Json &&) noexcept;
  Json &operator=(const Json &);
  Json &operator=(Json &&) noexcept;
  ~Json();
  template <std::same_as<bool> T>
  Json(T value) : content(value) {}
  Json(double value) : content(value) {}
  template <std::signed_integral T>
  Json(T value) : content(int64_t(value)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Json(T value) : content(uint64_t(value)) {}
  Json(const char *value) : content(std::string(value)) {}
  Json(std::string value) : content(std::move(value)) {}
  explicit Json(const std::vector<int64_t> &values)
      : content(Array(values.begin(), values.end())) {}
  static Json array();
  static Json object();

  /// Errors: no JSON, lists or objects more than 64 deep, an object of more than 1000 keys.
  static Expected<Json> parse(std::string_view text);
  /// On one line. What is not UTF-8 is replaced, and what is not ASCII escaped where
  /// asked for.
  std::string dump(bool isAscii = false) const;

  bool isNull() const { return is<std::monostate>(); }
  bool isBoolean() const { return is<bool>(); }
  bool isNumber() const { return isInteger() || is<double>(); }
  bool isInteger() const { return is<int64_t>() || isUnsigned(); }
  /// An integer that was written without a sign.
  bool isUnsigned() const { return is<uint64_t>(); }
  bool isString() const { return is<std::string>(); }
  bool isArray() const { return is<Array>(); }
  bool isObject() const { return is<Object>(); }

  /// The value, which must be of the kind; a number becomes any other.
  template <typename T>
  T get() const {
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      if (const auto *integer = std::get_if<int64_t>(&content))
        return T(*integer);
      if (const auto *natural = std::get_if<uint64_t>(&content))
        return T(*natural);
      return T(std::get<double>(content));
    } else {
      return std::get<T>(content);
    }
  }
  bool operator==(std::string_view text) const { return isString() && get<std::string>() == text; }
  template <std::same_as<bool> T>
  bool operator==(T value) const {
    return isBoolean() && get<bool>() == value;
  }

  // Lists.
  void push_back(Json value) { std::get<Array>(content).push_back(std::move(value)); }
  const Json &front() const { return std::get<Array>(content).front(); }
  Array::const_iterator begin() const { return std::get<Array>(content).begin(); }
  Array::const_iterator end() const { return std::get<Array>(content).end(); }

  // Objects. A null becomes one when it is written to.
  Json &operator[](std::string_view key);
  const Json &operator[](std::string_view key) const { return *find(key); }
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const Object &items() const { return std::get<Object>(content); }

  /// The length of a list or an object.
  size_t size() const;
  bool empty() const { return size() == 0; }

private:
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(content);
  }
  const Json *find(std::string_view key) const;
  void dumpTo(std::string &text, bool isAscii) const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> content;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_JSON_H
