//===- MarksTest.cpp - What kernels of moments doubt ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Marks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace norma;

namespace {

/// Forgets underflows, also of other tests.
class MarksTest : public ::testing::Test {
protected:
  void SetUp() override { std::feclearexcept(FE_UNDERFLOW); }

  static void underflow() {
    volatile float tiny = 1e-30f;
    tiny = tiny * tiny;
  }
};

TEST_F(MarksTest, AreFoundAnywhere) {
  for (const size_t size : {1, 2, 15, 16, 17, 31, 32, 33, 100}) {
    std::vector<double> m2(size, 2.5);
    EXPECT_EQ(marksOf(m2), Marks::None);
    for (size_t i = 0; i < size; ++i) {
      m2[i] = -0.0;
      EXPECT_EQ(marksOf(m2), Marks::Small);
      m2[size - 1 - i] = -1;
      EXPECT_EQ(marksOf(m2), Marks::Inaccurate);
      m2[i] = m2[size - 1 - i] = 0;
    }
  }
  EXPECT_EQ(marksOf({}), Marks::None);
}

TEST_F(MarksTest, OfSmallSquaresAreTheirSign) {
  std::vector<double> m2{1, -0.0, -1e-35, 0, -2e30};
  EXPECT_EQ(marksOf(m2), Marks::Small);
  clearMarks(m2);
  EXPECT_EQ(m2, (std::vector<double>{1, 0, 1e-35, 0, 2e30}));
  EXPECT_FALSE(std::signbit(m2[1]));
}

TEST_F(MarksTest, AreNothingWhereNothingUnderflows) {
  std::vector<double> m2{1, -0.0};
  EXPECT_FALSE(mustBeExact(m2, [] { FAIL() << "nothing was lost before"; }));
  EXPECT_FALSE(std::signbit(m2[1]));
}

TEST_F(MarksTest, AreSomethingWhereOneDoes) {
  underflow();
  ASSERT_TRUE(std::fetestexcept(FE_UNDERFLOW));
  std::vector<double> m2{1, -0.0};
  EXPECT_TRUE(mustBeExact(m2, [] { underflow(); }));
  EXPECT_TRUE(std::fetestexcept(FE_UNDERFLOW));
  // What was lost before is not of this call, and not forgotten.
  int calls = 0;
  EXPECT_FALSE(mustBeExact(m2, [&] { ++calls; }));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(std::fetestexcept(FE_UNDERFLOW));
}

TEST_F(MarksTest, OfLostDigitsAreAlwaysDoneExactly) {
  std::vector<double> m2{-1, -0.0};
  EXPECT_TRUE(mustBeExact(m2, [] { FAIL() << "there is nothing to find out"; }));
  EXPECT_EQ(m2[0], -1);
}

} // namespace
