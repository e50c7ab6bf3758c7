//===- Statistics.cpp - count, mean, m2 -----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Statistics.h"

#include "WideVectors.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>

namespace norma {

const char *toString(NanPolicy policy) { return policy == NanPolicy::Omit ? "omit" : "propagate"; }

Expected<NanPolicy> parseNanPolicy(std::string_view name) try {
  if (name == "propagate")
    return NanPolicy::Propagate;
  if (name == "omit")
    return NanPolicy::Omit;
  return invalidArgument(
      fmt::format("NaN policy: '{}' is not known; expected propagate or omit", name));
} catch (...) {
  return outOfMemory();
}

const char *toString(ZeroVariance policy) {
  return policy == ZeroVariance::Unit ? "unit" : "clamp";
}

Expected<ZeroVariance> parseZeroVariance(std::string_view name) try {
  if (name == "clamp")
    return ZeroVariance::Clamp;
  if (name == "unit")
    return ZeroVariance::Unit;
  return invalidArgument(
      fmt::format("zero-variance policy: '{}' is not known; expected clamp or unit", name));
} catch (...) {
  return outOfMemory();
}

Statistics Statistics::zeros(const Dims &shape) {
  const Expected<int64_t> known = numElements(shape);
  // What is no shape is one for which memory will not do.
  const size_t size = known ? size_t(*known) : std::numeric_limits<size_t>::max();
  Statistics result;
  result.shape = shape;
  result.count.assign(size, 0.0);
  result.mean.assign(size, 0.0);
  result.m2.assign(size, 0.0);
  return result;
}

double Statistics::variance(int64_t i) const { return varianceOf(count[i], m2[i]); }

std::vector<double> Statistics::variances() const {
  std::vector<double> result(count.size());
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = varianceOf(count[i], m2[i]);
  return result;
}

bool Statistics::isConstant(int64_t i) const {
  return isConstantOf(count[i], mean[i], variance(i));
}

/// Whether `holds(i)` for some i below `size`. Collects the bits of numbers, not truth
/// values, so that loops over f64 are compiled to vectors.
template <typename Condition>
NORMA_INLINE static inline bool anyOf(size_t size, Condition holds) {
  uint64_t bits = 0;
  for (size_t i = 0; i < size; ++i)
    bits |= std::bit_cast<uint64_t>(holds(i) ? 1.0 : 0.0);
  return bits != 0;
}

std::vector<int64_t> Statistics::constantFeatures() const {
  std::vector<int64_t> result;
  // Most data have none.
  if (!anyOf(count.size(), [&](size_t i) {
        return isConstantOf(count[i], mean[i], varianceOf(count[i], m2[i]));
      }))
    return result;
  for (int64_t i = 0; i < size(); ++i)
    if (count[i] > 0 && isConstant(i))
      result.push_back(i);
  return result;
}

/// Merges kept index `i`, whatever it holds.
static void mergeAny(Statistics &into, const Statistics &from, int64_t i) {
  const double na = into.count[i], nb = from.count[i];
  // Nothing on one side leaves the other as it is, to the bit, whatever it holds.
  if (nb == 0)
    return;
  if (na == 0) {
    into.count[i] = nb;
    into.mean[i] = from.mean[i];
    into.m2[i] = from.m2[i];
    return;
  }
  const double ma = into.mean[i], mb = from.mean[i];
  const double n = na + nb;
  into.count[i] = n;
  if (!std::isfinite(ma) || !std::isfinite(mb)) {
    // Infinity stays infinite, opposite infinities and NaN give NaN; the
    // deviations from such a mean are undefined.
    into.mean[i] = ma + mb;
    into.m2[i] = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  const double d = mb - ma;
  const double weight = nb / n;
  into.mean[i] = std::isfinite(d) ? ma + d * weight : ma * (na / n) + mb * weight;
  into.m2[i] += from.m2[i] + d * d * (na * weight);
}

/// Merges what has finite differences of means: the same without branches, which is compiled to
/// vectors, in one loop, so that all else goes on beside its division.
NORMA_INLINE static inline void mergeFinite(double *__restrict nas, double *__restrict mas,
                                            double *__restrict m2s, const double *__restrict nbs,
                                            const double *__restrict mbs,
                                            const double *__restrict fromM2s, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    const double na = nas[i], nb = nbs[i], ma = mas[i], mb = mbs[i], m2 = m2s[i];
    const double n = na + nb, d = mb - ma, weight = nb / n, fromM2 = fromM2s[i];
    const double mean = ma + d * weight, sum = m2 + (fromM2 + d * d * (na * weight));
    nas[i] = n;
    mas[i] = nb == 0 ? ma : na == 0 ? mb : mean;
    m2s[i] = nb == 0 ? m2 : na == 0 ? fromM2 : sum;
  }
}

Expected<void> mergeStatistics(Statistics &into, const Statistics &from) try {
  if (into.shape != from.shape)
    return invalidArgument(fmt::format("statistics: shape {} cannot be merged into shape {}",
                                       toString(from.shape), toString(into.shape)));
  for (const Statistics *side : {static_cast<const Statistics *>(&into), &from}) {
    Expected<int64_t> size = numElements(side->shape);
    if (!size)
      return size.takeError().within("statistics");
    for (const std::vector<double> *part : {&side->count, &side->mean, &side->m2})
      if (int64_t(part->size()) != *size)
        return invalidArgument(fmt::format("statistics: {} values for shape {}; expected {}",
                                           part->size(), toString(side->shape), *size));
  }
  bool isFinite = false;
  runInWideVectors([&]() NORMA_INLINE {
    isFinite = !anyOf(into.count.size(), [&](size_t i) NORMA_INLINE {
      return !(std::fabs(from.mean[i] - into.mean[i]) <= std::numeric_limits<double>::max());
    });
    if (isFinite)
      mergeFinite(into.count.data(), into.mean.data(), into.m2.data(), from.count.data(),
                  from.mean.data(), from.m2.data(), into.count.size());
  });
  if (isFinite)
    return {};
  for (int64_t i = 0; i < into.size(); ++i)
    mergeAny(into, from, i);
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<Tensor> broadcastFromLeft(const Tensor &tensor, std::span<const int64_t> shape,
                                   std::string_view name) try {
  Tensor result = tensor;
  result.shape = Dims(shape);
  result.strides = Dims();
  const int rank = int(shape.size());
  bool fits = tensor.rank() <= rank;
  for (int axis = 0; fits && axis < rank; ++axis) {
    const int64_t extent = axis < tensor.rank() ? tensor.shape[axis] : 1;
    if (extent == shape[axis])
      result.strides.push_back(axis < tensor.rank() ? tensor.strides[axis] : 0);
    else if (extent == 1)
      result.strides.push_back(0);
    else
      fits = false;
  }
  if (!fits)
    return invalidArgument(
        fmt::format("{}: shape {} does not broadcast from the left to the data's shape {}; every "
                    "extent must be the data's or 1",
                    name, toString(tensor.shape), toString(shape)));
  return result;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
