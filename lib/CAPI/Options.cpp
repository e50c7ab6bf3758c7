//===- Options.cpp - Structs that grow from version to version ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"

#include <fmt/format.h>

namespace norma::capi {

/// More than any version will have: a size that was never set is noticed before it is used.
static constexpr size_t kMostBytes = 4096;

Expected<void> checkStructSize(const char *name, size_t size, size_t known, size_t alignment) {
  if (size >= sizeof(size_t) && size <= kMostBytes && size % alignment == 0)
    return {};
  return invalidArgument(
      fmt::format("{}: struct_size {}, expected {}, the size of the struct", name, size, known));
}

Expected<void> checkExcess(const char *name, const void *address, size_t size, size_t known) {
  const auto *const bytes = static_cast<const std::byte *>(address);
  for (size_t i = known; i < size; ++i)
    if (bytes[i] != std::byte{0})
      return Error(ErrorCode::Unsupported,
                   fmt::format("{}: byte {} of {} is not zero, but this version, {}, knows only "
                               "the first {}",
                               name, i, size, NORMA_VERSION, known));
  return {};
}

Error unknownChoice(const char *argument, int64_t number, size_t choices) {
  return invalidArgument(fmt::format("{}: {}, expected 0 to {}", argument, number, choices - 1));
}

} // namespace norma::capi
