//===- state.c - Configurations and state files ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

static const int64_t shape[] = {4, 3};
static float data[12];
static const char *directory;

static const char *path_of(const char *name) {
  static char path[1024];
  snprintf(path, sizeof(path), "%s/%s", directory, name);
  return path;
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void test_normalization(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape);
  norma_normalization_options options;
  norma_normalization *layer = NULL, *loaded = NULL;
  norma_string *json = NULL, *again = NULL;
  double mean[3], variance[3], loaded_mean[3], loaded_variance[3];
  int32_t is_adapted = 0;

  norma_normalization_options_init(&options);
  options.epsilon = 0.125;
  options.name = "caf\xc3\xa9 \xff";
  CHECK_OK(norma_normalization_create(engine, &options, &layer));
  CHECK_OK(norma_normalization_get_config(layer, &json));
  CHECK(norma_string_size(json) == strlen(norma_string_data(json)));
  CHECK(strstr(norma_string_data(json), "\"epsilon\":0.125"));
  CHECK_OK(norma_normalization_from_config(engine, norma_string_data(json), &loaded));
  CHECK_OK(norma_normalization_get_config(loaded, &again));
  CHECK(strcmp(norma_string_data(json), norma_string_data(again)) == 0);
  norma_string_destroy(again);
  norma_string_destroy(json);
  norma_normalization_destroy(loaded);

  loaded = NULL;
  CHECK(norma_normalization_save(layer, path_of("n.safetensors")) == NORMA_INVALID_ARGUMENT);
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_save(layer, path_of("n.safetensors")));
  CHECK_OK(norma_normalization_load(engine, path_of("n.safetensors"), &loaded));
  CHECK_OK(norma_normalization_get_adapted(loaded, &is_adapted));
  CHECK(is_adapted);
  CHECK_OK(norma_normalization_get_moments(layer, mean, variance, 3));
  CHECK_OK(norma_normalization_get_moments(loaded, loaded_mean, loaded_variance, 3));
  CHECK(memcmp(mean, loaded_mean, sizeof(mean)) == 0);
  CHECK(memcmp(variance, loaded_variance, sizeof(variance)) == 0);
  norma_normalization_destroy(loaded);
  norma_normalization_destroy(layer);
}

static void test_batch_normalization(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape);
  float result[12];
  const norma_tensor y = view_f32(result, 2, shape);
  norma_batch_normalization *layer = NULL, *loaded = NULL;
  norma_string *json = NULL, *again = NULL;
  double mean[3], loaded_mean[3];

  CHECK_OK(norma_batch_normalization_create(engine, NULL, &layer));
  CHECK(norma_batch_normalization_save(layer, path_of("b.safetensors")) == NORMA_INVALID_ARGUMENT);
  CHECK_OK(norma_batch_normalization_train(layer, &x, &y, NULL, NULL, NULL));
  CHECK_OK(norma_batch_normalization_save(layer, path_of("b.safetensors")));
  CHECK_OK(norma_batch_normalization_load(engine, path_of("b.safetensors"), &loaded));
  CHECK_OK(norma_batch_normalization_get_weight(layer, "moving_mean", mean, 3));
  CHECK_OK(norma_batch_normalization_get_weight(loaded, "moving_mean", loaded_mean, 3));
  CHECK(memcmp(mean, loaded_mean, sizeof(mean)) == 0);
  CHECK_OK(norma_batch_normalization_get_config(layer, &json));
  CHECK_OK(norma_batch_normalization_get_config(loaded, &again));
  CHECK(strcmp(norma_string_data(json), norma_string_data(again)) == 0);
  norma_string_destroy(again);
  norma_string_destroy(json);
  norma_batch_normalization_destroy(loaded);
  norma_batch_normalization_destroy(layer);
}

/// Every kind of file that is no state.
static void test_failures(norma_engine *engine) {
  const norma_tensor x = view_f32(data, 2, shape);
  norma_normalization *layer = NULL, *none = NULL;
  norma_batch_normalization *batch = NULL;
  CHECK(norma_normalization_load(engine, path_of("missing"), &none) == NORMA_NOT_FOUND);
  CHECK(strstr(norma_error_message(), "missing"));
  CHECK(norma_batch_normalization_load(engine, path_of("missing"), &batch) == NORMA_NOT_FOUND);
  write_text(path_of("damaged"), "not a state file");
  CHECK(norma_normalization_load(engine, path_of("damaged"), &none) == NORMA_DATA_LOSS);
  CHECK(norma_batch_normalization_load(engine, path_of("damaged"), &batch) == NORMA_DATA_LOSS);
  // The state of the other layer.
  CHECK(norma_batch_normalization_load(engine, path_of("n.safetensors"), &batch) ==
        NORMA_UNSUPPORTED);
  CHECK(norma_normalization_load(engine, directory, &none) != NORMA_OK);

  CHECK_OK(norma_normalization_create(engine, NULL, &layer));
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK(norma_normalization_save(layer, path_of("no/such/folder")) != NORMA_OK);
  norma_normalization_destroy(layer);

  CHECK(norma_normalization_from_config(engine, "{", &none) == NORMA_INVALID_ARGUMENT);
  CHECK(norma_normalization_from_config(engine, "{\"axes\": 1}", &none) == NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "axes"));
  CHECK(norma_batch_normalization_from_config(engine, "[]", &batch) == NORMA_INVALID_ARGUMENT);
  CHECK(!none && !batch);
}

int main(int count, char **arguments) {
  norma_engine *engine = make_engine();
  CHECK(count == 2);
  directory = arguments[1];
  fill(data, 12, 9);
  test_normalization(engine);
  test_batch_normalization(engine);
  test_failures(engine);
  norma_engine_destroy(engine);
  return 0;
}
