//===- cache-entry-fuzzer.cpp - Any bytes as a stored kernel --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// There is one text for every entry: what decodes encodes to the same bytes.
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"

#include "Runtime/Cache/CacheEntry.h"
#include "Runtime/Cpu/Digest.h"

#include <cstring>

using namespace norma;
using namespace norma::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view bytes = textOf(data, size);
  const Expected<CacheEntry> entry = decodeCacheEntry(bytes);
  if (!entry) {
    requireMessage(entry);
    require(entry.error().code() == ErrorCode::DataLoss, "a damaged entry is reported as such");
    return 0;
  }
  const Expected<std::string> encoded = encodeCacheEntry(*entry);
  requireSuccess(encoded, "an entry that was decoded can be encoded");
  require(*encoded == bytes, "an entry is encoded as the bytes it came from");
  return 0;
}

//===----------------------------------------------------------------------===//
// Mutation
//===----------------------------------------------------------------------===//

// The table in docs/cache.md.
static constexpr size_t kChecksum = 16, kChecked = 48, kLengths = 80, kParts = 8;
static constexpr size_t kHeader = kLengths + 8 * kParts;

static void store(uint8_t *data, size_t offset, uint64_t value) {
  std::memcpy(data + offset, &value, sizeof(value));
}

/// Cuts what is behind the header into parts anew.
static void divide(uint8_t *data, size_t size, Choices &choose) {
  size_t rest = size - kHeader;
  for (size_t part = 0; part < kParts; ++part) {
    const size_t length = part + 1 == kParts ? rest : choose.below(rest + 1);
    store(data, kLengths + 8 * part, length);
    rest -= length;
  }
}

/// Whatever is changed, the checksum fits again: an entry may come from anywhere.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  Choices choose(seed);
  size = LLVMFuzzerMutate(data, size, maxSize);
  if (size < kHeader || choose.oneIn(16))
    return size;
  if (!choose.oneIn(4))
    store(data, kChecked, size);
  if (choose.oneIn(2))
    divide(data, size, choose);
  const Digest checksum = digestOf(textOf(data, size).substr(kChecked));
  std::memcpy(data + kChecksum, checksum.data(), checksum.size());
  return size;
}
