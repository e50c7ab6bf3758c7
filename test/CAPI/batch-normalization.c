//===- batch-normalization.c - The layer BatchNormalization ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#define ROWS 64
#define COLUMNS 5
#define ELEMENTS (ROWS * COLUMNS)

static float data[ELEMENTS], result[ELEMENTS];
static const int64_t shape[] = {ROWS, COLUMNS};

static norma_batch_normalization *create(norma_engine *engine,
                                         const norma_batch_normalization_options *options) {
  norma_batch_normalization *layer = NULL;
  CHECK_OK(norma_batch_normalization_create(engine, options, &layer));
  return layer;
}

static double weight(const norma_batch_normalization *layer, const char *name, int i) {
  double values[COLUMNS];
  CHECK_OK(norma_batch_normalization_get_weight(layer, name, values, COLUMNS));
  return values[i];
}

static void test_presets(norma_engine *engine) {
  static const struct {
    int32_t preset;
    int64_t axis;
    double momentum, epsilon;
    const char *config;
  } expected[] = {
      {NORMA_PRESET_KERAS_V1, -1, 0.99, 1e-3, "\"frozen_is_inference\":false"},
      {NORMA_PRESET_KERAS_V2, -1, 0.99, 1e-3, "\"frozen_is_inference\":true"},
      {NORMA_PRESET_KERAS_3, -1, 0.99, 1e-3, "\"one_axis\":true"},
      {NORMA_PRESET_PYTORCH, 1, 0.1, 1e-5, "\"momentum_weighs_new\":true"},
      {NORMA_PRESET_ONNX, 1, 0.9, 1e-5, "\"moving_variance\":\"population\""},
  };
  norma_batch_normalization_options options;
  norma_batch_normalization *layer = NULL;
  norma_string *json = NULL;
  size_t i;
  for (i = 0; i < sizeof(expected) / sizeof(*expected); ++i) {
    norma_batch_normalization_options_init(&options, expected[i].preset);
    CHECK(options.struct_size == sizeof(options) && options.preset == expected[i].preset);
    CHECK(options.axis_count == 1 && options.axis[0] == expected[i].axis);
    CHECK(options.momentum == expected[i].momentum && options.epsilon == expected[i].epsilon);
    CHECK(options.center && options.scale && options.trainable);
    CHECK(!options.renorm && !options.cumulative && !options.virtual_batch_size);
    layer = create(engine, &options);
    CHECK_OK(norma_batch_normalization_get_config(layer, &json));
    CHECK(strstr(norma_string_data(json), expected[i].config));
    norma_string_destroy(json);
    norma_batch_normalization_destroy(layer);
  }
  layer = NULL;
  norma_batch_normalization_options_init(&options, 5);
  CHECK_FAILS(norma_batch_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "preset: 5, expected 0 to 4");
  norma_batch_normalization_options_init(&options, -1);
  CHECK_FAILS(norma_batch_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "preset: -1, expected 0 to 4");
  CHECK(layer == NULL);
}

