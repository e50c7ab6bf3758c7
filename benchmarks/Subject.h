//===- Subject.h - A case, ready to be measured -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_SUBJECT_H
#define NORMA_BENCHMARKS_SUBJECT_H

#include "Buffers.h"
#include "Cases.h"
#include "Limits.h"

#include "norma/Runtime/Engine.h"

#include <functional>

namespace norma::benchmarks {

/// What norma does in a case, as a user would call it: with a layer.
struct Subject {
  std::shared_ptr<Engine> engine;
  Tensor x, dy, y;
  std::function<Expected<void>()> call;

  /// The engine keeps no kernels on the disk. Has not called anything that is timed.
  static Expected<Subject> create(const Case &c, int threads, const std::string &targetCpu,
                                  Buffers &buffers);
};

/// The loops that the limit of a case is made of: one, or one after the other.
struct LimitPart {
  std::string name;
  /// Ways of doing it, of which the fastest is the limit.
  std::vector<std::function<void()>> ways;
};

/// For training and gradients, where a block of channels does not fit in the cache, the
/// data is read once by itself, and then again by the map. `alone` and `all` are loops on
/// one thread and on all threads of the case: work too small for two threads is for one.
std::vector<LimitPart> limitOf(const Case &c, const Subject &subject, const Limits &alone,
                               const Limits &all);

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_SUBJECT_H
