//===- Json.cpp - JSON values that need no memory to go -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace norma {

namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kMostKeys = 1000;

/// Makes a value of the events of the parser.
class Builder final : public nlohmann::json::json_sax_t {
public:
  using Parser = nlohmann::json;

  Json root;
  std::optional<Error> error;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(Parser::number_integer_t value) override { return add(value); }
  bool number_unsigned(Parser::number_unsigned_t value) override { return add(value); }
  bool number_float(Parser::number_float_t value, const std::string &) override {
    return add(value);
  }
  bool string(std::string &value) override { return add(std::move(value)); }
  bool binary(Parser::binary_t &) override { return false; }

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string &name) override {
    if (path.back()->size() == kMostKeys)
      return fail(fmt::format("an object of more than {} keys", kMostKeys));
    nextKey = std::move(name);
    return true;
  }
  bool parse_error(size_t, const std::string &, const Parser::exception &) override {
    return fail("not valid JSON");
  }

private:
  bool fail(std::string message) {
    error = invalidArgument(std::move(message));
    return false;
  }

  /// Where the next value goes.
  Json &place() {
    if (path.empty())
      return root;
    Json &parent = *path.back();
    if (parent.isObject())
      return parent[nextKey];
    parent.push_back(nullptr);
    return const_cast<Json &>(*(parent.end() - 1));
  }

  bool add(Json value) {
    place() = std::move(value);
    return true;
  }

  bool open(Json value) {
    if (path.size() == kDeepest)
      return fail(fmt::format("nested more than {} deep", kDeepest));
    Json &opened = place();
    opened = std::move(value);
    path.push_back(&opened);
    return true;
  }

  bool close() {
    path.pop_back();
    return true;
  }

  /// From the root to the innermost list or object that is open. Only that one grows, so
  /// that the others stay where they are.
  std::vector<Json *> path;
  std::string nextKey;
};

} // namespace

// Not inline, where GCC 12 sees what no alternative of the variant leaves uninitialized.
Json::Json(const Json &) = default;
Json::Json(Json &&) noexcept = default;
Json &Json::operator=(const Json &) = default;
Json &Json::operator=(Json &&) noexcept = default;
Json::~Json() = default;

Json Json::array() {
  Json json;
  json.content.emplace<Array>();
  return json;
}

Json Json::object() {
  Json json;
  json.content.emplace<Object>();
  return json;
}

Expected<Json> Json::parse(std::string_view text) {
  Builder builder;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
    return std::move(builder.root);
  return builder.error ? std::move(*builder.error) : invalidArgument("not valid JSON");
}

const Json *Json::find(std::string_view key) const {
  for (const auto &[name, value] : items())
    if (name == key)
      return &value;
  return nullptr;
}

Json &Json::operator[](std::string_view key) {
  if (isNull())
    content.emplace<Object>();
  auto &object = std::get<Object>(content);
  for (auto &[name, value] : object)
    if (name == key)
      return value;
  return object.emplace_back(std::string(key), nullptr).second;
}

size_t Json::size() const { return isObject() ? items().size() : std::get<Array>(content).size(); }

std::string Json::dump(bool isAscii) const {
  std::string text;
  dumpTo(text, isAscii);
  return text;
}

void Json::dumpTo(std::string &text, bool isAscii) const {
  const auto append = [&](const nlohmann::json &scalar) {
    text += scalar.dump(-1, ' ', isAscii, nlohmann::json::error_handler_t::replace);
  };
  if (isArray()) {
    text += '[';
    for (const Json &entry : *this) {
      text += &entry == &front() ? "" : ",";
      entry.dumpTo(text, isAscii);
    }
    text += ']';
  } else if (isObject()) {
    text += '{';
    for (const auto &[name, value] : items()) {
      text += &name == &items().front().first ? "" : ",";
      append(name);
      text += ':';
      value.dumpTo(text, isAscii);
    }
    text += '}';
  } else if (isNull()) {
    append(nullptr);
  } else if (isBoolean()) {
    append(get<bool>());
  } else if (isString()) {
    append(get<std::string>());
  } else if (isUnsigned()) {
    append(get<uint64_t>());
  } else if (isInteger()) {
    append(get<int64_t>());
  } else {
    append(get<double>());
  }
}

} // namespace norma
