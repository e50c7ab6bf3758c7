//===- ScheduleSearchTest.cpp - From a schedule to a better one -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Tuning/ScheduleSearch.h"
#include "Runtime/Tuning/Race.h"

#include <cmath>
#include <gtest/gtest.h>
#include <thread>

namespace norma {
namespace {

/// Schedules are two digits, whose times are made up.
class ScheduleSearchTest : public testing::Test {
protected:
  static std::vector<ScheduleAlternatives> neighbours(const std::string &schedule) {
    std::vector<ScheduleAlternatives> all{{"first", {}}, {"second", {}}};
    for (size_t digit : {0, 1})
      for (char value = '0'; value <= '9'; ++value) {
        std::string other = schedule;
        other[digit] = value;
        if (other != schedule)
          all[digit].schedules.push_back(other);
      }
    return all;
  }

  ScheduleSearch searchFor(std::function<double(const std::string &)> ratio) {
    return ScheduleSearch([](const std::string &schedule) { return neighbours(schedule); },
                          [this, ratio](std::span<const std::string> schedules)
                              -> Expected<std::vector<TriedSchedule>> {
                            ++measurements;
                            EXPECT_EQ(schedules.front(), "55");
                            std::vector<TriedSchedule> result;
                            for (const std::string &schedule : schedules) {
                              result.push_back({schedule, {}});
                              if (const double each = ratio(schedule); each > 0)
                                result.back().ratios = {each, each};
                            }
                            return result;
                          },
                          [this] { return measurements < mostMeasurements; });
  }

  int measurements = 0, mostMeasurements = 100;
};

TEST_F(ScheduleSearchTest, ChangesOneThingAtATime) {
  // "37" is best, which is not beside "55".
  ScheduleSearch search = searchFor([](const std::string &s) {
    return (1 + std::abs(s[0] - '3') * 0.1 + std::abs(s[1] - '7') * 0.1) / 1.4;
  });
  ASSERT_TRUE(search.run("55"));
  EXPECT_EQ(search.tried().front().schedule, "55");
  EXPECT_EQ(search.tried()[search.best()].schedule, "37");
  EXPECT_FALSE(search.ranOutOfTime());
  // The rules, two choices, and the first one again: the second sweep knows the others.
  EXPECT_EQ(measurements, 4);
  EXPECT_EQ(search.tried().size(), 1u + 9 + 9 + 9);
}

TEST_F(ScheduleSearchTest, StaysWithTheRulesUnlessOthersAreFaster) {
  ScheduleSearch search = searchFor([](const std::string &s) { return s == "55" ? 1 : 0.995; });
  ASSERT_TRUE(search.run("55"));
  EXPECT_EQ(search.best(), 0u);
}

TEST_F(ScheduleSearchTest, LeavesOutWhatCannotBe) {
  ScheduleSearch search = searchFor([](const std::string &s) {
    return s == "55" ? 1 : s == "56" ? 0.9 : 0;
  });
  ASSERT_TRUE(search.run("55"));
  ASSERT_EQ(search.tried().size(), 2u);
  EXPECT_EQ(search.best(), 1u);
}

TEST_F(ScheduleSearchTest, EndsWithTheTime) {
  mostMeasurements = 2;
  ScheduleSearch search = searchFor([](const std::string &s) { return s == "37" ? 0.5 : 1; });
  ASSERT_TRUE(search.run("55"));
  EXPECT_TRUE(search.ranOutOfTime());
  EXPECT_EQ(search.tried().size(), 10u);
}

TEST(RaceTest, KnowsWhatTakesLonger) {
  using namespace std::chrono_literals;
  const std::function<void()> functions[] = {[] { std::this_thread::sleep_for(20ms); }, [] {}};
  int asked = 0;
  Expected<std::vector<double>> seconds = race(functions, 3, [&]() -> Expected<void> {
    ++asked;
    return {};
  });
  ASSERT_TRUE(seconds);
  EXPECT_GE((*seconds)[0], 0.02);
  EXPECT_LT((*seconds)[1], (*seconds)[0]);
  EXPECT_EQ(asked, 6);
}

TEST(RaceTest, StopsWhenItMayNotGoOn) {
  int calls = 0;
  const std::function<void()> functions[] = {[&] {
    ++calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }};
  Expected<std::vector<double>> seconds =
      race(functions, 100, [] { return Expected<void>(Error(ErrorCode::Cancelled, "enough")); });
  ASSERT_FALSE(seconds);
  EXPECT_EQ(seconds.error().message(), "enough");
  EXPECT_LT(calls, 5);
}

} // namespace
} // namespace norma
