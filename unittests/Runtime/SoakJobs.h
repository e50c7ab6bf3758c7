//===- SoakJobs.h - Calls of the runtime whose results are known -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_SOAKJOBS_H
#define NORMA_UNITTESTS_RUNTIME_SOAKJOBS_H

#include "norma/Runtime/Engine.h"

namespace norma::test {

/// A piece of work that is made of its number alone: shapes, types, layouts, values. Its
/// result does not depend on the engine, its threads, or what else they do.
struct SoakJob {
  uint64_t number = 0;

  /// "affine f16 (3, 5) permuted"
  std::string describe() const;
  /// The bytes of everything it computed; an error that was to be expected counts as a
  /// result. State files are written to `folder`, under names with `suffix` in them.
  Expected<std::string> run(const std::shared_ptr<Engine> &engine, const std::string &folder,
                            const std::string &suffix) const;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_SOAKJOBS_H
