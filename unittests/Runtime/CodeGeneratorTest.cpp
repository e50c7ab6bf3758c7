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

TEST_P(KeptCodeGenerator, CallsNoLibraryForNarrowFloats) {
  // One call for every element, of processors that have no instructions.
  for (const char *cpu : {"", "x86-64", "x86-64-v2", "x86-64-v3"}) {
    auto target = createCpuTarget(cpu);
    if (!target)
      continue;
    Compiler compiler(*target);
    for (std::string_view spec :
         {"affine;RK[?x13];f16;coefficients=csb", "affine;RK[?x64];f16;coefficients=csb",
          "affine;RK[?x64];u8;to=f16;coefficients=csb", "moments;RK[?x64];f16",
          "moments;RKR[?x64x49];f16;nan=omit", "affine;RK[?x64];f64;to=f16;coefficients=cs",
          "moments;RK[?x64];f32;weights=f16", "grad_sums;RK[?x30];f16", "grad_map;RK[?x64];f16",
          "affine;RK[?x64];bf16;coefficients=csb", "moments;RK[?x13];bf16"}) {
      const std::string code = object(compiler, spec);
      for (const char *function : {"__extend", "__trunc", "__gnu_"})
        EXPECT_EQ(code.find(function), std::string::npos) << cpu << " " << spec;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, KeptCodeGenerator,
                         testing::Values(KernelTier::Quick, KernelTier::Optimized),
                         [](const auto &tier) {
                           return tier.param == KernelTier::Quick ? "Quick" : "Optimized";
                         });
