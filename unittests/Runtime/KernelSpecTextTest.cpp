//===- KernelSpecTextTest.cpp - Kernel specs from their text --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Aot/CHeader.h"
#include "Runtime/Aot/KernelFunction.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace norma::test {
namespace {

KernelSpec parsed(std::string_view text) {
  Expected<KernelSpec> spec = parseKernelSpec(text);
  EXPECT_TRUE(spec.hasValue()) << text << ": " << spec.error().message();
  return spec ? *spec : KernelSpec();
}

std::string errorOf(std::string_view text) {
  Expected<KernelSpec> spec = parseKernelSpec(text);
  if (spec)
    return "accepted as " + spec->key();
  EXPECT_EQ(spec.error().code(), ErrorCode::InvalidArgument);
  return spec.error().message();
}

/// Any spec that an engine may ask for.
class RandomSpec {
public:
  explicit RandomSpec(uint64_t seed) : random(seed) {}

  KernelSpec make() {
    KernelSpec spec;
    spec.family = KernelFamily(below(4));
    spec.layout = Layout(below(4));
    spec.data = kAllDTypes[below(std::size(kAllDTypes))];
    const int rank = 1 + int(below(below(4) ? 4 : kMaxRank));
    for (int axis = 0; axis < rank; ++axis) {
      char kind = below(2) ? 'K' : 'R';
      if (axis > 0 && spec.layout == Layout::Contiguous)
        kind = spec.kinds.back() == 'K' ? 'R' : 'K';
      spec.kinds.push_back(kind);
      const bool isKnown = axis > 0 && (spec.layout == Layout::DenseRows || below(4));
      spec.extents.push_back(isKnown ? int64_t(1 + below(7)) : kDynamic);
    }
    const bool gradient =
        spec.family == KernelFamily::GradSums || spec.family == KernelFamily::GradMap;
    if (spec.family == KernelFamily::Affine) {
      spec.center = below(2);
      spec.scale = below(2);
      spec.shift = below(2);
    }
    if (spec.family == KernelFamily::Affine || spec.family == KernelFamily::GradMap) {
      spec.out = anyFloat();
      spec.compute = below(2) ? DType::F64 : DType::F32;
    }
    spec.streaming = spec.layout != Layout::Strided && below(2);
    if (gradient)
      spec.dy = anyFloat();
    if (spec.family == KernelFamily::Moments) {
      spec.nan = NanPolicy(below(2));
      spec.exact = below(2);
    }
    if (spec.family == KernelFamily::Affine || spec.family == KernelFamily::GradMap)
      spec.interleaved = below(2);
    spec.ahead = (spec.interleaved || spec.streaming) && below(2);
    if (spec.family != KernelFamily::Affine && !spec.interleaved) {
      addOperand(spec.mask, spec.maskRepeats, DType::U8, rank);
      addOperand(spec.weights, spec.weightsRepeats, DType::F64, rank);
    }
    return spec;
  }

  uint64_t below(uint64_t bound) {
    return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random);
  }

private:
  DType anyFloat() { return kAllDTypes[below(4)]; }
  void addOperand(std::optional<DType> &operand, uint32_t &repeats, DType dtype, int rank) {
    if (below(2))
      return;
    operand = dtype;
    repeats = uint32_t(below(uint64_t(1) << rank));
  }

  std::mt19937_64 random;
};

TEST(KernelSpecTextTest, ReadsBackEveryKey) {
  RandomSpec random(1);
  for (int i = 0; i < 20000; ++i) {
    const KernelSpec spec = random.make();
    Expected<KernelSpec> back = parseKernelSpec(spec.key());
    ASSERT_TRUE(back.hasValue()) << spec.key() << ": " << back.error().message();
    EXPECT_TRUE(*back == spec) << spec.key() << " came back as " << back->key();
  }
}

TEST(KernelSpecTextTest, WhatIsAcceptedPrintsAnEquivalentKey) {
  // Changes of a few characters, most of which make nonsense.
  RandomSpec random(2);
  constexpr std::string_view letters = "RKx?;=/[]0123456789abcdefghijklmnopqrstuvwxyz-_ \n";
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text = random.make().key();
    for (uint64_t changes = random.below(3); changes > 0 && !text.empty(); --changes) {
      const size_t at = random.below(text.size());
      switch (random.below(3)) {
      case 0:
        text.erase(at, 1 + random.below(4));
        break;
      case 1:
        text.insert(at, 1, letters[random.below(letters.size())]);
        break;
      default:
        text[at] = letters[random.below(letters.size())];
      }
    }
    Expected<KernelSpec> spec = parseKernelSpec(text);
    if (!spec) {
      EXPECT_TRUE(spec.error().message().starts_with("kernel spec: ")) << text;
      continue;
    }
    ++accepted;
    EXPECT_TRUE(parsed(spec->key()) == *spec) << text << " became " << spec->key();
  }
  EXPECT_GT(accepted, 10000);
}

