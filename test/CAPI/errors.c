//===- errors.c - Statuses, messages, and the threads they belong to ------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <pthread.h>

static void test_statuses(void) {
  static const struct {
    norma_status status;
    int number;
    const char *name;
  } expected[] = {{NORMA_OK, 0, "NORMA_OK"},
                  {NORMA_INVALID_ARGUMENT, 1, "NORMA_INVALID_ARGUMENT"},
                  {NORMA_NOT_FOUND, 2, "NORMA_NOT_FOUND"},
                  {NORMA_IO_ERROR, 3, "NORMA_IO_ERROR"},
                  {NORMA_DATA_LOSS, 4, "NORMA_DATA_LOSS"},
                  {NORMA_UNSUPPORTED, 5, "NORMA_UNSUPPORTED"},
                  {NORMA_RESOURCE_EXHAUSTED, 6, "NORMA_RESOURCE_EXHAUSTED"},
                  {NORMA_CANCELLED, 7, "NORMA_CANCELLED"},
                  {NORMA_INTERNAL, 8, "NORMA_INTERNAL"}};
  size_t i;
  for (i = 0; i < sizeof(expected) / sizeof(*expected); ++i) {
    CHECK((int)expected[i].status == expected[i].number);
    CHECK(strcmp(norma_status_name(expected[i].status), expected[i].name) == 0);
  }
  CHECK(strcmp(norma_status_name((norma_status)9), "unknown") == 0);
}

static void test_message(void) {
  const int64_t shape[] = {2};
  norma_array *array = NULL;
  CHECK(strcmp(norma_error_message(), "") == 0);
  CHECK_NULL(norma_array_create(NORMA_DTYPE_F32, 1, shape, NULL), "array");
  // It stays until the next failure.
  CHECK_OK(norma_array_create(NORMA_DTYPE_F32, 1, shape, &array));
  norma_array_destroy(array);
  CHECK(strcmp(norma_error_message(), "array: null, expected a pointer") == 0);
  CHECK(norma_array_create(99, 1, shape, &array) == NORMA_INVALID_ARGUMENT);
  CHECK(strcmp(norma_error_message(), "dtype: 99 is not an element type, expected 0 to 10") == 0);
}

static pthread_barrier_t barrier;

