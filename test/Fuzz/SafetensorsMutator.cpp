//===- SafetensorsMutator.cpp - Changes a safetensors file ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SafetensorsMutator.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace norma::fuzz {

static constexpr size_t kLengthSize = 8;

/// Where the header claims that the data of its tensors end: the largest second number
/// of a "data_offsets":[a,b].
static uint64_t claimedSize(std::string_view header) {
  constexpr std::string_view kKey = "\"data_offsets\":[";
  uint64_t size = 0;
  for (size_t at = header.find(kKey); at != std::string_view::npos;) {
    const size_t comma = header.find(',', at);
    if (comma == std::string_view::npos)
      break;
    uint64_t end = 0;
    std::from_chars(header.data() + comma + 1, header.data() + header.size(), end);
    size = std::max(size, end);
    at = header.find(kKey, comma);
  }
  return size;
}

size_t mutateSafetensors(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  Choices choose(seed);
  if (size < kLengthSize || maxSize < 4 * kLengthSize || choose.oneIn(16))
    return LLVMFuzzerMutate(data, size, maxSize);
  uint64_t length = 0;
  std::memcpy(&length, data, kLengthSize);
  const std::string_view behind = textOf(data, size).substr(kLengthSize);
  std::string header(behind.substr(0, length)), elements(behind.substr(header.size()));
  if (elements.empty() || !choose.oneIn(4))
    header = mutated(std::move(header), maxSize - kLengthSize);
  else
    elements = mutated(std::move(elements), maxSize - kLengthSize);
  if (const uint64_t claimed = claimedSize(header); claimed <= maxSize && !choose.oneIn(8))
    elements.resize(claimed);
  length = header.size();
  std::memcpy(data, &length, kLengthSize);
  return kLengthSize + putInto(data + kLengthSize, maxSize - kLengthSize, header + elements);
}

} // namespace norma::fuzz
