//===- AxisFormTest.cpp - Shapes reduced to what matters ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/AxisForm.h"

#include <gtest/gtest.h>

#include <sstream>

using namespace norma;

namespace {

std::string describe(const AxisForm &form) {
  std::ostringstream text;
  text << form.kinds;
  for (int group = 0; group < form.rank(); ++group) {
    text << ' ';
    if (form.extents[group] == kDynamic)
      text << '?';
    else
      text << form.extents[group];
    text << toString(form.groups[group]);
  }
  return text.str();
}

std::string collapse(const Dims &shape, const Dims &kept, const Dims &repeats = {}) {
  return describe(collapseAxes(shape, kept, repeats));
}

TEST(AxisForm, ExamplesOfTheHeader) {
  EXPECT_EQ(collapse({32, 224, 224, 3}, {3}), "RK 1605632(0, 1, 2) 3(3,)");
  EXPECT_EQ(collapse({32, 64, 56, 56}, {1}), "RKR 32(0,) 64(1,) 3136(2, 3)");
  EXPECT_EQ(collapse({178, 13}, {}), "R 2314(0, 1)");
  EXPECT_EQ(collapse({2, 3, 4, 5}, {1, 3}), "RKRK 2(0,) 3(1,) 4(2,) 5(3,)");
  EXPECT_EQ(collapse({4, 5}, {0, 1}), "K 20(0, 1)");
  EXPECT_EQ(collapse({4, 5}, {0}), "KR 4(0,) 5(1,)");
}

TEST(AxisForm, UnitAxesJoinAGroup) {
  EXPECT_EQ(collapse({32, 64, 1, 1}, {1}), "RK 32(0,) 64(1, 2, 3)");
  EXPECT_EQ(collapse({1, 64, 7}, {1}), "KR 64(0, 1) 7(2,)");
  EXPECT_EQ(collapse({1, 1, 5}, {0}), "R 5(0, 1, 2)");
  EXPECT_EQ(collapse({4, 1, 5}, {1}), "R 20(0, 1, 2)");
  EXPECT_EQ(collapse({5, 1}, {1}), "R 5(0, 1)");
}

TEST(AxisForm, NothingThatMatters) {
  EXPECT_EQ(collapse({}, {}), "R 1()");
  EXPECT_EQ(collapse({1}, {}), "R 1(0,)");
  EXPECT_EQ(collapse({1, 1, 1}, {0, 2}), "R 1(0, 1, 2)");
}

TEST(AxisForm, EmptyExtentsAreNotUnits) {
  EXPECT_EQ(collapse({0, 13}, {1}), "RK 0(0,) 13(1,)");
  EXPECT_EQ(collapse({4, 0, 3}, {}), "R 0(0, 1, 2)");
}

TEST(AxisForm, DynamicExtentsStay) {
  EXPECT_EQ(collapse({kDynamic, 13}, {1}), "RK ?(0,) 13(1,)");
  EXPECT_EQ(collapse({kDynamic, 4, 4, 3}, {3}), "RK ?(0, 1, 2) 3(3,)");
  EXPECT_EQ(collapse({4, kDynamic}, {}), "R ?(0, 1)");
  EXPECT_EQ(collapse({1, kDynamic, 1}, {1}), "K ?(0, 1, 2)");
  EXPECT_EQ(collapse({kDynamic, 0}, {}), "R ?(0, 1)");
}

TEST(AxisForm, RepeatsSplitGroups) {
  // Weights of shape (4, 1, 1) of data of shape (4, 5, 6).
  EXPECT_EQ(collapse({4, 5, 6}, {}, {0, 1, 1}), "RR 4(0,) 30(1, 2)");
  EXPECT_EQ(collapse({4, 5, 6}, {2}, {0, 1, 1}), "RRK 4(0,) 5(1,) 6(2,)");
  EXPECT_EQ(collapse({4, 5, 6}, {}, {0, 0, 0}), "R 120(0, 1, 2)");
  // Mask (bit 0) and weights (bit 1) repeat differently.
  EXPECT_EQ(collapse({4, 5, 6}, {}, {2, 3, 1}), "RRR 4(0,) 5(1,) 6(2,)");
  // A unit axis repeats nothing.
  EXPECT_EQ(collapse({4, 1, 6}, {}, {0, 1, 0}), "R 24(0, 1, 2)");
}

TEST(AxisForm, EveryFormKeepsOrderAndSize) {
  // All shapes of rank 4 over {0, 1, 2, 3} with all kept sets.
  for (int code = 0; code < 256; ++code)
    for (int bits = 0; bits < 16; ++bits) {
      Dims shape, kept;
      for (int axis = 0; axis < 4; ++axis) {
        shape.push_back((code >> (2 * axis)) & 3);
        if (bits >> axis & 1)
          kept.push_back(axis);
      }
      const AxisForm form = collapseAxes(shape, kept);
      ASSERT_EQ(form.kinds.size(), size_t(form.rank()));
      ASSERT_EQ(form.groups.size(), size_t(form.rank()));
      int64_t next = 0;
      for (int group = 0; group < form.rank(); ++group) {
        int64_t product = 1;
        for (int64_t axis : form.groups[group]) {
          EXPECT_EQ(axis, next++);
          product *= shape[axis];
          EXPECT_TRUE(shape[axis] == 1 || form.isKept(group) == ((bits >> axis & 1) == 1));
        }
        EXPECT_EQ(product, form.extents[group]);
        EXPECT_TRUE(group == 0 || form.kinds[group] != form.kinds[group - 1]);
      }
      EXPECT_EQ(next, 4);
    }
}

TEST(CanonicalAxes, CountsFromTheBackAndSorts) {
  EXPECT_EQ(*canonicalAxes(Dims{-1}, 4, "axis"), (Dims{3}));
  EXPECT_EQ(*canonicalAxes(Dims{2, 1}, 3, "axis"), (Dims{1, 2}));
  EXPECT_EQ(*canonicalAxes(Dims{-1, 1}, 3, "axis"), (Dims{1, 2}));
  EXPECT_EQ(*canonicalAxes(Dims{}, 0, "axis"), (Dims{}));
}

TEST(CanonicalAxes, NamesWhatIsWrong) {
  auto message = [](const Dims &axes, int rank) {
    Expected<Dims> result = canonicalAxes(axes, rank, "axis");
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::InvalidArgument);
    return result.error().message();
  };
  EXPECT_EQ(message({-3}, 2), "axis: -3 is out of range for rank 2; expected a value in [-2, 2)");
  EXPECT_EQ(message({2}, 2), "axis: 2 is out of range for rank 2; expected a value in [-2, 2)");
  EXPECT_EQ(message({1, -1}, 2), "axis: axis 1 is given twice (as 1 and -1)");
  EXPECT_EQ(message({0, 0}, 2), "axis: axis 0 is given twice (as 0 and 0)");
  EXPECT_EQ(message({-1}, 0), "axis: -1 is out of range for rank 0; a scalar has no axes");
}

TEST(CanonicalAxes, LongerListsThanTheLargestRank) {
  const std::vector<int64_t> axes(100, 0);
  EXPECT_FALSE(canonicalAxes(axes, 16, "axis"));
}

TEST(Axes, ComplementAndKeptShape) {
  EXPECT_EQ(complementAxes(Dims{1, 3}, 5), (Dims{0, 2, 4}));
  EXPECT_EQ(complementAxes(Dims{}, 2), (Dims{0, 1}));
  EXPECT_EQ(complementAxes(Dims{0}, 1), (Dims{}));
  EXPECT_EQ(keptShape(Dims{2, 3, 5, 7}, Dims{1, 3}), (Dims{3, 7}));
  EXPECT_EQ(keptShape(Dims{2, 3}, Dims{}), (Dims{}));
}

} // namespace