/// Training: the result, the moving statistics and the gradient, against the formulas.
static void test_train(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape), y = view_f32(result, 2, shape);
  static float dy[ELEMENTS], dx[ELEMENTS];
  const norma_tensor dy_view = view_f32(dy, 2, shape), dx_view = view_f32(dx, 2, shape);
  norma_batch_normalization *layer = create(engine, NULL);
  norma_saved_forward *saved = NULL;
  double mean[COLUMNS], variance[COLUMNS], dgamma[COLUMNS], dbeta[COLUMNS];
  const double gamma[COLUMNS] = {1, 2, 0.5, -1, 3}, beta[COLUMNS] = {0, 1, -1, 2, 0.5};
  const double epsilon = 1e-3;
  size_t size = 0;
  int32_t flag = 1;
  int i, column;

  CHECK_OK(norma_batch_normalization_get_built(layer, &flag));
  CHECK(flag == 0);
  CHECK(norma_batch_normalization_get_size(layer, &size) == NORMA_INVALID_ARGUMENT);
  CHECK(norma_batch_normalization_get_weight(layer, "gamma", mean, COLUMNS) ==
        NORMA_INVALID_ARGUMENT);
  CHECK_OK(norma_batch_normalization_build(layer, 2, shape));
  CHECK_OK(norma_batch_normalization_get_size(layer, &size));
  CHECK(size == COLUMNS);
  CHECK_OK(norma_batch_normalization_set_weight(layer, "gamma", gamma, COLUMNS));
  CHECK_OK(norma_batch_normalization_set_weight(layer, "beta", beta, COLUMNS));
  CHECK(weight(layer, "gamma", 3) == -1 && weight(layer, "beta", 4) == 0.5);

  CHECK_OK(norma_batch_normalization_train(layer, &x, &y, NULL, NULL, &saved));
  column_moments(data, ROWS, COLUMNS, mean, variance);
  for (i = 0; i < ELEMENTS; ++i) {
    column = i % COLUMNS;
    CHECK_NEAR(result[i],
               gamma[column] * (data[i] - mean[column]) / sqrt(variance[column] + epsilon) +
                   beta[column],
               1e-5);
  }
  for (i = 0; i < COLUMNS; ++i) {
    CHECK_NEAR(weight(layer, "moving_mean", i), 0.01 * mean[i], 1e-6);
    CHECK_NEAR(weight(layer, "moving_variance", i), 0.99 + 0.01 * variance[i], 1e-6);
  }

  fill(dy, ELEMENTS, 11);
  CHECK_OK(norma_batch_normalization_gradient(layer, saved, &x, &dy_view, NULL, NULL, &dx_view,
                                              dgamma, dbeta, COLUMNS));
  for (column = 0; column < COLUMNS; ++column) {
    const double inverse = 1 / sqrt(variance[column] + epsilon);
    double sum = 0, dot = 0;
    for (i = column; i < ELEMENTS; i += COLUMNS) {
      sum += dy[i];
      dot += dy[i] * (data[i] - mean[column]) * inverse;
    }
    CHECK_NEAR(dgamma[column], dot, 1e-5);
    CHECK_NEAR(dbeta[column], sum, 1e-5);
    for (i = column; i < ELEMENTS; i += COLUMNS)
      CHECK_NEAR(dx[i],
                 gamma[column] * inverse *
                     (dy[i] - sum / ROWS - (data[i] - mean[column]) * inverse * dot / ROWS),
                 1e-5);
  }
  // Only what is wanted, in place of dy.
  CHECK_OK(norma_batch_normalization_gradient(layer, saved, &x, &dy_view, NULL, NULL, &dy_view,
                                              NULL, NULL, 0));
  CHECK(memcmp(dx, dy, sizeof(dx)) == 0);

  dx[0] = 77;
  CHECK_FAILS(norma_batch_normalization_gradient(layer, saved, &x, &dy_view, NULL, NULL, &dx_view,
                                                 dgamma, NULL, 3),
              NORMA_INVALID_ARGUMENT, "size: 3, expected 5, the number of kept indices");
  CHECK(dx[0] == 77);
  norma_saved_forward_destroy(saved);
  norma_batch_normalization_destroy(layer);
}

