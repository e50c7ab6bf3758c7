//===- Statistics.cpp - Mergeable statistics from C -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Layers.h"
#include "Tensor.h"

#include <fmt/format.h>

#include <cmath>

using namespace norma;
using namespace norma::capi;

/// Whether there can be one value for every kept index.
static Expected<void> checkValues(const char *name, const void *values, const Dims &shape) {
  return checkTensor(Tensor(const_cast<void *>(values), DType::F64, shape), name);
}

/// The rules of a state file.
static Expected<void> checkRanges(const Statistics &statistics) {
  for (size_t i = 0; i < statistics.count.size(); ++i) {
    if (!std::isfinite(statistics.count[i]) || statistics.count[i] < 0)
      return invalidArgument(
          fmt::format("count: the value at {} is {}, expected 0 or more", i, statistics.count[i]));
    if (statistics.m2[i] < 0)
      return invalidArgument(
          fmt::format("m2: the value at {} is {}, expected 0 or more", i, statistics.m2[i]));
  }
  return {};
}

norma_status norma_statistics_create(int32_t rank, const int64_t *shape, const double *count,
                                     const double *mean, const double *m2,
                                     norma_statistics **statistics) {
  return guarded({{"statistics", statistics}}, [&]() -> Expected<void> {
    const Expected<Dims> extents = toShape(rank, shape, "shape");
    if (!extents)
      return extents.error();
    const Expected<int64_t> size = numElements(*extents);
    if (!size)
      return size.error();
    for (const auto &[name, values] : {NamedPointer{"count", count}, {"mean", mean}, {"m2", m2}})
      if (Expected<void> valid = checkValues(name, values, *extents); !valid)
        return valid;
    Statistics values{.shape = *extents,
                      .count = {count, count + *size},
                      .mean = {mean, mean + *size},
                      .m2 = {m2, m2 + *size}};
    if (Expected<void> valid = checkRanges(values); !valid)
      return valid;
    return give(std::move(values), statistics);
  });
}

norma_status norma_statistics_merge(norma_statistics *into, const norma_statistics *from) {
  return guarded({{"into", into}, {"from", from}},
                 [&] { return mergeStatistics(into->value, from->value); });
}

norma_status norma_statistics_get_size(const norma_statistics *statistics, size_t *size) {
  return guarded({{"statistics", statistics}, {"size", size}}, [&]() -> Expected<void> {
    *size = size_t(statistics->value.size());
    return {};
  });
}

norma_status norma_statistics_get_values(const norma_statistics *statistics, double *count,
                                         double *mean, double *m2, size_t size) {
  return guarded({{"statistics", statistics}}, [&]() -> Expected<void> {
    const Statistics &values = statistics->value;
    if (Expected<void> valid = checkSize(size, values.count.size()); !valid)
      return valid;
    copyValues(values.count, count);
    copyValues(values.mean, mean);
    copyValues(values.m2, m2);
    return {};
  });
}

void norma_statistics_destroy(norma_statistics *statistics) { delete statistics; }
