//===- KeptBlocks.h - Blocks to reduce, then map ----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A core may reduce and map a range of kept indices before it takes the next, and reads
// the data a second time from its cache.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_KEPTBLOCKS_H
#define NORMA_RUNTIME_KEPTBLOCKS_H

#include "KeptCuts.h"

#include <limits>

namespace norma {

/// What there is for a reduction and a map.
struct BlockCaches {
  /// The second-level cache of one core.
  int64_t l2Bytes = 0;
  /// What all threads have to keep the inputs and results of maps.
  int64_t keptBytes = 0;
  /// Inputs up to which all of them are near when their block's turn comes.
  int64_t nearBytes = 0;
  /// Inputs up to which maps of blocks go beside sums of others; larger ones are summed and mapped
  /// in turns.
  int64_t mixedBytes = std::numeric_limits<int64_t>::max();
  /// The first-level cache of one core.
  int64_t l1Bytes = int64_t(32) << 10;
};

/// Ranges of kept indices for a reduction and a map.
struct KeptBlocks : KeptCuts {
  /// Whether blocks end where cache lines of a large result do, if it begins at one; and
  /// whether it does, and is written past the caches.
  bool wholeLines = false, streams = false;
  /// Whether the caches of all threads hold inputs and result, so that each finds its
  /// blocks again; and whether, of whole lines, the inputs are more than is near, so that a block
  /// must be waited for when its turn comes.
  bool isNear = false, isFar = false;
  /// Whether no map of a block goes beside the sums of the next.
  bool takesTurns = false;
  /// Whether the inputs of a block take more than half of the second level, or of its part in which
  /// they find a place: before a block is mapped, the sums of the next drive some of it out.
  bool isCrowded = false;

  /// The cuts for a reduction and a map: the problem's tensors are their inputs and the
  /// result. None where a block would not fit into a second level, unless the map of one
  /// can go beside the sums of the next; where the whole gains more; or where ranges of the
  /// caller's kept indices are no ranges of one group. Where blocks are cut depends on that level
  /// alone; how they are written and read, on what all threads have.
  static std::optional<KeptBlocks> choose(const Problem &problem, const BlockCaches &caches,
                                          bool canInterleave);
};

} // namespace norma

#endif // NORMA_RUNTIME_KEPTBLOCKS_H
