//===- normalization.c - The layer Normalization --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#define ROWS 1000
#define COLUMNS 7

static float data[ROWS * COLUMNS];
static const int64_t shape[] = {ROWS, COLUMNS};

static norma_normalization *create(norma_engine *engine,
                                   const norma_normalization_options *options) {
  norma_normalization *layer = NULL;
  CHECK_OK(norma_normalization_create(engine, options, &layer));
  return layer;
}

/// Adapt and apply, against a computation in two passes.
static void test_adapt(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape);
  norma_normalization *layer = create(engine, NULL);
  double mean[COLUMNS], variance[COLUMNS], got_mean[COLUMNS], got_variance[COLUMNS];
  int64_t axes[NORMA_MAX_RANK];
  norma_array *y = NULL;
  norma_tensor view;
  size_t size = 0, i;
  int32_t flag = 1;

  CHECK_OK(norma_normalization_get_built(layer, &flag));
  CHECK(flag == 0);
  CHECK_FAILS(norma_normalization_get_size(layer, &size), NORMA_INVALID_ARGUMENT,
              "layer: not built, expected one that has seen a shape or data");
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_get_built(layer, &flag));
  CHECK(flag == 1);
  CHECK_OK(norma_normalization_get_adapted(layer, &flag));
  CHECK(flag == 1);
  CHECK_OK(norma_normalization_get_axes(layer, axes, &size));
  CHECK(size == 1 && axes[0] == 1);
  CHECK_OK(norma_normalization_get_size(layer, &size));
  CHECK(size == COLUMNS);

  column_moments(data, ROWS, COLUMNS, mean, variance);
  CHECK_OK(norma_normalization_get_moments(layer, got_mean, got_variance, COLUMNS));
  for (i = 0; i < COLUMNS; ++i) {
    CHECK_NEAR(got_mean[i], mean[i], 1e-6);
    CHECK_NEAR(got_variance[i], variance[i], 1e-6);
  }
  CHECK_OK(norma_normalization_get_moments(layer, NULL, NULL, COLUMNS));
  CHECK_FAILS(norma_normalization_get_moments(layer, got_mean, NULL, COLUMNS + 1),
              NORMA_INVALID_ARGUMENT, "size: 8, expected 7, the number of kept indices");

  CHECK_OK(norma_normalization_apply_new(layer, &x, &y));
  CHECK_OK(norma_array_view(y, &view));
  CHECK(view.dtype == NORMA_DTYPE_F32 && view.rank == 2 && view.shape[0] == ROWS);
  for (i = 0; i < ROWS * COLUMNS; ++i)
    CHECK_NEAR(((float *)view.data)[i], (data[i] - mean[i % COLUMNS]) / sqrt(variance[i % COLUMNS]),
               1e-5);
  norma_array_destroy(y);
  norma_normalization_destroy(layer);
}

/// Into other memory, of another type, in place; and what is refused.
static void test_apply(norma_engine *engine) {
  static float in_place[ROWS * COLUMNS];
  static double wide[ROWS * COLUMNS];
  const int64_t fewer[] = {ROWS, COLUMNS - 1};
  const norma_tensor x = view_f32(data, 2, shape);
  const norma_tensor same = view_f32(in_place, 2, shape);
  norma_tensor y = {wide, NORMA_DTYPE_F64, 2, shape, NULL};
  norma_normalization *layer = create(engine, NULL);
  norma_array *array = NULL;
  size_t i;

  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_apply(layer, &x, &y));
  memcpy(in_place, data, sizeof(data));
  CHECK_OK(norma_normalization_apply(layer, &same, &same));
  for (i = 0; i < ROWS * COLUMNS; ++i)
    CHECK(wide[i] == in_place[i]);

  y.shape = fewer;
  wide[0] = 77;
  CHECK(norma_normalization_apply(layer, &x, &y) == NORMA_INVALID_ARGUMENT);
  y.shape = shape;
  y.dtype = NORMA_DTYPE_I64;
  CHECK(norma_normalization_apply(layer, &x, &y) == NORMA_INVALID_ARGUMENT);
  CHECK(wide[0] == 77);
  y = x;
  y.shape = fewer;
  CHECK_FAILS(norma_normalization_apply_new(layer, &y, &array), NORMA_INVALID_ARGUMENT,
              "x: shape (1000, 6) has an extent of 6 along the kept axis 1; expected 7, as the "
              "build shape (1000, 7)");
  CHECK(array == NULL);
  norma_normalization_destroy(layer);
}

