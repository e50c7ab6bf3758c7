//===- BatchNormTest.cpp - The arithmetic of batch normalization ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNorm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace norma;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;

TEST(BatchNormRules, ChoicesHaveNames) {
  EXPECT_STREQ(toString(MovingVariance::Population), "population");
  EXPECT_STREQ(toString(MovingVariance::Sample), "sample");
  EXPECT_STREQ(toString(GhostGrouping::Strided), "strided");
  EXPECT_STREQ(toString(GhostGrouping::Contiguous), "contiguous");
  EXPECT_STREQ(toString(GhostRemainder::Error), "error");
  EXPECT_STREQ(toString(GhostRemainder::Smaller), "smaller");
  EXPECT_STREQ(toString(GhostRemainder::Merge), "merge");
}

//===----------------------------------------------------------------------===//
// Ghosts
//===----------------------------------------------------------------------===//

struct PlanCase {
  int64_t size, samples;
  GhostRemainder remainder;
  int64_t whole, tail, tailGhost, ghosts;
};

TEST(PlanGhosts, BodyAndTail) {
  using enum GhostRemainder;
  for (const PlanCase &each :
       {PlanCase{4, 12, Error, 3, 0, 0, 3}, PlanCase{12, 12, Error, 1, 0, 0, 1},
        PlanCase{1, 3, Error, 3, 0, 0, 3}, PlanCase{4, 10, Smaller, 2, 2, 2, 3},
        PlanCase{4, 10, Merge, 2, 2, 1, 2}, PlanCase{4, 3, Smaller, 0, 3, 0, 1},
        PlanCase{4, 3, Merge, 0, 3, 0, 1}, PlanCase{4, 0, Error, 0, 0, 0, 0},
        PlanCase{4, 0, Smaller, 0, 0, 0, 0}, PlanCase{4, 0, Merge, 0, 0, 0, 0},
        PlanCase{4, 8, Merge, 2, 0, 0, 2}}) {
    Expected<GhostPlan> plan =
        planGhosts({.size = each.size, .remainder = each.remainder}, each.samples);
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->whole, each.whole) << each.samples;
    EXPECT_EQ(plan->tail, each.tail) << each.samples;
    EXPECT_EQ(plan->tailGhost, each.tailGhost) << each.samples;
    EXPECT_EQ(plan->ghosts, each.ghosts) << each.samples;
  }
}

