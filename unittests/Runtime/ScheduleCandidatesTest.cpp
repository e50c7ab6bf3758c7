//===- ScheduleCandidatesTest.cpp - Schedules around that of the rules ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cpu/Compiler.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <map>
#include <regex>

using namespace norma;

namespace {

class ScheduleCandidates : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    auto target = createCpuTarget("");
    ASSERT_TRUE(target) << target.error().message();
    compiler = std::make_unique<Compiler>(*target);
    Expected<LoweredKernel> lowered = compiler->lowerKernel(spec);
    ASSERT_TRUE(lowered) << lowered.error().message();
    rules = lowered->schedule();
  }

  std::vector<ScheduleAlternatives> beside(const std::string &schedule) {
    auto all = compiler->schedulesBeside(spec, schedule);
    EXPECT_TRUE(all) << all.error().message();
    return all ? *all : std::vector<ScheduleAlternatives>();
  }

  /// The fields of a schedule, the traversal without a name.
  static std::map<std::string, std::string> fieldsOf(const std::string &schedule) {
    std::map<std::string, std::string> fields;
    const std::regex field("(?:(\\w+) = )?(\\w+)[,>]");
    for (std::sregex_iterator it(schedule.begin() + schedule.find('<'), schedule.end(), field), end;
         it != end; ++it)
      fields[(*it)[1]] = (*it)[2];
    return fields;
  }

  KernelSpec spec = *parseKernelSpec(GetParam());
  std::unique_ptr<Compiler> compiler;
  std::string rules;
};

TEST_P(ScheduleCandidates, AreOtherSchedulesThatCompile) {
  std::vector<std::string> seen{rules};
  for (const ScheduleAlternatives &alternatives : beside(rules))
    for (const std::string &schedule : alternatives.schedules) {
      EXPECT_THAT(seen, testing::Not(testing::Contains(schedule))) << alternatives.choice;
      seen.push_back(schedule);
      Expected<LoweredKernel> lowered = compiler->lowerKernel(spec, schedule);
      ASSERT_TRUE(lowered) << schedule << ": " << lowered.error().message();
      EXPECT_EQ(lowered->schedule(), schedule);
      EXPECT_TRUE(lowered->generate(KernelTier::Optimized)) << schedule;
    }
  EXPECT_GT(seen.size(), 5u);
}

TEST_P(ScheduleCandidates, LeaveAloneWhatSumsAreMadeOf) {
  if (isMap(spec.family))
    GTEST_SKIP() << "no sums";
  const auto own = fieldsOf(rules);
  for (const ScheduleAlternatives &alternatives : beside(rules))
    for (const std::string &schedule : alternatives.schedules) {
      auto fields = fieldsOf(schedule);
      // Rows side by side may be a group by themselves, which is shorter.
      if (alternatives.choice == "streams" && fields["group"] == fields["streams"])
        EXPECT_LT(std::stoi(fields["group"]), std::stoi(own.at("group"))) << schedule;
      else
        EXPECT_EQ(fields["group"], own.at("group")) << schedule;
      EXPECT_EQ(fields["accumulate"], own.at("accumulate")) << schedule;
    }
}

TEST_P(ScheduleCandidates, GoPastTheCachesOnlyForStreams) {
  for (const ScheduleAlternatives &alternatives : beside(rules))
    for (const std::string &schedule : alternatives.schedules) {
      auto fields = fieldsOf(schedule);
      if (!spec.streaming) {
        EXPECT_EQ(fields.count("nontemporal"), 0u) << schedule;
        EXPECT_EQ(fields.count("prefetch"), 0u) << schedule;
      }
      if (fields.count("nontemporal") == 0)
        continue;
      // A stored vector is not longer than what results are aligned to, and blocks begin at one.
      const int64_t vector = std::stoll(fields["vector"]), block = std::stoll(fields["block"]);
      int64_t row = 1;
      for (int axis = 1; axis < spec.extents.size(); ++axis)
        row *= spec.extents[axis];
      EXPECT_LE(vector * int64_t(sizeOf(spec.out)), 64) << schedule;
      EXPECT_EQ(block * row % vector, 0) << schedule;
    }
}

TEST_P(ScheduleCandidates, HaveTheRulesAmongTheirOwn) {
  // Every step can be taken back, but for those that change what follows from them.
  for (const ScheduleAlternatives &alternatives : beside(rules)) {
    if (alternatives.choice != "unroll")
      continue;
    for (const std::string &schedule : alternatives.schedules) {
      std::vector<std::string> back;
      for (const ScheduleAlternatives &other : beside(schedule))
        if (other.choice == "unroll")
          back = other.schedules;
      EXPECT_THAT(back, testing::Contains(rules)) << schedule;
    }
  }
}

TEST_P(ScheduleCandidates, RefuseWhatIsNoScheduleOfTheKernel) {
  for (const char *schedule :
       {"#norma.schedule<rows, vector = 7, unroll = 1>", "#norma.schedule<", "42 : i32", "rows",
        "#norma.schedule<flat, vector = 8, unroll = 1, line = 8, interleave = true>"}) {
    Expected<LoweredKernel> lowered = compiler->lowerKernel(spec, schedule);
    ASSERT_FALSE(lowered) << schedule;
    EXPECT_EQ(lowered.error().code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(lowered.error().message(), testing::HasSubstr("schedule")) << schedule;
    EXPECT_FALSE(compiler->schedulesBeside(spec, schedule));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Specs, ScheduleCandidates,
    testing::Values("affine;RK[?x13];f32;coefficients=csb", "affine;R[?];u8;coefficients=cs",
                    "affine;RK[?x13];f32;coefficients=cs;streaming",
                    "affine;RK[?x4097];bf16;coefficients=cs;streaming",
                    "affine;RKR[?x64x49];f32;coefficients=cs;streaming",
                    "affine;RKR[?x512x49];bf16;coefficients=cs;streaming;ahead",
                    "affine;KR[?x100];f64;coefficients=csb", "grad_map;RKR[?x8x196];f32",
                    "grad_map;RK[?x1000];bf16;streaming", "moments;RK[?x13];f32",
                    "moments;RK[?x1000];f32;streaming", "moments;RKR[?x8x49];u8",
                    "moments;RKR[?x64x3136];f64;streaming", "grad_sums;RK[?x30];f32",
                    "grad_sums;KR[?x64];f16"),
    [](const auto &spec) { return std::regex_replace(spec.param, std::regex("\\W+"), "_"); });

} // namespace
