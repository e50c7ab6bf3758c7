//===- KernelSpec.cpp - What a kernel is specialized on -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSpec.h"
#include "../Support/WideVectors.h"

#include <bit>
#include <fmt/format.h>

namespace norma {

const char *toString(KernelFamily family) {
  switch (family) {
  case KernelFamily::Moments:
    return "moments";
  case KernelFamily::Affine:
    return "affine";
  case KernelFamily::GradSums:
    return "grad_sums";
  case KernelFamily::GradMap:
    return "grad_map";
  }
  return "";
}

const char *toString(Layout layout) {
  switch (layout) {
  case Layout::Contiguous:
    return "contiguous";
  case Layout::DenseRows:
    return "dense-rows";
  case Layout::UnitInner:
    return "unit-inner";
  case Layout::Strided:
    return "strided";
  }
  return "";
}

/// "?x13".
static std::string shapeText(const Dims &extents) {
  std::string text;
  for (int64_t extent : extents)
    text += (text.empty() ? "" : "x") + (extent == kDynamic ? "?" : std::to_string(extent));
  return text;
}

/// Calls visit(number, bits, text) for every field, in order: the hash takes a number of so
/// many bits, the key what text() returns, where that is not empty. What there is any
/// number of comes last.
template <typename Visit>
static void forEachField(const KernelSpec &s, Visit visit) {
  const auto untold = [] { return std::string(); };
  const auto told = [](bool is, const char *text) {
    return [=] { return std::string(is ? text : ""); };
  };
  const auto dtype = [](bool is, const char *name, DType value) {
    return [=] { return is ? fmt::format("{}={}", name, norma::toString(value)) : ""; };
  };
  const auto operand = [](const char *name, std::optional<DType> value, uint32_t repeats) {
    return [=] {
      return value ? fmt::format("{}={}/{:x}", name, norma::toString(*value), repeats) : "";
    };
  };
  const bool affine = s.family == KernelFamily::Affine, moments = s.family == KernelFamily::Moments;
  const bool gradMap = s.family == KernelFamily::GradMap, map = affine || gradMap;

  visit(uint64_t(s.family), 8, told(true, toString(s.family)));
  visit(0, 0, [&] { return fmt::format("{}[{}]", s.kinds, shapeText(s.extents)); });
  visit(uint64_t(s.data), 8, told(true, norma::toString(s.data)));
  visit(uint64_t(s.layout), 8, told(true, toString(s.layout)));
  visit(uint64_t(s.dy), 8, dtype(gradMap || s.family == KernelFamily::GradSums, "dy", s.dy));
  visit(uint64_t(s.out), 8, dtype(map, "to", s.out));
  visit(uint64_t(s.compute), 8, dtype(map, "compute", s.compute));
  visit(uint64_t(s.center) | uint64_t(s.scale) << 1 | uint64_t(s.shift) << 2, 3, [&] {
    return affine ? fmt::format("coefficients={}{}{}", s.center ? "c" : "", s.scale ? "s" : "",
                                s.shift ? "b" : "")
                  : "";
  });
  visit(s.interleaved, 1, told(s.interleaved, "interleaved"));
  visit(s.ahead, 1, told(s.ahead, "ahead"));
  visit(s.streaming, 1, told(s.streaming, "streaming"));
  visit(uint64_t(s.nan), 8,
        [&] { return moments ? fmt::format("nan={}", norma::toString(s.nan)) : ""; });
  visit(s.exact, 1, told(s.exact, "exact"));
  visit(s.mask ? uint64_t(*s.mask) + 1 : 0, 8, operand("mask", s.mask, s.maskRepeats));
  visit(s.weights ? uint64_t(*s.weights) + 1 : 0, 8,
        operand("weights", s.weights, s.weightsRepeats));
  visit(s.maskRepeats, 32, untold);
  visit(s.weightsRepeats, 32, untold);
  uint64_t kinds = 1;
  for (char kind : s.kinds)
    kinds = kinds << 1 | uint64_t(kind == 'K');
  visit(kinds, 32, untold);
  for (int64_t extent : s.extents)
    visit(uint64_t(extent), 64, untold);
}

size_t KernelSpec::hash() const {
  // Multiplication carries upwards only, so the high half is mixed in at the end.
  uint64_t hash = 0xcbf29ce484222325;
  uint64_t word = 0;
  unsigned used = 0;
  const auto flush = [&] {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    word = 0;
    used = 0;
  };
  forEachField(*this, [&](uint64_t field, unsigned bits, auto) {
    if (bits == 0)
      return;
    if (used + bits > 64)
      flush();
    word |= field << used;
    used += bits;
  });
  flush();
  return hash ^ hash >> 32;
}

std::string KernelSpec::key() const {
  std::string key;
  forEachField(*this, [&](uint64_t, unsigned, auto text) {
    if (const std::string told = text(); !told.empty())
      key += (key.empty() ? "" : ";") + told;
  });
  return key;
}

KernelSpec exactly(KernelSpec spec) {
  spec.exact = true;
  spec.streaming = spec.ahead = false;
  return spec;
}

} // namespace norma
