//===- CodeGeneratorTest.cpp - Code generators that are kept --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cpu/Compiler.h"

#include <gtest/gtest.h>

using namespace norma;

namespace {

class KeptCodeGenerator : public testing::TestWithParam<KernelTier> {
protected:
  static std::string object(Compiler &compiler, std::string_view spec) {
    Expected<LoweredKernel> lowered = compiler.lowerKernel(*parseKernelSpec(spec));
    EXPECT_TRUE(lowered) << lowered.error().message();
    Expected<CompiledObject> compiled = lowered->generate(GetParam());
    EXPECT_TRUE(compiled) << compiled.error().message();
    return compiled->object;
  }
};

} // namespace

TEST_P(KeptCodeGenerator, RemembersNothingOfAnotherKernel) {
  auto target = createCpuTarget("");
  ASSERT_TRUE(target);
  constexpr std::string_view kSpecs[] = {"affine;RK[?x13];bf16;coefficients=csb",
                                         "moments;RKR[?x512x49];f32", "grad_map;RK[?x64];f32"};
  Compiler kept(*target);
  for (int round = 0; round < 2; ++round)
    for (std::string_view spec : kSpecs) {
      auto otherTarget = createCpuTarget("");
      ASSERT_TRUE(otherTarget);
      Compiler fresh(*otherTarget);
      EXPECT_EQ(object(kept, spec), object(fresh, spec)) << spec << ", round " << round;
    }
}

TEST_P(KeptCodeGenerator, RefersToConstantsNearby) {
  auto target = createCpuTarget("");
  ASSERT_TRUE(target);
  Compiler compiler(*target);
  // Code that takes all of 64 bits for far addresses goes to a section of its own on x86.
  EXPECT_EQ(object(compiler, "moments;RK[?x13];f32").find(".ltext"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Tiers, KeptCodeGenerator,
                         testing::Values(KernelTier::Quick, KernelTier::Optimized),
                         [](const auto &tier) {
                           return tier.param == KernelTier::Quick ? "Quick" : "Optimized";
                         });