/// Batches, a mask and weights: each leaves the same half of the rows.
static void test_adapt_options(norma_engine *engine) {
  const int64_t rows[] = {ROWS}, half[] = {ROWS / 2, COLUMNS};
  const norma_tensor x = view_f32(data, 2, shape), first = view_f32(data, 2, half);
  static uint8_t keep[ROWS];
  static float weight[ROWS];
  norma_tensor mask = {keep, NORMA_DTYPE_BOOL, 1, rows, NULL};
  const norma_tensor weights = view_f32(weight, 1, rows);
  norma_adapt_options options;
  norma_normalization *layer = create(engine, NULL);
  double expected[COLUMNS], mean[COLUMNS];
  int variant;
  size_t i;
  for (i = 0; i < ROWS; ++i) {
    keep[i] = i < ROWS / 2;
    weight[i] = keep[i];
  }
  CHECK_OK(norma_normalization_adapt(layer, &first, NULL));
  CHECK_OK(norma_normalization_get_moments(layer, expected, NULL, COLUMNS));
  for (variant = 0; variant < 3; ++variant) {
    norma_adapt_options_init(&options);
    options.batch_size = 100;
    if (variant == 0)
      options.steps = 5;
    if (variant == 1)
      options.mask = &mask;
    if (variant == 2)
      options.weights = &weights;
    CHECK_OK(norma_normalization_adapt(layer, &x, &options));
    CHECK_OK(norma_normalization_get_moments(layer, mean, NULL, COLUMNS));
    for (i = 0; i < COLUMNS; ++i)
      CHECK_NEAR(mean[i], expected[i], 1e-7);
  }
  norma_adapt_options_init(&options);
  mask.shape = half;
  mask.rank = 2;
  options.mask = &mask;
  CHECK(norma_normalization_adapt(layer, &x, &options) == NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "mask"));
  options.mask = NULL;
  options.batch_size = -1;
  CHECK(norma_normalization_adapt(layer, &x, &options) == NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "batch_size: -1"));
  norma_normalization_destroy(layer);
}

typedef struct progress_record {
  int calls, cancel_at;
  norma_adapt_progress last;
} progress_record;

static int32_t record(const norma_adapt_progress *progress, void *user_data) {
  progress_record *seen = user_data;
  CHECK(progress->elements >= seen->last.elements);
  seen->last = *progress;
  return ++seen->calls == seen->cancel_at;
}

/// Progress is told, and what is cancelled has changed nothing.
static void test_progress(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape);
  progress_record seen;
  norma_adapt_options options;
  norma_normalization *layer = create(engine, NULL);
  int32_t is_adapted = 1;
  memset(&seen, 0, sizeof(seen));
  norma_adapt_options_init(&options);
  options.batch_size = 100;
  options.progress = record;
  options.progress_user_data = &seen;
  options.progress_milliseconds = 0;
  seen.cancel_at = 3;
  CHECK(norma_normalization_adapt(layer, &x, &options) == NORMA_CANCELLED);
  CHECK(seen.calls == 3);
  CHECK_OK(norma_normalization_get_adapted(layer, &is_adapted));
  CHECK(!is_adapted);

  memset(&seen, 0, sizeof(seen));
  CHECK_OK(norma_normalization_adapt(layer, &x, &options));
  CHECK(seen.calls >= 10 && seen.last.struct_size == sizeof(seen.last));
  CHECK(seen.last.elements == ROWS * COLUMNS && seen.last.total_elements == ROWS * COLUMNS);
  CHECK(seen.last.batches == 10 && seen.last.bytes == sizeof(data));
  options.progress_milliseconds = INT64_MAX;
  CHECK_OK(norma_normalization_adapt(layer, &x, &options));
  options.progress_milliseconds = -1;
  CHECK_FAILS(norma_normalization_adapt(layer, &x, &options), NORMA_INVALID_ARGUMENT,
              "progress_milliseconds: -1, expected 0 or more");
  norma_normalization_destroy(layer);
}

