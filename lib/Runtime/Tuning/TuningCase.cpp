//===- TuningCase.cpp - Data to measure a kernel on -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TuningCase.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <random>

namespace norma {

Expected<void> checkTunable(const KernelSpec &spec) {
  const auto wrong = [](std::string_view name, std::string_view expected) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("kernel spec: {}: cannot be tuned, expected {}", name, expected));
  };
  // What is known of the strides is too little to make tensors of.
  if (spec.layout != Layout::Contiguous)
    return wrong(toString(spec.layout), "the layout contiguous");
  if (spec.mask || spec.weights)
    return wrong(spec.mask ? "mask" : "weights", "neither mask nor weights");
  if (spec.interleaved)
    return wrong("interleaved", "a map by itself");
  // It runs where another kernel of moments was not accurate enough, which is seldom.
  if (spec.exact)
    return wrong("exact", "the kernel that comes before");
  for (int axis = 1; axis < spec.extents.size(); ++axis)
    if (spec.extents[axis] == kDynamic)
      return wrong("axis form", "'?' for no extent but the outermost");
  return {};
}

Problem tuningProblem(const KernelSpec &spec, int64_t rows, const TuningMemory &memory) {
  Dims shape = spec.extents, kept;
  shape[0] = rows;
  for (int axis = 0; axis < shape.size(); ++axis)
    if (spec.kinds[size_t(axis)] == 'K')
      kept.push_back(axis);
  std::vector<Tensor> tensors;
  tensors.reserve(3);
  tensors.emplace_back(memory.x, spec.data, shape);
  if (isGradient(spec.family))
    tensors.emplace_back(memory.dy, spec.dy, shape);
  if (isMap(spec.family))
    tensors.emplace_back(memory.out, spec.out, shape);
  return makeProblem(tensors, tensors.size(), kept);
}

template <typename T>
static void store(void *at, double value) {
  const T stored = T(value);
  std::memcpy(at, &stored, sizeof(T));
}

/// Of a normally distributed number what the type is usually used for.
static void storeNormal(void *at, double normal, DType dtype) {
  const auto within = [&](double mean, double deviation, double least, double most) {
    return std::clamp(std::round(mean + deviation * normal), least, most);
  };
  switch (dtype) {
  case DType::Bool:
    return store<uint8_t>(at, normal > 0 ? 1 : 0);
  case DType::I8:
    return store<int8_t>(at, within(0, 40, -128, 127));
  case DType::U8:
    return store<uint8_t>(at, within(128, 40, 0, 255));
  case DType::I16:
    return store<int16_t>(at, within(0, 1000, -30000, 30000));
  case DType::U16:
    return store<uint16_t>(at, within(10000, 1000, 0, 60000));
  case DType::I32:
    return store<int32_t>(at, within(0, 1000, -30000, 30000));
  case DType::I64:
    return store<int64_t>(at, within(0, 1000, -30000, 30000));
  case DType::F32:
  case DType::F64:
  case DType::F16:
  case DType::BF16:
    return storeFromDouble(normal, at, dtype);
  }
}

/// Fills `bytes` with some numbers, again and again: to draw as many as memory holds would take
/// longer than to measure.
static void fillNormal(AlignedBytes &bytes, DType dtype, uint64_t seed) {
  // Prime: no row length divides it, so that columns are not constant.
  constexpr size_t kNumbers = 65537;
  const size_t drawn = std::min(kNumbers * sizeOf(dtype), bytes.size());
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  for (size_t at = 0; at < drawn; at += sizeOf(dtype))
    storeNormal(bytes.data() + at, normal(random), dtype);
  for (size_t at = drawn; at < bytes.size(); at += drawn)
    std::memcpy(bytes.data() + at, bytes.data(), std::min(drawn, bytes.size() - at));
}

TuningCase::TuningCase(const KernelSpec &spec, int64_t rows) : kernelSpec(spec), outer(rows) {
  int64_t elements = rows, kept = spec.kinds[0] == 'K' ? rows : 1;
  for (int axis = 1; axis < spec.extents.size(); ++axis) {
    elements *= spec.extents[axis];
    kept *= spec.kinds[size_t(axis)] == 'K' ? spec.extents[axis] : 1;
  }
  x.resize(size_t(elements) * sizeOf(spec.data));
  fillNormal(x, spec.data, 1);
  if (isGradient(spec.family)) {
    dy.resize(size_t(elements) * sizeOf(spec.dy));
    fillNormal(dy, spec.dy, 2);
  }
  if (isMap(spec.family)) {
    result.resize(size_t(elements) * sizeOf(spec.out));
    // So that its pages are there before anything is measured.
    std::fill(result.begin(), result.end(), std::byte(0));
  }
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  // Center, then factors, as a standardization has them.
  for (size_t which = 0; which < coefficients.size(); ++which) {
    coefficients[which].resize(size_t(kept));
    for (double &value : coefficients[which])
      value = which == 0 ? normal(random) / 4 : 1 + normal(random) / 8;
  }
  ownProblem = tuningProblem(spec, rows, {x.data(), dy.data(), result.data()});
}

} // namespace norma
