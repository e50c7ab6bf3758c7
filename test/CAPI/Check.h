//===- Check.h - What the tests of the C interface share ----------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TEST_CAPI_CHECK_H
#define NORMA_TEST_CAPI_CHECK_H

#include "norma-c/norma.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void check_that(int is_true, const char *file, int line, const char *what) {
  if (is_true)
    return;
  fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", file, line, what, norma_error_message());
  exit(EXIT_FAILURE);
}

static inline void check_fails(norma_status status, norma_status expected, const char *message,
                               const char *file, int line, const char *what) {
  const int is_right = status == expected && strcmp(norma_error_message(), message) == 0;
  if (is_right)
    return;
  fprintf(stderr, "%s:%d: %s\n  returned %s: %s\n  expected %s: %s\n", file, line, what,
          norma_status_name(status), status == NORMA_OK ? "" : norma_error_message(),
          norma_status_name(expected), message);
  exit(EXIT_FAILURE);
}

#define CHECK(condition) check_that(!!(condition), __FILE__, __LINE__, #condition)
#define CHECK_OK(call) check_that((call) == NORMA_OK, __FILE__, __LINE__, #call)
#define CHECK_NEAR(value, expected, tolerance)                                                     \
  check_that(fabs((double)(value) - (double)(expected)) <=                                         \
                 (tolerance) * (1 + fabs((double)(expected))),                                     \
             __FILE__, __LINE__, #value " is near " #expected)
/// The call fails with this status and this message.
#define CHECK_FAILS(call, status, message)                                                         \
  check_fails((call), (status), (message), __FILE__, __LINE__, #call)
/// The call fails because the argument of this name is null.
#define CHECK_NULL(call, name)                                                                     \
  CHECK_FAILS(call, NORMA_INVALID_ARGUMENT, name ": null, expected a pointer")

/// A dense view of f32 values.
static inline norma_tensor view_f32(float *data, int32_t rank, const int64_t *shape) {
  norma_tensor tensor;
  tensor.data = data;
  tensor.dtype = NORMA_DTYPE_F32;
  tensor.rank = rank;
  tensor.shape = shape;
  tensor.strides = NULL;
  return tensor;
}

/// An engine of its own: two threads, nothing on the disk.
static inline norma_engine *make_engine(void) {
  norma_engine_options options;
  norma_engine *engine = NULL;
  norma_engine_options_init(&options);
  options.threads = 2;
  options.cache_directory = "off";
  CHECK_OK(norma_engine_create(&options, &engine));
  return engine;
}

/// Numbers that look random, the same everywhere: in [-1, 1).
static inline void fill(float *values, size_t count, uint32_t seed) {
  size_t i;
  for (i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
}

/// Mean and population variance of every column of a table, in two passes.
static inline void column_moments(const float *x, size_t rows, size_t columns, double *mean,
                                  double *variance) {
  size_t row, column;
  for (column = 0; column < columns; ++column) {
    double sum = 0, squares = 0;
    for (row = 0; row < rows; ++row)
      sum += x[row * columns + column];
    mean[column] = sum / (double)rows;
    for (row = 0; row < rows; ++row) {
      const double deviation = x[row * columns + column] - mean[column];
      squares += deviation * deviation;
    }
    variance[column] = squares / (double)rows;
  }
}

#endif // NORMA_TEST_CAPI_CHECK_H
