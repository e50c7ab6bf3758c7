//===- Options.h - Structs that grow from version to version ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CAPI_OPTIONS_H
#define NORMA_LIB_CAPI_OPTIONS_H

#include "norma/Support/Error.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace norma::capi {

/// Whether a struct can have the size it says; this version's has `known` bytes.
Expected<void> checkStructSize(const char *name, size_t size, size_t known, size_t alignment);

/// Whether a struct has nothing that this version does not know: what is behind the first
/// `known` of its `size` bytes must be zero.
Expected<void> checkExcess(const char *name, const void *address, size_t size, size_t known);

/// The caller's options: the defaults where there are none, or where they are of an
/// older version that does not have them yet.
template <typename Options>
Expected<Options> readOptions(const Options *options, Options defaults) {
  static_assert(std::is_trivially_copyable_v<Options>);
  if (!options)
    return defaults;
  const size_t size = options->struct_size;
  if (Expected<void> valid = checkStructSize("options", size, sizeof(Options), alignof(Options));
      !valid)
    return valid.takeError();
  if (Expected<void> valid = checkExcess("options", options, size, sizeof(Options)); !valid)
    return valid.takeError();
  std::memcpy(&defaults, options, std::min(size, sizeof(Options)));
  return defaults;
}

/// Writes a struct into one of the caller's, which may be of another version and have `size`
/// bytes.
template <typename Struct>
void writeStruct(Struct value, Struct *to, size_t size) {
  static_assert(std::is_trivially_copyable_v<Struct>);
  value.struct_size = size;
  auto *const bytes = reinterpret_cast<std::byte *>(to);
  const size_t known = std::min(size, sizeof(Struct));
  std::memcpy(bytes, &value, known);
  std::memset(bytes + known, 0, size - known);
}

/// The same for a function that cannot fail: without a struct nothing is written.
template <typename Options>
void initOptions(const Options &defaults, Options *options, size_t size) {
  if (options && size >= sizeof(size_t))
    writeStruct(defaults, options, size);
}

/// An error that says which numbers stand for a choice: those from 0 on.
Error unknownChoice(const char *argument, int64_t number, size_t choices);

/// The choice that a number from C stands for: its position.
template <typename Choice, size_t N>
Expected<Choice> toChoice(const char *argument, int64_t number, const Choice (&choices)[N]) {
  if (number < 0 || number >= int64_t(N))
    return unknownChoice(argument, number, N);
  return choices[number];
}

} // namespace norma::capi

#endif // NORMA_LIB_CAPI_OPTIONS_H
