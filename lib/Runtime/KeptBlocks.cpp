//===- KeptBlocks.cpp - Blocks to reduce, then map ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KeptBlocks.h"

#include "EngineCall.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <ranges>

namespace norma {

/// Where kept indices lie next to each other, the least a block has of them: shorter
/// pieces of rows are read slowly, less so from the second level, unless rows are such pieces
/// only: what a processor fetches ahead of them is another's. Half as much is better than no
/// blocks of what is near. What is read again from further away is worth more.
static constexpr int64_t kRunBytes = 2048, kNearRunBytes = 512, kFarRunBytes = 3072;
/// A block with less costs too much by itself.
static constexpr int64_t kLeastBytes = int64_t(192) << 10;
/// As many blocks keep the cores of a large machine at work; with fewer than the least,
/// the whole has more to share out. A large result, whose bytes do not count, is worth fair
/// shares for some.
static constexpr int64_t kMostBlocks = 64, kLeastBlocks = 4, kFairBlocks = 16;

static int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }
static int64_t roundUp(int64_t value, int64_t step) { return divideUp(value, step) * step; }

/// Maps of single blocks can write past the caches, if the result begins where a cache line
/// does, and blocks have a multiple of so many kept indices: a result that would be read from
/// further away than the second level of a core before it is written, and of which that many are
/// whole lines. 0 where there is no such number.
static int64_t indicesOfLines(const Problem &problem, int group, int64_t l2Bytes) {
  constexpr auto kLine = int64_t(kStreamingAlignment);
  const GroupedTensor &out = problem.tensors[problem.broadcastFrom - 1];
  const auto isWhole = [&](int64_t elements) {
    return elements * int64_t(sizeOf(out.dtype)) % kLine == 0;
  };
  if (problem.kinds.back() != 'R' || problem.layout() == Layout::Strided ||
      !isLargeResult(problem, l2Bytes))
    return 0;
  if (isWhole(problem.extents.back()) &&
      std::all_of(out.strides.begin(), out.strides.end() - 1, isWhole))
    return 1;
  // Neighbours lie together, and so do those of the next sample.
  const bool isDense =
      problem.layout() <= Layout::DenseRows && problem.tensors.size() == problem.broadcastFrom;
  if (!isDense || group > 1 || (group == 1 && !isWhole(out.strides[0])))
    return 0;
  return kLine / std::gcd(kLine, out.strides[group] * int64_t(sizeOf(out.dtype)));
}

/// The bytes that one element takes in the cache: those of the inputs and, unless it is one
/// of them or is written past the cache, of the result.
static int64_t bytesPerElement(const Problem &problem, bool streams) {
  const size_t last = problem.broadcastFrom - 1;
  auto bytes = streams ? 0 : int64_t(sizeOf(problem.tensors[last].dtype));
  for (size_t t = 0; t < last; ++t)
    if (problem.tensors[t].data != problem.tensors[last].data)
      bytes += int64_t(sizeOf(problem.tensors[t].dtype));
  return bytes;
}

static int64_t inputBytes(const Problem &problem) {
  int64_t bytes = 0;
  for (size_t t = 0; t + 1 < problem.broadcastFrom; ++t)
    bytes += problem.size() * int64_t(sizeOf(problem.tensors[t].dtype));
  return bytes;
}

static bool hasNarrowInputs(const Problem &problem) {
  const std::span<const GroupedTensor> tensors = problem.tensors;
  return std::ranges::any_of(tensors.first(problem.broadcastFrom - 1), [](const auto &tensor) {
    return sizeOf(tensor.dtype) < sizeOf(DType::F32);
  });
}

/// Second-level caches have about so many lines of every set.
static constexpr int64_t kWays = 16;

/// How much of a second level the inputs of a block take of where they can be, as a share. The
/// place of a line follows from its address: in large pages, samples that begin a multiple of a
/// large power of two apart share a few places, each as long as their part of the block.
static double shareOfPlaces(const Problem &problem, const KeptBlocks &blocks, int64_t l2Bytes) {
  const auto sets = int64_t(std::bit_floor(uint64_t(l2Bytes / kWays)));
  double share = 0;
  for (size_t t = 0; t + 1 < problem.broadcastFrom; ++t) {
    const GroupedTensor &tensor = problem.tensors[t];
    const auto bytes = [&](int64_t elements) -> int64_t {
      return std::abs(elements) * int64_t(sizeOf(tensor.dtype));
    };
    const int64_t apart = std::gcd(bytes(tensor.strides[0]), sets);
    const int64_t part =
        std::clamp<int64_t>(bytes(tensor.strides[blocks.group] * blocks.width), 1, apart);
    const int64_t room = sets / apart * part * kWays;
    const int64_t block = bytes(problem.size() / blocks.extent * blocks.width);
    share += double(block) / double(room);
  }
  return share;
}

/// How many kept indices fill the shortest piece of a row that is worth reading.
static int64_t indicesOfRun(const Problem &problem, int group, int64_t runBytes) {
  int64_t run = 1;
  for (size_t t = 0; t < problem.broadcastFrom; ++t) {
    const GroupedTensor &tensor = problem.tensors[t];
    const int64_t step = std::llabs(tensor.strides[group]) * int64_t(sizeOf(tensor.dtype));
    if (step > 0)
      run = std::max(run, divideUp(runBytes, step));
  }
  return run;
}

