//===- KernelSpecTest.cpp - Different kernels have different keys ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/KernelSpec.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace norma::test {
namespace {

/// Specs that differ from a common one in one field each, and that one.
std::vector<KernelSpec> neighbours(KernelFamily family) {
  KernelSpec common;
  common.family = family;
  common.kinds = "RK";
  common.extents = {kDynamic, 13};
  std::vector<KernelSpec> specs{common};
  auto add = [&](auto change) {
    KernelSpec spec = common;
    change(spec);
    specs.push_back(spec);
  };
  add([](KernelSpec &s) { s.kinds = "KR"; });
  add([](KernelSpec &s) { s.extents = {kDynamic, 31}; });
  add([](KernelSpec &s) { s.extents = {kDynamic, kDynamic}; });
  add([](KernelSpec &s) {
    s.kinds = "RKR";
    s.extents = {kDynamic, 1, 3};
  });
  add([](KernelSpec &s) {
    s.kinds = "RKR";
    s.extents = {kDynamic, 13, 13};
  });
  for (Layout layout : {Layout::DenseRows, Layout::UnitInner, Layout::Strided})
    add([=](KernelSpec &s) { s.layout = layout; });
  for (DType dtype : kAllDTypes)
    if (dtype != common.data)
      add([=](KernelSpec &s) { s.data = dtype; });
  const bool affine = family == KernelFamily::Affine, gradMap = family == KernelFamily::GradMap;
  if (gradMap || family == KernelFamily::GradSums)
    for (DType dtype : {DType::F64, DType::F16, DType::BF16})
      add([=](KernelSpec &s) { s.dy = dtype; });
  add([](KernelSpec &s) { s.streaming = true; });
  add([](KernelSpec &s) { s.streaming = s.ahead = true; });
  if (affine || gradMap) {
    for (DType dtype : {DType::F64, DType::F16, DType::BF16})
      add([=](KernelSpec &s) { s.out = dtype; });
    add([](KernelSpec &s) { s.compute = DType::F64; });
    add([](KernelSpec &s) { s.interleaved = true; });
    add([](KernelSpec &s) { s.interleaved = s.ahead = true; });
  }
  if (affine) {
    add([](KernelSpec &s) { s.center = true; });
    add([](KernelSpec &s) { s.scale = true; });
    add([](KernelSpec &s) { s.shift = true; });
    return specs;
  }
  if (family == KernelFamily::Moments) {
    add([](KernelSpec &s) { s.nan = NanPolicy::Omit; });
    add([](KernelSpec &s) { s.exact = true; });
  }
  for (DType dtype : {DType::U8, DType::F64}) {
    add([=](KernelSpec &s) { s.mask = dtype; });
    add([=](KernelSpec &s) { s.weights = dtype; });
  }
  for (uint32_t repeats : {1, 2, 3}) {
    add([=](KernelSpec &s) {
      s.mask = DType::U8;
      s.maskRepeats = repeats;
    });
    add([=](KernelSpec &s) {
      s.weights = DType::U8;
      s.weightsRepeats = repeats;
    });
  }
  return specs;
}

TEST(KernelSpecTest, EveryFieldIsInTheKeyAndTheHash) {
  std::map<std::string, KernelSpec> byKey;
  std::set<size_t> hashes;
  for (KernelFamily family :
       {KernelFamily::Affine, KernelFamily::Moments, KernelFamily::GradSums, KernelFamily::GradMap})
    for (const KernelSpec &spec : neighbours(family)) {
      const auto [it, inserted] = byKey.emplace(spec.key(), spec);
      EXPECT_TRUE(inserted) << it->first;
      // Not promised, but to be expected of so few.
      EXPECT_TRUE(hashes.insert(spec.hash()).second) << spec.key();
      EXPECT_EQ(KernelSpec(spec).hash(), spec.hash());
    }
}

TEST(KernelSpecTest, KeysAreForPeople) {
  KernelSpec spec;
  spec.kinds = "RKR";
  spec.extents = {kDynamic, 3, 49};
  spec.mask = DType::U8;
  spec.maskRepeats = 6;
  EXPECT_EQ(spec.key(), "moments;RKR[?x3x49];f32;contiguous;nan=propagate;mask=u8/6");
}

} // namespace
} // namespace norma::test
