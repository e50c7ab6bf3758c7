//===- CNames.cpp - Which names C takes, and which it has -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CHeader.h"

#include <algorithm>

namespace norma {

/// Words of C23 and C++23, and the names that <stdint.h> makes.
static constexpr std::string_view kReserved[] = {"alignas",     "alignof",
                                                 "and",         "and_eq",
                                                 "asm",         "auto",
                                                 "bitand",      "bitor",
                                                 "bool",        "break",
                                                 "case",        "catch",
                                                 "char",        "char16_t",
                                                 "char32_t",    "char8_t",
                                                 "class",       "co_await",
                                                 "co_return",   "co_yield",
                                                 "compl",       "concept",
                                                 "const",       "const_cast",
                                                 "consteval",   "constexpr",
                                                 "constinit",   "continue",
                                                 "decltype",    "default",
                                                 "delete",      "do",
                                                 "double",      "dynamic_cast",
                                                 "else",        "enum",
                                                 "explicit",    "export",
                                                 "extern",      "false",
                                                 "float",       "for",
                                                 "friend",      "goto",
                                                 "if",          "inline",
                                                 "int",         "int16_t",
                                                 "int32_t",     "int64_t",
                                                 "int8_t",      "long",
                                                 "main",        "mutable",
                                                 "namespace",   "new",
                                                 "noexcept",    "not",
                                                 "not_eq",      "nullptr",
                                                 "operator",    "or",
                                                 "or_eq",       "private",
                                                 "protected",   "public",
                                                 "register",    "reinterpret_cast",
                                                 "requires",    "restrict",
                                                 "return",      "short",
                                                 "signed",      "sizeof",
                                                 "static",      "static_assert",
                                                 "static_cast", "struct",
                                                 "switch",      "template",
                                                 "this",        "thread_local",
                                                 "throw",       "true",
                                                 "try",         "typedef",
                                                 "typeid",      "typename",
                                                 "typeof",      "typeof_unqual",
                                                 "uint16_t",    "uint32_t",
                                                 "uint64_t",    "uint8_t",
                                                 "union",       "unsigned",
                                                 "using",       "virtual",
                                                 "void",        "volatile",
                                                 "wchar_t",     "while",
                                                 "xor",         "xor_eq"};

/// Memory.
static constexpr std::string_view kMemory[] = {"free", "malloc", "memcpy", "memmove", "memset"};

/// <math.h>, without the f and l that a name may end in.
static constexpr std::string_view kMath[] = {
    "acos",      "acosh",  "asin",   "asinh", "atan",      "atan2", "atanh",  "cbrt",   "ceil",
    "copysign",  "cos",    "cosh",   "erf",   "erfc",      "exp",   "exp10",  "exp2",   "expm1",
    "fabs",      "fdim",   "floor",  "fma",   "fmax",      "fmin",  "fmod",   "frexp",  "hypot",
    "ldexp",     "lgamma", "log",    "log10", "log1p",     "log2",  "lrint",  "lround", "modf",
    "nearbyint", "pow",    "rint",   "round", "roundeven", "sin",   "sincos", "sinh",   "sqrt",
    "tan",       "tanh",   "tgamma", "trunc"};

template <size_t count>
static bool contains(const std::string_view (&words)[count], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

bool isCIdentifier(std::string_view name) {
  const auto isLetter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && isLetter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return isLetter(c) || isDigit(c); }) &&
         !contains(kReserved, name);
}

bool isLibraryFunction(std::string_view name) {
  return contains(kMemory, name) || contains(kMath, name) ||
         (name.ends_with('f') && contains(kMath, name.substr(0, name.size() - 1)));
}

} // namespace norma