TEST(PlanGhosts, Errors) {
  EXPECT_EQ(planGhosts({.size = 0}, 10).error().message(),
            "virtual_batch_size: 0, expected at least 1");
  EXPECT_EQ(planGhosts({.size = 4}, 10).error().message(),
            "virtual_batch_size: 4 does not divide the batch of 10 samples, expected a divisor or "
            "remainder 'smaller' or 'merge'");
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

std::string complaint(const BatchNormRules &rules) {
  Expected<void> result = checkBatchNormRules(rules);
  return result ? "" : result.error().message();
}

TEST(BatchNormRules, WhatIsAllowed) {
  EXPECT_EQ(complaint({}), "");
  EXPECT_EQ(complaint({.epsilon = 0, .momentum = std::nullopt}), "");
  // Outside of [0, 1] a momentum is odd, but a number.
  EXPECT_EQ(complaint({.momentum = -0.5, .renormMomentum = 2}), "");
  EXPECT_EQ(complaint({.clipping = {.rmin = 1, .rmax = 1, .dmax = 0}}), "");
  EXPECT_EQ(complaint({.clipping = {.rmax = kInf, .dmax = kInf}}), "");
  EXPECT_EQ(complaint({.ghosts = {.size = 1}}), "");
}

TEST(BatchNormRules, Errors) {
  EXPECT_EQ(complaint({.epsilon = -1}), "epsilon: -1, expected a finite number not below 0");
  EXPECT_EQ(complaint({.epsilon = kInf}), "epsilon: inf, expected a finite number not below 0");
  EXPECT_EQ(complaint({.epsilon = kNaN}), "epsilon: nan, expected a finite number not below 0");
  EXPECT_EQ(complaint({.epsilonFloor = -2}),
            "epsilon_floor: -2, expected a finite number not below 0");
  EXPECT_EQ(complaint({.momentum = kNaN}), "momentum: nan, expected a finite number");
  EXPECT_EQ(complaint({.renormMomentum = kInf}), "renorm_momentum: inf, expected a finite number");
  EXPECT_EQ(complaint({.clipping = {.rmin = 1, .rmax = 0.5}}),
            "renorm_clipping: rmax 0.5 is below rmin 1, expected rmin <= rmax");
  EXPECT_EQ(complaint({.clipping = {.rmin = -1}}),
            "renorm_clipping: rmin -1, expected a number not below 0");
  EXPECT_EQ(complaint({.clipping = {.rmax = kNaN}}),
            "renorm_clipping: rmax nan, expected a number not below 0");
  EXPECT_EQ(complaint({.clipping = {.dmax = -0.5}}),
            "renorm_clipping: dmax -0.5, expected a number not below 0");
  EXPECT_EQ(complaint({.ghosts = {.size = -3}}), "virtual_batch_size: -3, expected at least 1");
}

TEST(BatchNormRules, EpsilonHasAFloor) {
  EXPECT_EQ(BatchNormRules({.epsilon = 1e-7, .epsilonFloor = 1.001e-5}).effectiveEpsilon(),
            1.001e-5);
  EXPECT_EQ(BatchNormRules({.epsilon = 1e-3, .epsilonFloor = 1.001e-5}).effectiveEpsilon(), 1e-3);
}

//===----------------------------------------------------------------------===//
// Moving statistics
//===----------------------------------------------------------------------===//

/// One kept index, moving mean 0 and variance 1.
MovingStatistics fresh() { return {.mean = {0}, .variance = {1}}; }
MovingStatistics freshRenorm() {
  return {.mean = {0}, .variance = {1}, .stddev = {1}, .renormMean = {0}, .renormStddev = {1}};
}

/// Groups of one kept index: count, mean and m2 of each.
Statistics groupsOf(std::vector<std::array<double, 3>> groups) {
  Statistics result;
  result.shape = {int64_t(groups.size()), 1};
  for (const auto &[count, mean, m2] : groups) {
    result.count.push_back(count);
    result.mean.push_back(mean);
    result.m2.push_back(m2);
  }
  return result;
}
Statistics one(double count, double mean, double m2) { return {{1}, {count}, {mean}, {m2}}; }

TEST(BatchNormForward, SavesTheStatisticsOfTheBatch) {
  const Statistics groups{{3}, {4, 1, 0}, {2, 5, 0}, {12, 0, 0}};
  const BatchNormForward forward =
      batchNormForward({.epsilon = 1}, groups, {.mean = {0, 0, 0}, .variance = {1, 1, 1}});
  EXPECT_EQ(forward.groupShape, Dims{3});
  EXPECT_EQ(forward.count, groups.count);
  EXPECT_EQ(forward.mean, groups.mean);
  EXPECT_EQ(forward.invStd, (Values{0.5, 1, 1}));
  EXPECT_TRUE(forward.r.empty());
  EXPECT_TRUE(forward.d.empty());
}

TEST(BatchNormForward, MovesByMomentum) {
  // Of the batch {0, 2}: mean 1, population variance 1, sample variance 2.
  const MovingStatistics start{.mean = {0}, .variance = {0}};
  BatchNormRules rules{.momentum = 0.5};
  EXPECT_EQ(batchNormForward(rules, one(2, 1, 2), start).updated.variance, Values{0.5});
  rules.movingVariance = MovingVariance::Sample;
  const MovingStatistics updated = batchNormForward(rules, one(2, 1, 2), start).updated;
  EXPECT_EQ(updated.variance, Values{1});
  EXPECT_EQ(updated.mean, Values{0.5});
  EXPECT_EQ(updated.batches, 1);
  // A count of one, and weights that add up to less, have no n - 1.
  EXPECT_EQ(batchNormForward(rules, one(1, 3, 0), start).updated.variance, Values{0});
  EXPECT_EQ(batchNormForward(rules, one(0.5, 3, 0.5), start).updated.variance, Values{0.25});

  rules.momentum = 0;
  EXPECT_EQ(batchNormForward(rules, one(2, 7, 2), fresh()).updated.mean, Values{7});
  rules.momentum = 1;
  EXPECT_EQ(batchNormForward(rules, one(2, 7, 2), fresh()).updated.mean, Values{0});
}

TEST(BatchNormForward, CumulativeAverageIsTheMeanOfAllBatches) {
  const BatchNormRules rules{.momentum = std::nullopt};
  MovingStatistics moving = fresh();
  for (double mean : {3.0, 5.0, 10.0})
    moving = batchNormForward(rules, one(2, mean, 2 * mean), moving).updated;
  EXPECT_EQ(moving.batches, 3);
  EXPECT_DOUBLE_EQ(moving.mean[0], 6);
  EXPECT_DOUBLE_EQ(moving.variance[0], 6);
}

TEST(BatchNormForward, NothingCountedMovesNothing) {
  MovingStatistics moving{.mean = {4, 4},
                          .variance = {9, 9},
                          .stddev = {3, 3},
                          .renormMean = {2, 2},
                          .renormStddev = {5, 5},
                          .batches = 7};
  const BatchNormRules rules{.momentum = 0.5, .renorm = true, .renormMomentum = 0.5};
  const Statistics half{{2}, {0, 2}, {0, 1}, {0, 2}};
  const BatchNormForward forward = batchNormForward(rules, half, moving);
  EXPECT_EQ(forward.updated.mean, (Values{4, 2.5}));
  EXPECT_EQ(forward.updated.variance[0], 9);
  EXPECT_EQ(forward.updated.stddev[0], 3);
  EXPECT_EQ(forward.updated.renormMean, (Values{2, 1.5}));
  EXPECT_EQ(forward.updated.renormStddev[0], 5);
  EXPECT_EQ(forward.updated.batches, 8);
  EXPECT_EQ(forward.r[0], 1);
  EXPECT_EQ(forward.d[0], 0);

  const BatchNormForward nothing = batchNormForward(rules, Statistics::zeros({2}), moving);
  EXPECT_EQ(nothing.updated.mean, moving.mean);
  EXPECT_EQ(nothing.updated.variance, moving.variance);
  EXPECT_EQ(nothing.updated.batches, 7);
}

TEST(BatchNormForward, UpdatesCanBeOff) {
  const BatchNormRules rules{.renorm = true, .updateMoving = false};
  const BatchNormForward forward = batchNormForward(rules, one(2, 1, 2), freshRenorm());
  EXPECT_EQ(forward.updated.mean, Values{0});
  EXPECT_EQ(forward.updated.stddev, Values{1});
  EXPECT_EQ(forward.updated.renormMean, Values{0});
  EXPECT_EQ(forward.updated.batches, 0);
  EXPECT_EQ(forward.d, Values{1}) << "corrections do not depend on it";
}

TEST(BatchNormForward, NaNStaysInItsKeptIndex) {
  const BatchNormRules rules{.renorm = true, .clipping = {.rmin = 0.5, .rmax = 2, .dmax = 3}};
  const MovingStatistics moving{.mean = {0, 0},
                                .variance = {1, 1},
                                .stddev = {1, 1},
                                .renormMean = {0, 0},
                                .renormStddev = {1, 1}};
  const BatchNormForward forward =
      batchNormForward(rules, {{2}, {4, 4}, {kNaN, 1}, {kNaN, 4}}, moving);
  const MovingStatistics &updated = forward.updated;
  for (const Values *values :
       {&forward.mean, &forward.invStd, &forward.r, &forward.d, &updated.mean, &updated.variance,
        &updated.stddev, &updated.renormMean, &updated.renormStddev}) {
    EXPECT_TRUE(std::isnan((*values)[0]));
    EXPECT_FALSE(std::isnan((*values)[1]));
  }
}

//===----------------------------------------------------------------------===//
// Ghosts, frozen statistics
//===----------------------------------------------------------------------===//

TEST(BatchNormForward, GhostsAreAveraged) {
  BatchNormRules rules{.epsilon = 0, .momentum = 0, .ghosts = {.size = 2}};
  const Statistics groups = groupsOf({{2, 1, 2}, {0, 0, 0}, {4, 3, 12}});
  BatchNormForward forward = batchNormForward(rules, groups, fresh());
  EXPECT_EQ(forward.groupShape, (Dims{3, 1}));
  EXPECT_EQ(forward.count, (Values{2, 0, 4}));
  EXPECT_EQ(forward.mean, (Values{1, 0, 3}));
  // The empty ghost does not count, and others count once each, whatever their size.
  EXPECT_EQ(forward.updated.mean, Values{2});
  EXPECT_EQ(forward.updated.variance, Values{2});
  EXPECT_EQ(forward.updated.batches, 1);
  rules.movingVariance = MovingVariance::Sample;
  EXPECT_EQ(batchNormForward(rules, groups, fresh()).updated.variance, Values{3});

  const BatchNormForward none = batchNormForward(rules, Statistics::zeros({0, 1}), fresh());
  EXPECT_EQ(none.groupShape, (Dims{0, 1}));
  EXPECT_TRUE(none.mean.empty());
  EXPECT_EQ(none.updated.variance, Values{1});
  EXPECT_EQ(none.updated.batches, 0);
}

TEST(BatchNormForward, FrozenUsesTheMovingStatistics) {
  const BatchNormRules rules{.epsilon = 1,
                             .momentum = 0.5,
                             .renorm = true,
                             .ghosts = {.size = 2},
                             .useBatchStatistics = false};
  MovingStatistics moving = freshRenorm();
  moving.mean = {6};
  moving.variance = {3};
  const BatchNormForward forward =
      batchNormForward(rules, groupsOf({{2, 1, 2}, {2, 3, 2}}), moving);
  EXPECT_EQ(forward.groupShape, Dims{1});
  EXPECT_EQ(forward.count, Values{4});
  EXPECT_EQ(forward.mean, Values{6});
  EXPECT_EQ(forward.invStd, Values{0.5});
  EXPECT_TRUE(forward.r.empty());
  EXPECT_TRUE(forward.d.empty());
  EXPECT_EQ(forward.updated.mean, Values{4});
  EXPECT_EQ(forward.updated.batches, 1);
}

//===----------------------------------------------------------------------===//
// Renorm
//===----------------------------------------------------------------------===//

TEST(Renorm, CorrectsByTheStateBeforeTheUpdate) {
  const BatchNormRules rules{.epsilon = 1, .momentum = 0.75, .renorm = true, .renormMomentum = 0.5};
  const MovingStatistics moving{
      .mean = {4}, .variance = {9}, .stddev = {6}, .renormMean = {1}, .renormStddev = {4}};
  // sigma = sqrt(3 + 1) = 2.
  const BatchNormForward forward = batchNormForward(rules, one(4, 3, 12), moving);
  EXPECT_EQ(forward.r, Values{0.5});
  EXPECT_EQ(forward.d, Values{0.5});
  EXPECT_EQ(forward.updated.renormMean, Values{2});
  EXPECT_EQ(forward.updated.renormStddev, Values{3});
  EXPECT_EQ(forward.updated.mean, Values{3.75});
  EXPECT_EQ(forward.updated.stddev, Values{5});
  EXPECT_EQ(forward.updated.variance, Values{24});
}

TEST(Renorm, Clips) {
  BatchNormRules rules{.epsilon = 1, .renorm = true};
  const auto corrections = [&](double mean, double m2, RenormClipping clipping) {
    rules.clipping = clipping;
    const BatchNormForward forward = batchNormForward(rules, one(1, mean, m2), freshRenorm());
    return std::pair(forward.r[0], forward.d[0]);
  };
  EXPECT_EQ(corrections(-7, 8, {}), std::pair(3.0, -7.0));
  EXPECT_EQ(corrections(-7, 8, {.rmin = 4}), std::pair(4.0, -7.0));
  EXPECT_EQ(corrections(-7, 8, {.rmax = 2}), std::pair(2.0, -7.0));
  EXPECT_EQ(corrections(-7, 8, {.dmax = 5}), std::pair(3.0, -5.0));
  EXPECT_EQ(corrections(7, 8, {.dmax = 5}), std::pair(3.0, 5.0));
  EXPECT_EQ(corrections(7, 8, {.rmin = 2, .rmax = 4, .dmax = 9}), std::pair(3.0, 7.0));
}

TEST(Renorm, TheDeviationIsNotBelowEpsilons) {
  MovingStatistics moving = freshRenorm();
  moving.renormStddev = {0};
  const BatchNormForward forward =
      batchNormForward({.epsilon = 0.25, .renorm = true}, one(4, 1, 8), moving);
  EXPECT_EQ(forward.r, Values{1.5 / 0.5});
  EXPECT_EQ(forward.d, Values{2});
}

TEST(Renorm, VarianceIsNeverNegative) {
  MovingStatistics moving = freshRenorm();
  moving.stddev = {0.1};
  const BatchNormForward forward =
      batchNormForward({.epsilon = 1, .momentum = 1, .renorm = true}, one(2, 0, 0), moving);
  EXPECT_EQ(forward.updated.variance, Values{0});
}

TEST(Renorm, UsesTheAverageOfTheGhosts) {
  const BatchNormRules rules{.epsilon = 1, .renorm = true, .ghosts = {.size = 2}};
  // Variances 2 and 4, so sigma = sqrt(3 + 1); means 1 and 5.
  const BatchNormForward forward =
      batchNormForward(rules, groupsOf({{2, 1, 4}, {0, 0, 0}, {2, 5, 8}}), freshRenorm());
  EXPECT_EQ(forward.r, Values{2});
  EXPECT_EQ(forward.d, Values{3});
}

TEST(Renorm, SampleVarianceMovesTheDeviation) {
  const BatchNormRules rules{.epsilon = 2,
                             .momentum = 0,
                             .movingVariance = MovingVariance::Sample,
                             .renorm = true,
                             .renormMomentum = 0};
  // Population variance 7, sample variance 14.
  const BatchNormForward forward = batchNormForward(rules, one(2, 0, 14), freshRenorm());
  EXPECT_EQ(forward.updated.stddev, Values{4});
  EXPECT_EQ(forward.updated.variance, Values{14});
  EXPECT_EQ(forward.updated.renormStddev, Values{3});
}

} // namespace
