//===- Buffers.cpp - The memory that all cases share ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Buffers.h"

#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <vector>

namespace norma::benchmarks {

/// What an area may grow to.
static constexpr size_t kAreaBytes = size_t(1) << 30;
/// Values that repeat. A prime, so that no channel count goes into it evenly and channels
/// get different ones.
static constexpr int64_t kPeriod = 1048573;

static std::vector<char> makePattern(DType dtype, uint32_t seed) {
  const size_t size = sizeOf(dtype);
  std::vector<char> pattern(size_t(kPeriod) * size);
  for (int64_t i = 0; i < kPeriod; ++i) {
    seed = seed * 1664525 + 1013904223;
    if (isFloat(dtype))
      storeFromDouble(double(seed >> 8) * 0x1p-23 - 1, pattern.data() + size_t(i) * size, dtype);
    else
      pattern[size_t(i) * size] = char(seed >> 24);
  }
  return pattern;
}

Expected<void> Buffers::reserve(Memory &memory) {
  if (memory.data)
    return {};
  void *mapped = ::mmap(nullptr, kAreaBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return Error(ErrorCode::ResourceExhausted, "no address space for the buffers");
  // Where the system has no large pages to give, small ones do.
  (void)::madvise(mapped, kAreaBytes, MADV_HUGEPAGE);
  memory.data = static_cast<char *>(mapped);
  return {};
}

Buffers::~Buffers() {
  for (Memory &memory : memories)
    if (memory.data)
      ::munmap(memory.data, kAreaBytes);
}

Expected<Tensor> Buffers::tensor(Area area, DType dtype, const Dims &shape) {
  Memory &memory = memories[area];
  if (Expected<void> done = reserve(memory); !done)
    return done.takeError();
  const Tensor tensor(memory.data, dtype, shape);
  const size_t bytes = size_t(tensor.size()) * sizeOf(dtype);
  if (bytes > kAreaBytes)
    return invalidArgument(fmt::format("shape {} has {} bytes, expected at most {}",
                                       toString(shape), bytes, kAreaBytes));
  if (area == Y || (memory.dtype == dtype && bytes <= memory.filled))
    return tensor;
  const std::vector<char> pattern = makePattern(dtype, uint32_t(area) + 1);
  if (memory.dtype != dtype)
    memory.filled = 0;
  memory.dtype = dtype;
  while (memory.filled < bytes) {
    const size_t phase = memory.filled % pattern.size();
    const size_t part = std::min(pattern.size() - phase, bytes - memory.filled);
    std::memcpy(memory.data + memory.filled, pattern.data() + phase, part);
    memory.filled += part;
  }
  return tensor;
}

} // namespace norma::benchmarks