/// Inference from moving statistics, and a gradient through it.
static void test_apply(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape), y = view_f32(result, 2, shape);
  norma_batch_normalization *layer = create(engine, NULL), *other = create(engine, NULL);
  const double mean[COLUMNS] = {1, 2, 3, 4, 5}, variance[COLUMNS] = {4, 4, 4, 4, 9};
  double dgamma[COLUMNS], dbeta[COLUMNS];
  norma_saved_forward *saved = NULL, *kept = NULL;
  norma_array *array = NULL;
  norma_tensor view;
  int64_t axes[NORMA_MAX_RANK];
  size_t count = 0;
  int i;

  CHECK_OK(norma_batch_normalization_build(layer, 2, shape));
  CHECK_OK(norma_batch_normalization_get_axes(layer, axes, &count));
  CHECK(count == 1 && axes[0] == 1);
  CHECK_OK(norma_batch_normalization_set_weight(layer, "moving_mean", mean, COLUMNS));
  CHECK_OK(norma_batch_normalization_set_weight(layer, "moving_variance", variance, COLUMNS));
  CHECK_OK(norma_batch_normalization_apply(layer, &x, &y));
  for (i = 0; i < ELEMENTS; ++i)
    CHECK_NEAR(result[i], (data[i] - mean[i % COLUMNS]) / sqrt(variance[i % COLUMNS] + 1e-3), 1e-6);
  CHECK_OK(norma_batch_normalization_apply_new(layer, &x, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(view.dtype == NORMA_DTYPE_F32 && memcmp(view.data, result, sizeof(result)) == 0);
  norma_array_destroy(array);

  // Not trainable: inference in training, too, and gamma and beta have no gradient.
  CHECK_OK(norma_batch_normalization_set_trainable(layer, 0));
  CHECK_OK(norma_batch_normalization_train(layer, &x, &y, NULL, NULL, NULL));
  CHECK(weight(layer, "moving_mean", 4) == 5);
  CHECK_OK(norma_batch_normalization_apply_and_save(layer, &x, &y, &saved));
  dgamma[0] = dbeta[0] = 77;
  CHECK_OK(norma_batch_normalization_gradient(layer, saved, &x, &x, NULL, NULL, &y, dgamma, dbeta,
                                              COLUMNS));
  CHECK(dgamma[0] == 0 && dbeta[4] == 0);
  for (i = 0; i < ELEMENTS; ++i)
    CHECK_NEAR(result[i], data[i] / sqrt(variance[i % COLUMNS] + 1e-3), 1e-6);

  // What another layer kept.
  CHECK_OK(norma_batch_normalization_apply_and_save(other, &x, &y, &kept));
  CHECK(norma_batch_normalization_gradient(layer, kept, &x, &x, NULL, NULL, &y, NULL, NULL, 0) ==
        NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "saved: of another layer"));
  CHECK_FAILS(norma_batch_normalization_get_weight(layer, "moving_stddev", dgamma, COLUMNS),
              NORMA_NOT_FOUND, norma_error_message());
  CHECK(strstr(norma_error_message(), "moving_stddev"));
  CHECK_FAILS(norma_batch_normalization_set_weight(layer, "gamma", mean, 2), NORMA_INVALID_ARGUMENT,
              "size: 2, expected 5, the number of kept indices");
  norma_saved_forward_destroy(kept);
  norma_saved_forward_destroy(saved);
  norma_batch_normalization_destroy(other);
  norma_batch_normalization_destroy(layer);
}

