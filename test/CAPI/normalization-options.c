//===- normalization-options.c - The options of the layer Normalization ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

static norma_normalization *create(norma_engine *engine,
                                   const norma_normalization_options *options) {
  norma_normalization *layer = NULL;
  CHECK_OK(norma_normalization_create(engine, options, &layer));
  return layer;
}

static void test_defaults(void) {
  norma_normalization_options options;
  norma_adapt_options adapt;
  norma_normalization_options_init(&options);
  CHECK(options.struct_size == sizeof(options));
  CHECK(options.axis_count == 1 && options.axis[0] == -1);
  CHECK(options.epsilon == 1e-7 && options.steps_per_execution == 1 && options.invert == 0);
  CHECK(strcmp(options.name, "normalization") == 0);
  CHECK(options.compute_dtype == NORMA_DTYPE_F32 && options.output_dtype == NORMA_DTYPE_DEFAULT);
  CHECK(!options.mean && !options.variance && !options.run_eagerly);
  norma_adapt_options_init(&adapt);
  CHECK(adapt.struct_size == sizeof(adapt) && !adapt.batch_size && !adapt.mask);
  CHECK(!adapt.progress && adapt.progress_milliseconds == 50);
}

/// Given statistics, inverted; several axes and none; types; policies.
static void test_options(norma_engine *engine) {
  float table[] = {1, 2, 3, 4, 5, 6}, constant[] = {5, 5, 5, 5};
  const float with_nan[] = {1, 2, 3, NAN};
  float copy[4];
  const int64_t two_by_three[] = {2, 3}, four_by_one[] = {4, 1}, kept[] = {3};
  const int64_t both_axes[] = {0, 1};
  double given_mean[] = {1, 2, 3}, mean = 0;
  float given_variance[] = {4};
  const int64_t repeated[] = {0};
  const norma_tensor means = {given_mean, NORMA_DTYPE_F64, 1, kept, NULL};
  const norma_tensor variances = {given_variance, NORMA_DTYPE_F32, 1, kept, repeated};
  const norma_tensor x = view_f32(table, 2, two_by_three);
  norma_tensor view;
  norma_normalization_options options;
  norma_normalization *layer = NULL;
  norma_array *y = NULL;
  size_t size = 0;

  norma_normalization_options_init(&options);
  options.mean = &means;
  options.variance = &variances;
  options.invert = 1;
  options.compute_dtype = NORMA_DTYPE_F64;
  layer = create(engine, &options);
  CHECK_OK(norma_normalization_apply_new(layer, &x, &y));
  CHECK_OK(norma_array_view(y, &view));
  CHECK(view.dtype == NORMA_DTYPE_F64);
  CHECK(((double *)view.data)[0] == 3 && ((double *)view.data)[5] == 15);
  norma_array_destroy(y);
  CHECK(norma_normalization_adapt(layer, &x, NULL) == NORMA_INVALID_ARGUMENT);
  norma_normalization_destroy(layer);
  layer = NULL;
  options.variance = NULL;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "variance: absent, but mean is given; expected both or neither");

  norma_normalization_options_init(&options);
  options.axis = NULL;
  options.axis_count = 0;
  options.output_dtype = NORMA_DTYPE_F16;
  layer = create(engine, &options);
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_get_moments(layer, &mean, NULL, 1));
  CHECK(mean == 3.5);
  CHECK_OK(norma_normalization_apply_new(layer, &x, &y));
  CHECK_OK(norma_array_view(y, &view));
  CHECK(view.dtype == NORMA_DTYPE_F16);
  norma_array_destroy(y);
  norma_normalization_destroy(layer);

  norma_normalization_options_init(&options);
  options.axis = both_axes;
  options.axis_count = 2;
  layer = create(engine, &options);
  CHECK_OK(norma_normalization_build(layer, 2, two_by_three));
  CHECK_OK(norma_normalization_get_size(layer, &size));
  CHECK(size == 6);
  norma_normalization_destroy(layer);

  // A constant feature is divided by 1, a NaN is left out; on the reference, without an engine.
  memcpy(copy, with_nan, sizeof(copy));
  view = view_f32(copy, 2, four_by_one);
  norma_normalization_options_init(&options);
  options.run_eagerly = 1;
  options.nan_policy = NORMA_NAN_OMIT;
  options.zero_variance = NORMA_ZERO_VARIANCE_UNIT;
  layer = create(NULL, &options);
  CHECK_OK(norma_normalization_adapt(layer, &view, NULL));
  CHECK_OK(norma_normalization_get_moments(layer, &mean, NULL, 1));
  CHECK(mean == 2);
  view = view_f32(constant, 2, four_by_one);
  CHECK_OK(norma_normalization_adapt(layer, &view, NULL));
  constant[0] = 7;
  CHECK_OK(norma_normalization_apply(layer, &view, &view));
  CHECK(constant[0] == 2 && constant[1] == 0);
  norma_normalization_destroy(layer);
}

static void test_refused_options(norma_engine *engine) {
  const int64_t twice[] = {1, 1};
  norma_normalization_options options;
  norma_normalization *layer = NULL;
  norma_normalization_options_init(&options);
  options.axis = NULL;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "axis: null, expected 1 axes");
  options.axis_count = SIZE_MAX;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "axis: 18446744073709551615 axes, expected at most 16");
  options.axis = twice;
  options.axis_count = 2;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "axis: 1 is given twice in (1, 1)");
  norma_normalization_options_init(&options);
  options.zero_variance = 2;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "zero_variance: 2, expected 0 to 1");
  options.zero_variance = 0;
  options.nan_policy = -1;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "nan_policy: -1, expected 0 to 1");
  options.nan_policy = 0;
  options.compute_dtype = 42;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "compute_dtype: 42 is not an element type, expected 0 to 10");
  options.compute_dtype = NORMA_DTYPE_I8;
  CHECK(norma_normalization_create(engine, &options, &layer) == NORMA_INVALID_ARGUMENT);
  options.compute_dtype = NORMA_DTYPE_F32;
  options.output_dtype = -2;
  CHECK_FAILS(norma_normalization_create(engine, &options, &layer), NORMA_INVALID_ARGUMENT,
              "output_dtype: -2 is not an element type, expected 0 to 10");
  options.output_dtype = NORMA_DTYPE_DEFAULT;
  options.epsilon = NAN;
  CHECK(norma_normalization_create(engine, &options, &layer) == NORMA_INVALID_ARGUMENT);
  options.epsilon = 1e-3;
  options.struct_size = 4;
  CHECK(norma_normalization_create(engine, &options, &layer) == NORMA_INVALID_ARGUMENT);
  CHECK(layer == NULL);
}

int main(void) {
  norma_engine *engine = make_engine();
  test_defaults();
  test_options(engine);
  test_refused_options(engine);
  norma_engine_destroy(engine);
  return 0;
}
