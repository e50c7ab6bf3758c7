//===- AlignedBytesTest.cpp - Memory for vectors --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/AlignedBytes.h"

#include <cstdint>
#include <gtest/gtest.h>

using namespace norma;

TEST(AlignedBytes, BeginAtACacheLine) {
  std::vector<AlignedBytes> many;
  for (size_t size = 1; size < 5000; size += 37) {
    const AlignedBytes &bytes = many.emplace_back(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u) << size;
  }
}
