//===- CheckedTest.cpp - Integers that know when they overflowed ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Checked.h"

#include <gtest/gtest.h>

#include <limits>

using namespace norma;

namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

TEST(Checked, ResultsThatFit) {
  EXPECT_EQ(*(Checked(6) * 7 + 1), 43);
  EXPECT_EQ(*(Checked(2) - 5), -3);
  EXPECT_EQ(*(Checked(kMost) * 1 + 0), kMost);
  EXPECT_EQ(*(Checked(kLeast) + kMost), -1);
  EXPECT_EQ(*(Checked(kLeast / 2) * 2), kLeast);
  EXPECT_EQ(*(Checked(kMost) * 0), 0);
}

TEST(Checked, ResultsThatDoNotFit) {
  EXPECT_FALSE((Checked(kMost) + 1).fits());
  EXPECT_FALSE((Checked(kLeast) - 1).fits());
  EXPECT_FALSE((Checked(0) - kLeast).fits());
  EXPECT_FALSE((Checked(kLeast) * -1).fits());
  EXPECT_FALSE((Checked(int64_t(1) << 32) * (int64_t(1) << 31)).fits());
}

TEST(Checked, OverflowIsRemembered) {
  // The number is back in range, the result is still none.
  EXPECT_FALSE((Checked(kMost) + 1 - 1).fits());
  EXPECT_FALSE((Checked(kMost) * 2 * 0).fits());
  EXPECT_FALSE((Checked(1) + Checked(kMost) * kMost).fits());
  EXPECT_FALSE((Checked(1) - Checked(kMost) * kMost).fits());
  EXPECT_FALSE((Checked(0) * (Checked(kMost) + 1)).fits());
}

} // namespace
