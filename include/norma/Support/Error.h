//===- Error.h - Errors as values -------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every fallible call of norma returns Expected<T>: a value, or an Error with a
// code for programs and a message for people. The message names the argument,
// its value and what was expected. Nothing in norma throws on purpose.
//
//   Expected<Statistics> s = engine.moments(x, {1});
//   if (!s)
//     return s.takeError();
//   use(*s);
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_ERROR_H
#define NORMA_SUPPORT_ERROR_H

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace norma {

enum class ErrorCode {
  /// The caller passed something the callee cannot accept.
  InvalidArgument,
  /// A file or an entry does not exist.
  NotFound,
  /// The operating system refused a read or a write.
  IOError,
  /// Stored data is damaged, truncated or of another version.
  DataLoss,
  /// The request is well formed, but norma does not do this.
  Unsupported,
  /// Memory or disk space ran out.
  ResourceExhausted,
  /// The caller asked for the work to stop.
  Cancelled,
  /// norma's own fault: a bug worth reporting.
  Internal,
};

/// The name of `code` as it is written in the enumeration.
const char *toString(ErrorCode code);

class [[nodiscard]] Error {
public:
  Error(ErrorCode code, std::string message) : codeValue(code), text(std::move(message)) {}

  ErrorCode code() const { return codeValue; }
  const std::string &message() const { return text; }

  /// The same error with `context: ` before its message.
  Error within(const std::string &context) && { return Error(codeValue, context + ": " + text); }

private:
  ErrorCode codeValue;
  std::string text;
};

/// Shorthand for the commonest error.
inline Error invalidArgument(std::string message) {
  return Error(ErrorCode::InvalidArgument, std::move(message));
}

/// A value of type T or an Error. Dereferencing an error is a programming
/// error, checked by assertion.
template <typename T>
class [[nodiscard]] Expected {
public:
  Expected(T value) : state(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state(std::in_place_index<1>, std::move(error)) {}

  bool hasValue() const { return state.index() == 0; }
  explicit operator bool() const { return hasValue(); }

  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(value()); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }

  const Error &error() const {
    assert(!hasValue() && "no error in an Expected that holds a value");
    return *std::get_if<1>(&state);
  }
  Error takeError() {
    assert(!hasValue() && "no error in an Expected that holds a value");
    return std::move(*std::get_if<1>(&state));
  }

private:
  T &value() {
    assert(hasValue() && "dereferenced an Expected that holds an error");
    return *std::get_if<0>(&state);
  }
  const T &value() const {
    assert(hasValue() && "dereferenced an Expected that holds an error");
    return *std::get_if<0>(&state);
  }

  std::variant<T, Error> state;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Expected<void> {
public:
  Expected() = default;
  Expected(Error error) : state(std::move(error)) {}

  bool hasValue() const { return state.index() == 0; }
  explicit operator bool() const { return hasValue(); }

  const Error &error() const {
    assert(!hasValue() && "no error in an Expected that holds success");
    return *std::get_if<1>(&state);
  }
  Error takeError() {
    assert(!hasValue() && "no error in an Expected that holds success");
    return std::move(*std::get_if<1>(&state));
  }

private:
  std::variant<std::monostate, Error> state;
};

} // namespace norma

#endif // NORMA_SUPPORT_ERROR_H
