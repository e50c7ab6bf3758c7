//===- ThreadPoolTest.cpp - How many parts a map is cut into --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/EngineImpl.h"

#include <gtest/gtest.h>

#include <vector>

using namespace norma;

namespace {

/// The parts of a map from one type to another, which two threads share.
int64_t partsOfMap(DType from, DType to, int64_t rows) {
  alignas(64) static char memory[2][64];
  const Dims shape{rows, 1024};
  const std::vector<Tensor> tensors{Tensor(memory[0], from, shape), Tensor(memory[1], to, shape)};
  return ThreadPool(2).partsOf(makeProblem(tensors, tensors.size(), Dims{1}).bytesAsF32());
}

TEST(ThreadPool, PartsOfMapsHave192KiB) {
  EXPECT_EQ(partsOfMap(DType::F32, DType::F32, 47), 1);
  EXPECT_EQ(partsOfMap(DType::F32, DType::F32, 48), 2);
  EXPECT_EQ(partsOfMap(DType::F64, DType::F64, 23), 1);
  EXPECT_EQ(partsOfMap(DType::F64, DType::F64, 24), 2);
}

TEST(ThreadPool, NarrowElementsAreAsMuchWorkAsF32) {
  for (DType from : {DType::U8, DType::F16, DType::BF16})
    for (DType to : {DType::F16, DType::BF16, DType::F32}) {
      SCOPED_TRACE(std::string(toString(from)) + " to " + toString(to));
      EXPECT_EQ(partsOfMap(from, to, 47), 1);
      EXPECT_EQ(partsOfMap(from, to, 48), 2);
    }
}

} // namespace
