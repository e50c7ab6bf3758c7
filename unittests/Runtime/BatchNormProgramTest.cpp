//===- BatchNormProgramTest.cpp - Batch normalization as MLIR text --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random norma.batch_norm, .batch_norm_training and .batch_norm_grad ops with all
// their options, static and dynamic extents, lowered to loops and through linalg,
// against the f64 oracle. NORMA_BATCH_NORM_CASES and NORMA_BATCH_NORM_SEED make it
// longer or repeat a part of it.
//
//===----------------------------------------------------------------------===//

#include "BatchNormProgramCase.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::test;

namespace {

std::vector<std::vector<double>> valuesOfAll(const std::vector<Tensor> &tensors) {
  std::vector<std::vector<double>> result;
  for (const Tensor &tensor : tensors)
    result.push_back(valuesOf(*Array::copyOf(tensor)));
  return result;
}

TEST(BatchNormProgram, AgreesWithTheReference) {
  const int64_t firstSeed = setting("NORMA_BATCH_NORM_SEED", 815);
  const int64_t cases = setting("NORMA_BATCH_NORM_CASES", 40);
  std::shared_ptr<Engine> engine;
  int failures = 0;
  for (int64_t i = 0; i < cases && failures < 10; ++i) {
    if (i % 200 == 0)
      engine = engineWith({.threads = 1});
    Random random{uint64_t(firstSeed + i)};
    const ProgramCase each = drawBatchNormProgram(random);
    const auto before = valuesOfAll(each.function.arguments());
    for (Lowering lowering : {Lowering::Loops, Lowering::Linalg}) {
      std::string text;
      try {
        text = each.check(runProgram(*engine, each.text, each.function.arguments(), lowering));
      } catch (const std::runtime_error &error) {
        text = error.what();
      }
      const auto after = valuesOfAll(each.function.arguments());
      for (size_t k = 0; k < before.size(); ++k)
        if (text.empty() && !haveSameBits(before[k], after[k]))
          text = fmt::format("argument {} changed", k);
      if (text.empty())
        continue;
      ++failures;
      ADD_FAILURE() << fmt::format("NORMA_BATCH_NORM_SEED={} {}, {}:\n{}", firstSeed + i,
                                   nameOf(lowering), each.what, each.text)
                    << text;
    }
  }
}

} // namespace
