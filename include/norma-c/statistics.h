//===- statistics.h - Counts, means and deviations ----------------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_STATISTICS_H
#define NORMA_C_STATISTICS_H

#include "norma-c/support.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Count, mean and sum of squared deviations from it (m2) of every kept index; mergeable.
typedef struct norma_statistics norma_statistics;

/// Statistics gathered elsewhere: row-major values over `shape`, the extents of the kept axes in
/// axis order. The caller owns them.
NORMA_API norma_status norma_statistics_create(int32_t rank, const int64_t *shape,
                                               const double *count, const double *mean,
                                               const double *m2, norma_statistics **statistics);
/// Adds those of other data to `into`.
NORMA_API norma_status norma_statistics_merge(norma_statistics *into, const norma_statistics *from);
/// The number of kept indices.
NORMA_API norma_status norma_statistics_get_size(const norma_statistics *statistics, size_t *size);
/// Copies all values; `size` is the number of kept indices. Each of `count`, `mean` and `m2` may be
/// null.
NORMA_API norma_status norma_statistics_get_values(const norma_statistics *statistics,
                                                   double *count, double *mean, double *m2,
                                                   size_t size);
NORMA_API void norma_statistics_destroy(norma_statistics *statistics);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_STATISTICS_H