/// Updates, and statistics of two layers that are merged, give those of all data.
static void test_statistics(norma_engine *engine) {
  const int64_t half[] = {ROWS / 2, COLUMNS}, kept[] = {COLUMNS}, huge[] = {(int64_t)1 << 60};
  const norma_tensor x = view_f32(data, 2, shape), first = view_f32(data, 2, half),
                     second = view_f32(data + ROWS / 2 * COLUMNS, 2, half);
  norma_normalization *whole = create(engine, NULL), *parts = create(engine, NULL),
                      *other = create(engine, NULL);
  norma_statistics *statistics = NULL, *copy = NULL;
  double mean[COLUMNS], variance[COLUMNS], merged_mean[COLUMNS], merged_variance[COLUMNS];
  double count[COLUMNS], m2[COLUMNS];
  size_t size = 0, i;
  int32_t flag = 1;

  CHECK_OK(norma_normalization_adapt(whole, &x, NULL));
  CHECK_OK(norma_normalization_get_moments(whole, mean, variance, COLUMNS));
  CHECK_OK(norma_normalization_update(parts, &first, NULL, NULL));
  CHECK_OK(norma_normalization_get_adapted(parts, &flag));
  CHECK(flag == 0);
  CHECK_OK(norma_normalization_update(other, &second, NULL, NULL));
  CHECK_OK(norma_normalization_get_statistics(other, &statistics));
  norma_normalization_destroy(other);
  CHECK_OK(norma_normalization_merge(parts, statistics));
  CHECK_OK(norma_normalization_finalize(parts));
  CHECK_OK(norma_normalization_get_moments(parts, merged_mean, merged_variance, COLUMNS));
  for (i = 0; i < COLUMNS; ++i) {
    CHECK_NEAR(merged_mean[i], mean[i], 1e-7);
    CHECK_NEAR(merged_variance[i], variance[i], 1e-7);
  }

  // Statistics as numbers, and from numbers.
  CHECK_OK(norma_statistics_get_size(statistics, &size));
  CHECK(size == COLUMNS);
  CHECK_OK(norma_statistics_get_values(statistics, count, mean, m2, COLUMNS));
  CHECK(count[0] == (double)ROWS / 2 && m2[0] > 0);
  CHECK_FAILS(norma_statistics_get_values(statistics, count, NULL, NULL, 1), NORMA_INVALID_ARGUMENT,
              "size: 1, expected 7, the number of kept indices");
  CHECK_OK(norma_statistics_create(1, kept, count, mean, m2, &copy));
  CHECK_OK(norma_statistics_merge(copy, statistics));
  CHECK_OK(norma_statistics_get_values(copy, count, NULL, NULL, COLUMNS));
  CHECK(count[0] == ROWS);
  norma_statistics_destroy(copy);
  copy = NULL;
  count[3] = -1;
  CHECK_FAILS(norma_statistics_create(1, kept, count, mean, m2, &copy), NORMA_INVALID_ARGUMENT,
              "count: the value at 3 is -1, expected 0 or more");
  count[3] = 1;
  m2[2] = -2;
  CHECK_FAILS(norma_statistics_create(1, kept, count, mean, m2, &copy), NORMA_INVALID_ARGUMENT,
              "m2: the value at 2 is -2, expected 0 or more");
  CHECK(norma_statistics_create(1, huge, count, mean, m2, &copy) == NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "count: shape (1152921504606846976,)"));
  CHECK_OK(norma_statistics_create(0, NULL, count, mean, m2, &copy));
  CHECK(norma_normalization_merge(parts, copy) == NORMA_INVALID_ARGUMENT);
  CHECK(norma_statistics_merge(copy, statistics) == NORMA_INVALID_ARGUMENT);
  norma_statistics_destroy(copy);
  norma_statistics_destroy(statistics);

  CHECK_OK(norma_normalization_reset(parts));
  CHECK_OK(norma_normalization_get_adapted(parts, &flag));
  CHECK(flag == 0);
  norma_normalization_destroy(parts);
  norma_normalization_destroy(whole);
}

int main(void) {
  norma_engine *engine = make_engine();
  fill(data, ROWS * COLUMNS, 7);
  test_adapt(engine);
  test_apply(engine);
  test_adapt_options(engine);
  test_progress(engine);
  test_statistics(engine);
  norma_engine_destroy(engine);
  return 0;
}
