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

/// Every field as a number, in order; what the hash sees. The text key names the
/// same fields.
template <typename Visit>
static void forEachField(const KernelSpec &s, Visit visit) {
  visit(uint64_t(s.family));
  for (char kind : s.kinds)
    visit(uint64_t(kind));
  for (int64_t extent : s.extents)
    visit(uint64_t(extent));
  visit(uint64_t(s.layout));
  visit(uint64_t(s.data));
  visit(uint64_t(s.out));
  visit(uint64_t(s.compute));
  visit(uint64_t(s.center) | uint64_t(s.scale) << 1 | uint64_t(s.shift) << 2 |
        uint64_t(s.streaming) << 3);
  visit(uint64_t(s.nan));
  visit(s.mask ? uint64_t(*s.mask) + 1 : 0);
  visit(s.weights ? uint64_t(*s.weights) + 1 : 0);
  visit(uint64_t(s.maskRepeats) << 32 | s.weightsRepeats);
}

size_t KernelSpec::hash() const {
  // FNV-1a over words, with a final mix: specs are few and short.
  uint64_t hash = 0xcbf29ce484222325;
  forEachField(*this, [&](uint64_t field) { hash = (hash ^ field) * 0x100000001b3; });
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
