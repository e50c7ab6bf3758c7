//===- BatchNormProgramCase.h - Random ops and their results ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAMCASE_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAMCASE_H

#include "BatchNormProgram.h"

namespace norma::test {

/// A program and the judgement of its results: empty, or what is wrong.
struct ProgramCase {
  /// The data, for messages.
  std::string what;
  Function function;
  std::string text;
  std::function<std::string(const std::vector<Array> &)> check;
  /// What `check` refers to.
  std::shared_ptr<const void> owner;
};

/// One of the three ops with everything it may be given, drawn at random, and the
/// oracle's results. `random` is used by the case, too.
ProgramCase drawBatchNormProgram(Random &random);

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAMCASE_H