/// Whether runs are so short that kernels of the whole go through samples as lines of memory, which
/// those of a block are not (see chooseLine() of reductions); and samples and data so much that it
/// does not matter what that costs once.
static bool gainsFromLines(const Problem &problem, int64_t l1Bytes) {
  constexpr int64_t kLine = 64, kManySamples = 32, kFirstLevels = 8;
  if (problem.kinds != "RKR" || problem.outer() < kManySamples ||
      problem.partsOf(kLeastBytes) == 0 || problem.layout() != Layout::Contiguous)
    return false;
  const auto bytesOf = [](const GroupedTensor &tensor) {
    return int64_t(std::max(sizeOf(tensor.dtype), sizeOf(DType::F32)));
  };
  const int64_t each = std::ranges::max(problem.tensors | std::views::transform(bytesOf));
  const int64_t sample = problem.size() / problem.outer();
  return problem.extents.back() * each <= kLine && sample * each % kLine == 0 &&
         sample * 2 * int64_t(sizeof(double)) <= kFirstLevels * l1Bytes;
}

std::optional<KeptBlocks> KeptBlocks::choose(const Problem &problem, const BlockCaches &caches,
                                             bool canInterleave) {
  const int64_t l2Bytes = caches.l2Bytes;
  if (std::count(problem.kinds.begin(), problem.kinds.end(), 'K') != 1 || !problem.keptInOrder ||
      gainsFromLines(problem, caches.l1Bytes))
    return std::nullopt;
  KeptBlocks blocks;
  blocks.group = int(problem.kinds.find('K'));
  blocks.extent = problem.extents[blocks.group];
  // Cuts do not depend on addresses, so that no bit does.
  const int64_t together = indicesOfLines(problem, blocks.group, l2Bytes);
  blocks.wholeLines = together > 0;
  if (!blocks.wholeLines && streamsAsWhole(problem))
    return std::nullopt;
  const char *const out = problem.tensors[problem.broadcastFrom - 1].data;
  blocks.streams = blocks.wholeLines && isLargeResult(problem, caches.keptBytes) &&
                   reinterpret_cast<uintptr_t>(out) % kStreamingAlignment == 0;
  // Each thread has the same blocks in every call, as far as it can.
  blocks.isNear = !isLargeResult(problem, caches.keptBytes / 4 * 3);
  blocks.isFar = blocks.wholeLines && inputBytes(problem) > caches.nearBytes;

  // Cuts are the same for any number of threads: those for results past the caches begin where two
  // threads would not hold the data.
  const bool exceedsTwo = blocks.wholeLines && isLargeResult(problem, 2 * l2Bytes);
  const int64_t perIndex =
      std::max<int64_t>(problem.size() / blocks.extent * bytesPerElement(problem, exceedsTwo), 1);
  // The rest is for what else passes through the cache.
  const int64_t budget = l2Bytes / 4 * 3;
  const int64_t all = perIndex * blocks.extent;
  const bool isSmall = all <= budget, hasRuns = problem.kinds.back() == 'R';
  const auto runOf = [&](int64_t bytes) {
    return roundUp(indicesOfRun(problem, blocks.group, bytes), std::max<int64_t>(together, 1));
  };
  int64_t run = runOf(isSmall && hasRuns ? kNearRunBytes : kRunBytes);
  if (budget / perIndex < run && !hasRuns && inputBytes(problem) < caches.nearBytes / 2)
    run = runOf(kRunBytes / 2);
  if (isSmall) {
    // For the sake of threads alone, of which each shall have as many.
    const auto few = std::bit_floor(uint64_t(all / kLeastBytes) | 1);
    blocks.width = roundUp(divideUp(blocks.extent, int64_t(few)), run);
    // Where they cannot be cut, other axes can, and all is in a cache anyway: worth two more turns
    // of all threads where one would fill its second level.
    const bool isOne = blocks.count() == 1;
    return isOne && few > 1 && all > l2Bytes / 8 * 5 ? std::nullopt : std::optional(blocks);
  }
  int64_t widest = budget / perIndex / run * run;
  if (widest == 0) {
    // Sums and maps gain so much by going side by side that blocks may be larger, if there are
    // enough for most sums of every thread to have a map beside them.
    if (!exceedsTwo || !canInterleave)
      return std::nullopt;
    blocks.width = roundUp(indicesOfRun(problem, blocks.group, kFarRunBytes), together);
    blocks.isCrowded = blocks.group > 0;
    return blocks.count() >= kMostBlocks ? std::optional(blocks) : std::nullopt;
  }
  int64_t worthwhile =
      std::max(divideUp(kLeastBytes, perIndex), divideUp(blocks.extent, kMostBlocks));
  if (exceedsTwo) {
    // The next block is read while this one is written, if both find room.
    widest = std::max(l2Bytes / 4 / perIndex / run * run, run);
    worthwhile = std::min(worthwhile, divideUp(blocks.extent, kFairBlocks));
  }
  blocks.width = std::min(widest, roundUp(worthwhile, run));
  blocks.isCrowded = blocks.group > 0 && shareOfPlaces(problem, blocks, l2Bytes) > 0.5;
  // Of narrow elements, sums and maps compute for longer than memory is waited for.
  blocks.takesTurns = inputBytes(problem) > caches.mixedBytes && !hasNarrowInputs(problem);
  return blocks.count() >= kLeastBlocks ? std::optional(blocks) : std::nullopt;
}

} // namespace norma
