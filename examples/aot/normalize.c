/*===- normalize.c - Kernels compiled ahead of time -------------------------===*\
|*                                                                            *|
|* Part of the norma project, under the Apache License v2.0 with LLVM         *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* A C program that learns the statistics of 13 features in two parts, and    *|
|* normalizes with them. It links what norma compiled when it was built, and  *|
|* needs neither norma nor LLVM when it runs.                                 *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include "standardize.h"
#include "wine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEATURES = 13, ROWS = 1000 };

struct statistics {
  double count[FEATURES], mean[FEATURES], m2[FEATURES];
};

/* Of two disjoint sets those of their union. */
static void merge(struct statistics *into, const struct statistics *from) {
  for (int i = 0; i < FEATURES; ++i) {
    const double n = into->count[i] + from->count[i];
    const double d = from->mean[i] - into->mean[i];
    into->m2[i] += from->m2[i] + d * d * into->count[i] * from->count[i] / n;
    into->mean[i] += d * from->count[i] / n;
    into->count[i] = n;
  }
}

/* The largest distance of a mean from 0 and of a variance from 1. */
static double distance(const float *y) {
  struct statistics s;
  wine_moments(ROWS, y, s.count, s.mean, s.m2);
  double largest = 0;
  for (int i = 0; i < FEATURES; ++i)
    largest = fmax(largest, fmax(fabs(s.mean[i]), fabs(s.m2[i] / s.count[i] - 1)));
  return largest;
}

int main(void) {
  float *x = malloc(sizeof(float) * ROWS * FEATURES), *y = malloc(sizeof(float) * ROWS * FEATURES);
  if (!x || !y)
    return EXIT_FAILURE;
  uint32_t random = 1;
  for (int i = 0; i < ROWS * FEATURES; ++i) {
    random = random * 1664525 + 1013904223;
    /* Every feature with a mean and a scale of its own. */
    x[i] = (float)(random >> 8) / 16777216 * (float)(1 + i % FEATURES) + (float)(i % FEATURES * 10);
  }

  struct statistics all, rest;
  const int64_t half = ROWS / 2;
  wine_moments(half, x, all.count, all.mean, all.m2);
  wine_moments(ROWS - half, x + half * FEATURES, rest.count, rest.mean, rest.m2);
  merge(&all, &rest);
  printf("count %g, mean of the last feature %.4f, its variance %.4f\n", all.count[12],
         all.mean[12], all.m2[12] / all.count[12]);

  float center[FEATURES], scale[FEATURES];
  for (int i = 0; i < FEATURES; ++i) {
    center[i] = (float)all.mean[i];
    scale[i] = (float)(1 / sqrt(all.m2[i] / all.count[i]));
  }
  wine_normalize(ROWS, x, center, scale, y);
  printf("wine_normalize: %s\n", distance(y) < 1e-4 ? "mean 0, variance 1" : "wrong");

  /* The same as one function, which learns from what it normalizes. */
  for (int i = 0; i < ROWS * FEATURES; ++i)
    y[i] = NAN;
  norma_standardize(ROWS, x, y);
  printf("norma_standardize: %s\n", distance(y) < 1e-4 ? "mean 0, variance 1" : "wrong");

  free(x);
  free(y);
  return EXIT_SUCCESS;
}
