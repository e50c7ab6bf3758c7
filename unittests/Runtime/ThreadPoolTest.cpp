//===- ThreadPoolTest.cpp - How many parts a map is cut into --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/EngineCall.h"
#include "Runtime/EngineImpl.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

using namespace norma;

namespace {

/// The parts of a map from one type to another, which two threads share.
int64_t partsOfMap(DType from, DType to, int64_t rows) {
  const std::shared_ptr<Engine> engine = *Engine::create({.threads = 1, .cacheDirectory = "off"});
  const Dims shape{rows, 1024};
  const Array x = *Array::create(from, shape), y = *Array::create(to, shape);
  const DType compute = from == DType::F64 ? DType::F64 : DType::F32;
  Expected<KernelCall> call =
      stateOf(*engine).affineCall(x, Dims{1}, {false, true, false}, compute, y);
  if (!call)
    throw std::runtime_error(call.error().message());
  const std::vector<double> scale(1024, 1.0);
  return MapCall(std::move(*call), RoundedValues({scale}, compute)).mostParts(ThreadPool(2));
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