TEST(KernelSpecTextTest, FillsInWhatIsLeftOut) {
  EXPECT_EQ(parsed("affine;RK[?x13];f32;coefficients=csb").key(),
            "affine;RK[?x13];f32;contiguous;to=f32;compute=f32;coefficients=csb");
  EXPECT_EQ(parsed("affine;RK[?x13];u8;coefficients=").key(),
            "affine;RK[?x13];u8;contiguous;to=f32;compute=f32;coefficients=");
  EXPECT_EQ(parsed("affine;R[?];f64;coefficients=c").key(),
            "affine;R[?];f64;contiguous;to=f64;compute=f64;coefficients=c");
  EXPECT_EQ(parsed("moments;RKR[?x3x49];i16").key(),
            "moments;RKR[?x3x49];i16;contiguous;nan=propagate");
  EXPECT_EQ(parsed("moments;RK[?x?];f32;mask=bool;weights=f32/1;strided").key(),
            "moments;RK[?x?];f32;strided;nan=propagate;mask=bool/0;weights=f32/1");
  EXPECT_EQ(parsed("grad_sums;RK[?x13];bf16").key(), "grad_sums;RK[?x13];bf16;contiguous;dy=bf16");
  EXPECT_EQ(parsed("grad_map;RK[?x13];f32;dy=f64").key(),
            "grad_map;RK[?x13];f32;contiguous;dy=f64;to=f32;compute=f64");
}

TEST(KernelSpecTextTest, FieldsWithNamesComeInAnyOrder) {
  EXPECT_TRUE(
      parsed("affine;RK[?x8];f16;coefficients=s;streaming;compute=f64;contiguous;to=bf16") ==
      parsed("affine;RK[?x8];f16;contiguous;to=bf16;compute=f64;coefficients=s;streaming"));
}

