//===- Cases.h - What is measured -------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one table of cases: NormaBench measures them, and prints them as JSON for the
// programs that run other libraries or write the report (--cases).
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_CASES_H
#define NORMA_BENCHMARKS_CASES_H

#include "Runtime/Cpu/CacheSizes.h"

#include "norma/Support/Tensor.h"

#include <vector>

namespace norma::benchmarks {

/// What a kernel does with memory, which decides what it is compared with.
enum class Family { Map, Reduce, Train, Gradient };
const char *toString(Family family);

/// What a user calls.
enum class Work {
  /// Normalization and its inverse.
  Normalize,
  Inverse,
  /// Batch normalization in inference, with gamma and beta and without.
  Infer,
  InferPlain,
  /// Normalization.adapt.
  Moments,
  /// Batch normalization in training, and its gradient.
  Forward,
  Backward,
};
const char *toString(Work work);
Family familyOf(Work work);

/// Where the data of a case stays between two calls.
enum class Room { L1, L2, LastLevel, Between, Memory };
const char *toString(Room room);

struct Case {
  Work work;
  Dims shape, kept;
  DType in = DType::F32, out = DType::F32;
  /// Part of a short run; measured with other libraries, too.
  bool quick = false, peers = false;

  /// "RK", "RKR": the axis form.
  std::string form() const;
  /// "map/normalize/RK/f32/20164x13", a name for filters.
  std::string name() const;
  int64_t elements() const;
  /// Kept indices.
  int64_t channels() const;
  /// Whether a block of channels fits in the second-level cache, so that data need only be
  /// read once: for channels next to each other those of a cache line, otherwise one. It takes
  /// half of what of the cache it can be in.
  bool blockFits() const;
  /// The fewest bytes that must move between memory and processor.
  int64_t bytes() const;
  /// The bytes of all tensors.
  int64_t footprint() const;
  Room room() const;
  /// The least ratio of the limit's time to the measured that is good enough; 0 where
  /// there is none.
  double goal() const;
};

/// All cases, in order of data types and size.
const std::vector<Case> &cases();

/// The caches of this machine, with common sizes for what is not known.
const CacheSizes &caches();

/// All cases as JSON.
std::string casesAsJson();

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_CASES_H
