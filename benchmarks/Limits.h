//===- Limits.h - What the machine can do -----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The least that a pass over tensors has to do, as hand-written vector loops: read, read
// and write, read two and write. What a kernel needs is compared with these on the same
// memory, in turns. The loops do what the name says with every element and nothing for
// channels, so that they are bounded by caches and memory alone.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_LIMITS_H
#define NORMA_BENCHMARKS_LIMITS_H

#include "norma/Support/Tensor.h"

#include <memory>
#include <string>
#include <vector>

namespace norma::benchmarks {

/// How a loop writes.
enum class Stores {
  /// Through the caches.
  Ordinary,
  /// Past them (non-temporal).
  Streaming,
};

/// In how many places of its part a thread reads side by side.
enum class Streams {
  One,
  /// Each in pages of its own; so many that memory gives most.
  Many,
};

/// The loops on a number of threads, each of which takes one contiguous part.
class Limits {
public:
  explicit Limits(int threads);
  ~Limits();

  /// Reads all of `x`.
  void read(const Tensor &x, Streams streams) const;
  /// y = x * constant, converted. Of the data types, those in supports().
  void map(const Tensor &x, const Tensor &y, Streams streams, Stores stores) const;
  /// dx = x * constant + dy, all of one type.
  void combine(const Tensor &x, const Tensor &dy, const Tensor &dx, Streams streams,
               Stores stores) const;

  /// Whether there is a loop from `in` to `out`.
  static bool supports(DType in, DType out);
  /// The instruction sets that there are loops for and that the machine has, the best first:
  /// "avx512", "avx2", "base".
  static std::vector<std::string> instructionSets();
  /// Takes the loops for one of them from now on; the best where nothing is chosen. Not while loops
  /// run.
  static void choose(const std::string &instructionSet);
  /// What the loops are for.
  static const char *instructionSet();

private:
  struct Arena;
  std::unique_ptr<Arena> arena;
};

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_LIMITS_H