static void *fail_in_thread(void *argument) {
  const norma_dtype dtype = *(const norma_dtype *)argument;
  char expected[64];
  const char *message;
  int round;
  norma_array *array = NULL;
  CHECK(strcmp(norma_error_message(), "") == 0);
  for (round = 0; round < 100; ++round) {
    CHECK(norma_array_create(dtype + round, 0, NULL, &array) == NORMA_INVALID_ARGUMENT);
    message = norma_error_message();
    pthread_barrier_wait(&barrier);
    snprintf(expected, sizeof(expected), "dtype: %d is not an element type, expected 0 to 10",
             (int)dtype + round);
    CHECK(strcmp(message, expected) == 0);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

/// Every thread has a message of its own.
static void test_threads(void) {
  norma_dtype dtypes[2] = {1000, 2000};
  pthread_t threads[2];
  int i;
  CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
  for (i = 0; i < 2; ++i)
    CHECK(pthread_create(&threads[i], NULL, fail_in_thread, &dtypes[i]) == 0);
  for (i = 0; i < 2; ++i)
    CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(pthread_barrier_destroy(&barrier) == 0);
}

typedef struct shared_layer {
  const norma_normalization *layer;
  const norma_tensor *x;
  const float *expected;
} shared_layer;

static void *apply_in_thread(void *argument) {
  const shared_layer *shared = argument;
  norma_array *y = NULL;
  norma_tensor view;
  int round;
  for (round = 0; round < 20; ++round) {
    CHECK_OK(norma_normalization_apply_new(shared->layer, shared->x, &y));
    CHECK_OK(norma_array_view(y, &view));
    CHECK(memcmp(view.data, shared->expected, 1000 * sizeof(float)) == 0);
    norma_array_destroy(y);
  }
  return NULL;
}

/// Several threads apply one layer, whose engine is gone.
static void test_shared_layer(void) {
  static float data[1000], expected[1000];
  const int64_t shape[] = {100, 10};
  norma_engine *engine = make_engine();
  norma_normalization *layer = NULL;
  norma_tensor x = view_f32(data, 2, shape), y = view_f32(expected, 2, shape);
  shared_layer shared;
  pthread_t threads[2];
  int i;
  fill(data, 1000, 3);
  CHECK_OK(norma_normalization_create(engine, NULL, &layer));
  norma_engine_destroy(engine);
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_apply(layer, &x, &y));
  shared.layer = layer;
  shared.x = &x;
  shared.expected = expected;
  for (i = 0; i < 2; ++i)
    CHECK(pthread_create(&threads[i], NULL, apply_in_thread, &shared) == 0);
  for (i = 0; i < 2; ++i)
    CHECK(pthread_join(threads[i], NULL) == 0);
  norma_normalization_destroy(layer);
}

/// Every pointer that must not be null.
static void test_null(void) {
  norma_engine *engine = make_engine();
  norma_normalization *layer = NULL;
  norma_batch_normalization *batch = NULL;
  norma_statistics *statistics = NULL;
  norma_saved_forward *saved = NULL;
  norma_program *program = NULL;
  norma_string *text = NULL;
  norma_array *array = NULL;
  float data[2] = {1, 2};
  const int64_t shape[] = {2, 1};
  const norma_tensor x = view_f32(data, 2, shape);
  norma_engine_stats stats;
  int64_t axes[NORMA_MAX_RANK];
  double values[1];
  int32_t flag = 0;
  size_t size = 0;
  stats.struct_size = sizeof(stats);
  CHECK_OK(norma_normalization_create(engine, NULL, &layer));
  CHECK_OK(norma_batch_normalization_create(engine, NULL, &batch));

  CHECK_NULL(norma_engine_create(NULL, NULL), "engine");
  CHECK_NULL(norma_engine_get_stats(NULL, &stats), "engine");
  CHECK_NULL(norma_engine_get_stats(engine, NULL), "stats");
  CHECK_NULL(norma_engine_get_threads(NULL, &axes[0]), "engine");
  CHECK_NULL(norma_engine_get_threads(engine, NULL), "threads");
  CHECK_NULL(norma_engine_get_target_cpu(engine, NULL), "target_cpu");
  CHECK_NULL(norma_engine_get_cache_directory(NULL, &text), "engine");

  CHECK_NULL(norma_statistics_create(0, NULL, values, values, values, NULL), "statistics");
  CHECK_FAILS(norma_statistics_create(0, NULL, NULL, values, values, &statistics),
              NORMA_INVALID_ARGUMENT, "count: data is null; expected 1 elements");
  CHECK_FAILS(norma_statistics_create(0, NULL, values, NULL, values, &statistics),
              NORMA_INVALID_ARGUMENT, "mean: data is null; expected 1 elements");
  CHECK_FAILS(norma_statistics_create(0, NULL, values, values, NULL, &statistics),
              NORMA_INVALID_ARGUMENT, "m2: data is null; expected 1 elements");
  CHECK_NULL(norma_statistics_merge(NULL, NULL), "into");
  CHECK_NULL(norma_statistics_get_size(NULL, &size), "statistics");
  CHECK_NULL(norma_statistics_get_values(NULL, values, values, values, 1), "statistics");

  CHECK_NULL(norma_normalization_create(engine, NULL, NULL), "layer");
  CHECK_FAILS(norma_normalization_create(NULL, NULL, &layer), NORMA_INVALID_ARGUMENT,
              "engine: null; expected an engine, or the option to run eagerly");
  CHECK_NULL(norma_normalization_build(NULL, 2, shape), "layer");
  CHECK_FAILS(norma_normalization_build(layer, 2, NULL), NORMA_INVALID_ARGUMENT,
              "shape: shape is null, expected 2 extents");
  CHECK_NULL(norma_normalization_adapt(NULL, &x, NULL), "layer");
  CHECK_NULL(norma_normalization_adapt(layer, NULL, NULL), "data");
  CHECK_NULL(norma_normalization_update(layer, NULL, NULL, NULL), "data");
  CHECK_NULL(norma_normalization_merge(layer, NULL), "statistics");
  CHECK_NULL(norma_normalization_reset(NULL), "layer");
  CHECK_NULL(norma_normalization_finalize(NULL), "layer");
  CHECK_NULL(norma_normalization_apply(NULL, &x, &x), "layer");
  CHECK_NULL(norma_normalization_apply(layer, NULL, &x), "x");
  CHECK_NULL(norma_normalization_apply(layer, &x, NULL), "y");
  CHECK_NULL(norma_normalization_apply_new(layer, NULL, &array), "x");
  CHECK_NULL(norma_normalization_apply_new(layer, &x, NULL), "y");
  CHECK_NULL(norma_normalization_get_built(layer, NULL), "is_built");
  CHECK_NULL(norma_normalization_get_adapted(NULL, &flag), "layer");
  CHECK_NULL(norma_normalization_get_axes(layer, NULL, &size), "axes");
  CHECK_NULL(norma_normalization_get_axes(layer, axes, NULL), "count");
  CHECK_NULL(norma_normalization_get_size(layer, NULL), "size");
  CHECK_NULL(norma_normalization_get_moments(NULL, values, values, 1), "layer");
  CHECK_NULL(norma_normalization_get_statistics(layer, NULL), "statistics");
  CHECK_NULL(norma_normalization_get_config(layer, NULL), "json");
  CHECK_NULL(norma_normalization_from_config(engine, NULL, &layer), "json");
  CHECK_NULL(norma_normalization_save(layer, NULL), "path");
  CHECK_NULL(norma_normalization_load(engine, "f", NULL), "layer");

  CHECK_NULL(norma_batch_normalization_create(NULL, NULL, &batch), "engine");
  CHECK_NULL(norma_batch_normalization_create(engine, NULL, NULL), "layer");
  CHECK_NULL(norma_batch_normalization_build(NULL, 2, shape), "layer");
  CHECK_NULL(norma_batch_normalization_train(NULL, &x, &x, NULL, NULL, &saved), "layer");
  CHECK_NULL(norma_batch_normalization_train(batch, NULL, &x, NULL, NULL, &saved), "x");
  CHECK_NULL(norma_batch_normalization_train(batch, &x, NULL, NULL, NULL, &saved), "y");
  CHECK_NULL(norma_batch_normalization_apply(batch, &x, NULL), "y");
  CHECK_NULL(norma_batch_normalization_apply_new(batch, &x, NULL), "y");
  CHECK_NULL(norma_batch_normalization_apply_and_save(batch, &x, &x, NULL), "saved");
  CHECK_NULL(norma_batch_normalization_gradient(batch, NULL, &x, &x, NULL, NULL, &x, NULL, NULL, 0),
             "saved");
  CHECK_NULL(norma_batch_normalization_get_regularization_loss(batch, NULL), "loss");
  CHECK_NULL(norma_batch_normalization_apply_constraints(NULL), "layer");
  CHECK_NULL(norma_batch_normalization_get_built(NULL, &flag), "layer");
  CHECK_NULL(norma_batch_normalization_get_axes(batch, NULL, &size), "axes");
  CHECK_NULL(norma_batch_normalization_get_size(batch, NULL), "size");
  CHECK_NULL(norma_batch_normalization_get_weight(batch, NULL, values, 1), "name");
  CHECK_NULL(norma_batch_normalization_get_weight(batch, "gamma", NULL, 1), "values");
  CHECK_NULL(norma_batch_normalization_set_weight(batch, "gamma", NULL, 1), "values");
  CHECK_NULL(norma_batch_normalization_set_trainable(NULL, 1), "layer");
  CHECK_NULL(norma_batch_normalization_get_config(batch, NULL), "json");
  CHECK_NULL(norma_batch_normalization_from_config(NULL, "{}", &batch), "engine");
  CHECK_NULL(norma_batch_normalization_save(batch, NULL), "path");
  CHECK_NULL(norma_batch_normalization_load(engine, NULL, &batch), "path");

  CHECK_NULL(norma_program_compile(NULL, "", NULL, &program), "engine");
  CHECK_NULL(norma_program_compile(engine, NULL, NULL, &program), "source");
  CHECK_NULL(norma_program_compile(engine, "", NULL, NULL), "program");
  CHECK_NULL(norma_program_get_entry(NULL, &text), "program");
  CHECK_NULL(norma_program_get_signature(NULL, &size, &size), "program");
  CHECK_NULL(norma_program_run(NULL, NULL, 0, NULL, 0), "program");

  norma_statistics_destroy(NULL);
  norma_normalization_destroy(NULL);
  norma_batch_normalization_destroy(NULL);
  norma_saved_forward_destroy(NULL);
  norma_program_destroy(NULL);
  CHECK(!statistics && !saved && !program && !text && !array);
  norma_batch_normalization_destroy(batch);
  norma_normalization_destroy(layer);
  norma_engine_destroy(engine);
}

int main(void) {
  test_statuses();
  test_message();
  test_threads();
  test_shared_layer();
  test_null();
  return 0;
}
