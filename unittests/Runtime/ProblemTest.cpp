//===- ProblemTest.cpp - A call in axis form ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Problem.h"

#include <gtest/gtest.h>

#include <limits>

using namespace norma;

TEST(Problem, BytesOfElementsThatRepeatAreManyAndNotNegative) {
  // One byte, 2^62 times: no integer holds so much as f32.
  int8_t one = 1;
  const int64_t size = int64_t(1) << 62;
  const Tensor x(&one, DType::I8, {size}, {0});
  const Problem problem = makeProblem(std::span(&x, 1), 1, {});
  EXPECT_EQ(problem.bytes(), size);
  EXPECT_EQ(problem.bytesAsF32(), std::numeric_limits<int64_t>::max());
}