TEST(KernelSpecTextTest, ErrorsNameTheField) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "kernel spec: text: '', expected a family, an axis form and a data type at least, such "
           "as moments;RK[?x13];f32"},
      {"moments;RK[?x13]", "kernel spec: text: 'moments;RK[?x13]', expected a family, "},
      {"map;RK[?x13];f32", "kernel spec: family: 'map', expected one of moments, affine, "
                           "grad_sums, grad_map"},
      {"moments;RK;f32", "kernel spec: axis form: 'RK', expected kinds and extents such as "},
      {"moments;RK[?x13;f32", "kernel spec: axis form: 'RK[?x13', expected kinds and extents "},
      {"moments;[];f32", "kernel spec: axis form: '[]', expected a letter R (reduced) or K (kept)"},
      {"moments;RX[?x13];f32", "kernel spec: axis form: 'RX[?x13]', expected a letter R"},
      {"moments;RK[?];f32", "kernel spec: axis form: 'RK[?]', expected as many extents as "
                            "letters, 2"},
      {"moments;RK[?x13x];f32", "expected as many extents as letters, 2"},
      {"moments;RKRKRKRKRKRKRKRKR[?];f32", "expected at most 16 axes"},
      {"moments;RK[178x13];f32", "expected '?' for the outermost extent, which every call tells"},
      {"moments;RK[?x0];f32", "at least 1 and make at most 2^48 elements, not '0'"},
      {"moments;RK[?x-3];f32", "at least 1 and make at most 2^48 elements, not '-3'"},
      {"moments;RK[?x013];f32", "at least 1 and make at most 2^48 elements, not '013'"},
      {"moments;RK[? x13];f32", "expected '?' for the outermost extent"},
      {"moments;RK[?x];f32", "at least 1 and make at most 2^48 elements, not ''"},
      {"moments;RK[?x281474976710657];f32", "not '281474976710657'"},
      {"moments;RK[?x99999999999999999999];f32", "not '99999999999999999999'"},
      {"moments;RKR[?x16777216x16777217];f32", "not '16777217'"},
      {"moments;RRK[?x2x3];f32", "kernel spec: axis form: 'RRK', expected neighbouring axes of one "
                                 "kind as one axis where the layout is contiguous"},
      {"moments;RK[?x13];f8", "kernel spec: data type: 'f8', expected one of f32, f64, f16, bf16, "
                              "i8, u8, i16, u16, i32, i64, bool"},
      {"moments;RK[?x13];f32;", "kernel spec: '' is no field of moments; expected one of "
                                "contiguous, dense-rows, unit-inner, strided, streaming, ahead, "
                                "nan=, exact, mask=, weights="},
      {"moments;RK[?x13];f32;to=f32", "kernel spec: 'to=f32' is no field of moments"},
      {"moments;RK[?x13];f32;nan", "kernel spec: 'nan' is no field of moments"},
      {"affine;RK[?x13];f32;streaming=1",
       "kernel spec: 'streaming=1' is no field of affine; "
       "expected one of contiguous, dense-rows, unit-inner, strided, "
       "streaming, interleaved, ahead, to=, compute=, coefficients="},
      {"moments;RK[?x13];f32;interleaved", "kernel spec: 'interleaved' is no field of moments"},
      {"grad_map;RK[?x13];f32;ahead", "kernel spec: ahead: 'neither interleaved nor streaming', "
                                      "expected a kernel that is one of both"},
      {"grad_map;RK[?x13];f32;interleaved;mask=u8",
       "kernel spec: interleaved: 'mask', expected neither mask nor weights"},
      {"grad_map;RK[?x13];f32;interleaved;weights=f32",
       "kernel spec: interleaved: 'weights', expected neither mask nor weights"},
      {"moments;RK[?x13];f32;nan=skip",
       "kernel spec: nan: 'skip', expected one of propagate, omit"},
      {"moments;RK[?x13];f32;nan=omit;nan=omit", "kernel spec: nan: given twice, expected once"},
      {"moments;RK[?x13];f32;strided;contiguous", "kernel spec: layout: given twice"},
      {"moments;RK[?x13];f32;mask=f32", "kernel spec: mask: 'f32', expected one of u8, i8, bool"},
      {"moments;RK[?x13];f32;mask=u8/4", "kernel spec: mask: 'u8/4', expected after the '/' a "
                                         "hexadecimal number with a bit for each of the 2 axes"},
      {"moments;RK[?x13];f32;mask=u8/", "kernel spec: mask: 'u8/', expected after the '/'"},
      {"moments;RK[?x13];f32;weights=u16", "kernel spec: weights: 'u16', expected one of f32, f64, "
                                           "f16, bf16, i8, i16, i32, i64"},
      {"affine;RK[?x13];f32;coefficients=cs;to=i8",
       "kernel spec: to: 'i8', expected one of f32, f64, f16, bf16"},
      {"affine;RK[?x13];f32;coefficients=cs;compute=f16",
       "kernel spec: compute: 'f16', expected one of f32, f64"},
      {"affine;RK[?x13];f32;coefficients=sc",
       "kernel spec: coefficients: 'sc', expected those of c (center), s (scale) and b (shift)"},
      {"affine;RK[?x13];f32;coefficients=cc", "kernel spec: coefficients: 'cc', expected those"},
      {"affine;RK[?x13];f32", "kernel spec: coefficients: missing, expected coefficients= and "},
      {"moments;RKR[?x3x?];f32;dense-rows",
       "kernel spec: layout: 'dense-rows', expected '?' for no extent but the outermost"},
      {"affine;RK[?x13];f32;coefficients=c;strided;streaming",
       "kernel spec: streaming: 'strided', expected the layout contiguous, dense-rows or "
       "unit-inner"},
  };
  for (const auto &[text, message] : cases)
    EXPECT_NE(errorOf(text).find(message), std::string::npos)
        << text << "\n  says     " << errorOf(text) << "\n  expected " << message;
}

TEST(KernelSpecTextTest, AxesOfOneKindStayApartWhereOperandsRepeat) {
  EXPECT_EQ(parsed("moments;RRK[?x2x3];f32;mask=u8/2").kinds, "RRK");
  EXPECT_EQ(parsed("moments;RRK[?x2x3];f32;strided").kinds, "RRK");
  EXPECT_NE(errorOf("moments;RRK[?x2x3];f32;mask=u8/3").find("neighbouring"), std::string::npos);
}

TEST(KernelSpecTextTest, DifferentSpecsHaveDifferentNamesInC) {
  RandomSpec random(3);
  std::map<std::string, std::string> keys;
  for (int i = 0; i < 20000; ++i) {
    const KernelSpec spec = random.make();
    const std::string name = kernelName(spec);
    EXPECT_TRUE(isCIdentifier(name)) << name;
    const auto [it, inserted] = keys.emplace(name, spec.key());
    EXPECT_TRUE(inserted || it->second == spec.key())
        << name << ": " << it->second << " and " << spec.key();
  }
  EXPECT_EQ(kernelName(parsed("affine;RK[?x13];f32;coefficients=csb")), "affine_RK13_f32_csb");
  EXPECT_EQ(kernelName(parsed("affine;RKR[?x3x?];u8;coefficients=;to=f16;unit-inner")),
            "affine_RKR3xn_u8_unit_inner_to_f16_copy");
  EXPECT_EQ(kernelName(parsed("moments;R[?];f64;nan=omit;mask=u8/1")),
            "moments_R_f64_nan_omit_mask_u8_1");
  EXPECT_EQ(kernelName(parsed("moments;RK[?x13];f32;exact")), "moments_RK13_f32_exact");
}

} // namespace
} // namespace norma::test
