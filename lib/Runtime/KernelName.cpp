//===- KernelName.cpp - What debuggers and profilers call a kernel --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSpec.h"

namespace norma {

/// "_mask_u8_1"; nothing where there is none.
static std::string operandText(const char *name, std::optional<DType> dtype, uint32_t repeats) {
  if (!dtype)
    return "";
  // One digit for every group, outermost first.
  std::string digits;
  for (; repeats != 0; repeats >>= 1)
    digits += repeats & 1 ? '1' : '0';
  return std::string("_") + name + "_" + toString(*dtype) + (digits.empty() ? "" : "_" + digits);
}

std::string symbolOf(const KernelSpec &spec) {
  const bool affine = spec.family == KernelFamily::Affine;
  const bool gradMap = spec.family == KernelFamily::GradMap;
  std::string name = std::string("norma_") + toString(spec.family) + "_" + spec.kinds;
  for (int group = 1; group < spec.extents.size(); ++group)
    name += "x" + (spec.extents[group] == kDynamic ? "n" : std::to_string(spec.extents[group]));
  name += std::string("_") + toString(spec.data);
  if (gradMap || spec.family == KernelFamily::GradSums)
    name += std::string("_dy_") + toString(spec.dy);
  if (affine || gradMap) {
    name += std::string("_to_") + toString(spec.out);
    if (spec.compute != DType::F32)
      name += std::string("_in_") + toString(spec.compute);
  }
  if (affine && (spec.center || spec.scale || spec.shift))
    name += std::string("_") + (spec.center ? "c" : "") + (spec.scale ? "s" : "") +
            (spec.shift ? "b" : "");
  if (spec.layout != Layout::Contiguous)
    name += spec.layout == Layout::DenseRows   ? "_dense_rows"
            : spec.layout == Layout::UnitInner ? "_unit_inner"
                                               : "_strided";
  if (spec.interleaved)
    name += "_interleaved";
  if (spec.ahead)
    name += "_ahead";
  if (spec.streaming)
    name += "_streaming";
  if (spec.family == KernelFamily::Moments && spec.nan == NanPolicy::Omit)
    name += "_omit_nan";
  if (spec.exact)
    name += "_exact";
  return name + operandText("mask", spec.mask, spec.maskRepeats) +
         operandText("weights", spec.weights, spec.weightsRepeats);
}

} // namespace norma
