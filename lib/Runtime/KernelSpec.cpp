//===- KernelSpec.cpp - What a kernel is specialized on -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSpec.h"

#include <fmt/format.h>

namespace norma {

const char *toString(KernelFamily family) {
  return family == KernelFamily::Moments ? "moments" : "affine";
}

static const char *toString(Layout layout) {
  switch (layout) {
  case Layout::Contiguous:
    return "contiguous";
  case Layout::UnitInner:
    return "unit-inner";
  case Layout::Strided:
    return "strided";
  }
  return "";
}

/// Every field, packed into few words, in order; what the hash sees. The text key
/// names the same fields.
template <typename Visit>
static void forEachWord(const KernelSpec &s, Visit visit) {
  visit(uint64_t(s.family) | uint64_t(s.layout) << 8 | uint64_t(s.data) << 16 |
        uint64_t(s.out) << 24 | uint64_t(s.compute) << 32 | uint64_t(s.nan) << 40 |
        uint64_t(s.center) << 48 | uint64_t(s.scale) << 49 | uint64_t(s.shift) << 50 |
        uint64_t(s.streaming) << 51);
  visit((s.mask ? uint64_t(*s.mask) + 1 : 0) | (s.weights ? uint64_t(*s.weights) + 1 : 0) << 8);
  visit(uint64_t(s.maskRepeats) << 32 | s.weightsRepeats);
  uint64_t kinds = 1;
  for (char kind : s.kinds)
    kinds = kinds << 1 | uint64_t(kind == 'K');
  visit(kinds);
  for (int64_t extent : s.extents)
    visit(uint64_t(extent));
}

size_t KernelSpec::hash() const {
  // Multiplication carries upwards only, so the high half is mixed in at the end.
  uint64_t hash = 0xcbf29ce484222325;
  forEachWord(*this, [&](uint64_t word) { hash = (hash ^ word) * 0x9e3779b97f4a7c15; });
  return hash ^ hash >> 32;
}

std::string KernelSpec::key() const {
  std::string shape;
  for (int64_t extent : extents)
    shape += (shape.empty() ? "" : "x") + (extent == kDynamic ? "?" : std::to_string(extent));
  std::string text = fmt::format("{};{}[{}];{};{}", toString(family), kinds, shape,
                                 norma::toString(data), toString(layout));
  if (family == KernelFamily::Affine) {
    text += fmt::format(";to={};compute={};coefficients=", norma::toString(out),
                        norma::toString(compute));
    text += center ? "c" : "";
    text += scale ? "s" : "";
    text += shift ? "b" : "";
    text += streaming ? ";streaming" : "";
    return text;
  }
  text += fmt::format(";nan={}", norma::toString(nan));
  if (mask)
    text += fmt::format(";mask={}/{:x}", norma::toString(*mask), maskRepeats);
  if (weights)
    text += fmt::format(";weights={}/{:x}", norma::toString(*weights), weightsRepeats);
  return text;
}

} // namespace norma