/// The options one by one, and masked training.
static void test_options(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape), y = view_f32(result, 2, shape);
  const int64_t half[] = {ROWS / 2, COLUMNS}, rows[] = {ROWS};
  uint8_t keep[ROWS];
  const norma_tensor mask = {keep, NORMA_DTYPE_U8, 1, rows, NULL};
  norma_batch_normalization_options options;
  norma_batch_normalization *layer = NULL;
  norma_array *array = NULL;
  norma_tensor view;
  double mean[COLUMNS], variance[COLUMNS], all[COLUMNS];
  int i;
  for (i = 0; i < ROWS; ++i)
    keep[i] = i < ROWS / 2;

  norma_batch_normalization_options_init(&options, NORMA_PRESET_PYTORCH);
  options.cumulative = 1;
  options.center = options.scale = 0;
  options.compute_dtype = NORMA_DTYPE_F64;
  options.output_dtype = NORMA_DTYPE_F64;
  layer = create(engine, &options);
  CHECK_OK(norma_batch_normalization_train(layer, &x, &y, &mask, NULL, NULL));
  column_moments(data, ROWS / 2, COLUMNS, mean, variance);
  for (i = 0; i < COLUMNS; ++i) {
    CHECK_NEAR(weight(layer, "moving_mean", i), mean[i], 1e-7);
    CHECK_NEAR(weight(layer, "moving_variance", i), variance[i] * (ROWS / 2) / (ROWS / 2 - 1),
               1e-6);
  }
  CHECK(norma_batch_normalization_get_weight(layer, "gamma", mean, COLUMNS) == NORMA_NOT_FOUND);
  CHECK_OK(norma_batch_normalization_apply_new(layer, &x, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(view.dtype == NORMA_DTYPE_F64);
  norma_array_destroy(array);
  norma_batch_normalization_destroy(layer);

  // Two ghosts: the moving mean is the mean of both, which is that of all.
  norma_batch_normalization_options_init(&options, NORMA_PRESET_KERAS_V2);
  options.virtual_batch_size = ROWS / 2;
  options.momentum = 0;
  layer = create(engine, &options);
  CHECK_OK(norma_batch_normalization_train(layer, &x, &y, NULL, NULL, NULL));
  column_moments(data, ROWS, COLUMNS, all, variance);
  for (i = 0; i < COLUMNS; ++i)
    CHECK_NEAR(weight(layer, "moving_mean", i), all[i], 1e-6);
  norma_batch_normalization_destroy(layer);

  norma_batch_normalization_options_init(&options, NORMA_PRESET_KERAS_V1);
  options.renorm = 1;
  options.name = "renormed";
  layer = create(engine, &options);
  CHECK_OK(norma_batch_normalization_build(layer, 2, half));
  CHECK(weight(layer, "moving_stddev", 0) == 1);
  norma_batch_normalization_destroy(layer);

  layer = NULL;
  norma_batch_normalization_options_init(&options, NORMA_PRESET_KERAS_V2);
  options.epsilon = -1;
  CHECK(norma_batch_normalization_create(engine, &options, &layer) == NORMA_INVALID_ARGUMENT);
  options.epsilon = 1e-3;
  options.virtual_batch_size = -4;
  CHECK_FAILS(norma_batch_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "virtual_batch_size: -4, expected at least 1");
  options.virtual_batch_size = 0;
  options.axis_count = 0;
  CHECK_FAILS(norma_batch_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "axis: (), expected at least one axis");
  CHECK(layer == NULL);
}

/// What only a configuration can say.
static void test_config(norma_engine *engine) {
  const char *json = "{\"axis\": 1, \"gamma_regularizer\": {\"class_name\": \"L1L2\", \"config\": "
                     "{\"l1\": 0, \"l2\": 0.5}}, \"beta_constraint\": {\"class_name\": \"NonNeg\", "
                     "\"config\": {}}}";
  const double beta[COLUMNS] = {-1, 2, -3, 4, -5};
  norma_batch_normalization *layer = NULL;
  double loss = 0;
  CHECK_OK(norma_batch_normalization_from_config(engine, json, &layer));
  CHECK_OK(norma_batch_normalization_build(layer, 2, shape));
  CHECK_OK(norma_batch_normalization_get_regularization_loss(layer, &loss));
  CHECK_NEAR(loss, 0.5 * COLUMNS, 1e-12);
  CHECK_OK(norma_batch_normalization_set_weight(layer, "beta", beta, COLUMNS));
  CHECK_OK(norma_batch_normalization_apply_constraints(layer));
  CHECK(weight(layer, "beta", 0) == 0 && weight(layer, "beta", 1) == 2);
  norma_batch_normalization_destroy(layer);
}

int main(void) {
  norma_engine *engine = make_engine();
  fill(data, ELEMENTS, 5);
  test_presets(engine);
  test_train(engine);
  test_apply(engine);
  test_options(engine);
  test_config(engine);
  norma_engine_destroy(engine);
  return 0;
}
