//===- WeightsVersion.cpp - Whether weights are as they were --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WeightsVersion.h"

#include "BatchNormalizationImpl.h"

#include <cstring>

namespace norma {

bool WeightsVersion::Copy::equals(const BatchNormalizationWeights &weights) const {
  size_t at = 0;
  for (const BatchNormalizationWeights::Entry &entry : weights.entries()) {
    const size_t size = entry.value.sizeInBytes();
    if (size > bytes.size() - at ||
        (size && std::memcmp(bytes.data() + at, entry.value.as<std::byte>(), size) != 0))
      return false;
    at += size;
  }
  return at == bytes.size();
}

uint64_t WeightsVersion::of(const BatchNormalizationWeights &weights) {
  std::shared_ptr<const Copy> before;
  {
    const std::lock_guard lock(mutex);
    before = last;
  }
  if (before && before->equals(weights))
    return before->version;

  auto fresh = std::make_shared<Copy>();
  for (const BatchNormalizationWeights::Entry &entry : weights.entries()) {
    const auto *const begin = entry.value.as<std::byte>();
    fresh->bytes.insert(fresh->bytes.end(), begin, begin + entry.value.sizeInBytes());
  }
  const std::lock_guard lock(mutex);
  fresh->version = ++versions;
  last = fresh;
  return fresh->version;
}

} // namespace norma
