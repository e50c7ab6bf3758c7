//===- KeptBlocks.cpp - Ranges of kept indices ----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KeptBlocks.h"

#include "EngineCall.h"

#include <algorithm>
#include <cstdlib>

namespace norma {

/// Where kept indices lie next to each other, the least a block has of them: shorter
/// pieces of rows are read slowly.
static constexpr int64_t kRunBytes = 2048;
/// A block with less costs too much by itself; twice as much where all fits in the cache
/// anyway, and blocks are for the sake of threads alone.
static constexpr int64_t kLeastBytes = int64_t(192) << 10;
/// As many blocks keep the cores of a large machine at work; with fewer than the least,
/// the whole has more to share out.
static constexpr int64_t kMostBlocks = 64, kLeastBlocks = 4;

static int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

/// The bytes of one element of all tensors that have memory of their own.
static int64_t bytesPerElement(const Problem &problem) {
  const size_t last = problem.broadcastFrom - 1;
  int64_t bytes = 0;
  for (size_t t = 0; t <= last; ++t)
    if (t == last || problem.tensors[t].data != problem.tensors[last].data)
      bytes += int64_t(sizeOf(problem.tensors[t].dtype));
  return bytes;
}

/// How many kept indices fill the shortest piece of a row that is worth reading.
static int64_t indicesOfRun(const Problem &problem, int group) {
  int64_t run = 1;
  for (size_t t = 0; t < problem.broadcastFrom; ++t) {
    const GroupedTensor &tensor = problem.tensors[t];
    const int64_t step = std::llabs(tensor.strides[group]) * int64_t(sizeOf(tensor.dtype));
    if (step > 0)
      run = std::max(run, divideUp(kRunBytes, step));
  }
  return run;
}

std::optional<KeptBlocks> KeptBlocks::choose(const Problem &problem, int64_t l2Bytes) {
  if (std::count(problem.kinds.begin(), problem.kinds.end(), 'K') != 1 || !problem.keptInOrder ||
      streamsAsWhole(problem))
    return std::nullopt;
  KeptBlocks blocks;
  blocks.group = int(problem.kinds.find('K'));
  blocks.extent = problem.extents[blocks.group];

  const int64_t perIndex = problem.size() / blocks.extent * bytesPerElement(problem);
  // The rest is for what else passes through the cache.
  const int64_t budget = l2Bytes / 4 * 3;
  const bool isSmall = perIndex * blocks.extent <= budget;
  const int64_t run = indicesOfRun(problem, blocks.group);
  const int64_t widest = isSmall ? blocks.extent : budget / perIndex / run * run;
  if (widest == 0)
    return std::nullopt;
  const int64_t worthwhile = std::max(divideUp(isSmall ? 2 * kLeastBytes : kLeastBytes, perIndex),
                                      divideUp(blocks.extent, kMostBlocks));
  blocks.width = std::min(widest, divideUp(worthwhile, run) * run);
  return isSmall || blocks.count() >= kLeastBlocks ? std::optional(blocks) : std::nullopt;
}

Tensor KeptBlocks::slice(const Problem &problem, size_t t, int64_t begin, int64_t end) const {
  const GroupedTensor &tensor = problem.tensors[t];
  const int64_t offset = begin * tensor.strides[group] * int64_t(sizeOf(tensor.dtype));
  Dims extents = problem.extents;
  extents[group] = end - begin;
  return Tensor(tensor.data + offset, tensor.dtype, extents, tensor.strides);
}

} // namespace norma
