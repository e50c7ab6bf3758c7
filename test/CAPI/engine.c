//===- engine.c - Engines, their options, and versions of structs ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <sys/stat.h>

static void test_version(void) {
  char text[32];
  snprintf(text, sizeof(text), "%d.%d.%d", NORMA_VERSION_MAJOR, NORMA_VERSION_MINOR,
           NORMA_VERSION_PATCH);
  CHECK(strcmp(norma_version(), text) == 0);
}

static void test_options(void) {
  norma_engine_options options;
  norma_engine_options_init(&options);
  CHECK(options.struct_size == sizeof(options));
  CHECK(options.threads == 0 && options.cached_kernels == 1024);
  CHECK(options.cache_bytes == (uint64_t)256 << 20);
  CHECK(!options.target_cpu && !options.cache_directory && !options.log && !options.log_user_data);
  CHECK(options.compile_policy == NORMA_COMPILE_OPTIMIZED && !options.tools);
  norma_engine_options_init(NULL);
}

static void test_create(void) {
  norma_engine_options options;
  norma_engine *engine = NULL;
  norma_string *text = NULL;
  int64_t threads = 0;

  norma_engine_options_init(&options);
  options.cache_directory = "off";
  options.target_cpu = "x86-64-v3";
  options.threads = 3;
  options.cached_kernels = 2;
  CHECK_OK(norma_engine_create(&options, &engine));
  CHECK_OK(norma_engine_get_threads(engine, &threads));
  CHECK(threads == 3);
  CHECK_OK(norma_engine_get_target_cpu(engine, &text));
  CHECK(strcmp(norma_string_data(text), "x86-64-v3") == 0 && norma_string_size(text) == 9);
  norma_string_destroy(text);
  CHECK_OK(norma_engine_get_cache_directory(engine, &text));
  CHECK(norma_string_size(text) == 0 && norma_string_data(text)[0] == 0);
  norma_string_destroy(text);
  norma_engine_destroy(engine);
  norma_engine_destroy(NULL);
  norma_string_destroy(NULL);
  CHECK(norma_string_size(NULL) == 0 && norma_string_data(NULL)[0] == 0);

  CHECK_OK(norma_engine_create(NULL, &engine));
  CHECK_OK(norma_engine_get_threads(engine, &threads));
  CHECK(threads >= 1);
  norma_engine_destroy(engine);

  engine = NULL;
  options.threads = -1;
  CHECK_FAILS(norma_engine_create(&options, &engine), NORMA_INVALID_ARGUMENT,
              "threads: -1, expected 1 to 4096, or 0 for all cores");
  options.threads = ((int64_t)1 << 32) + 1;
  CHECK(norma_engine_create(&options, &engine) == NORMA_INVALID_ARGUMENT);
  options.threads = 1;
  options.cached_kernels = 0;
  CHECK(norma_engine_create(&options, &engine) == NORMA_INVALID_ARGUMENT);
  options.cached_kernels = 1;
  options.target_cpu = "abacus";
  CHECK(norma_engine_create(&options, &engine) != NORMA_OK);
  CHECK(strstr(norma_error_message(), "abacus"));
  options.target_cpu = NULL;
  options.compile_policy = 2;
  CHECK_FAILS(norma_engine_create(&options, &engine), NORMA_INVALID_ARGUMENT,
              "compile_policy: 2, expected 0 to 1");
  options.compile_policy = NORMA_COMPILE_TIERED;
  options.tools = "strace";
  CHECK(norma_engine_create(&options, &engine) == NORMA_INVALID_ARGUMENT);
  CHECK(strstr(norma_error_message(), "strace"));
  CHECK(engine == NULL);
}

/// A program of another version has structs of another size.
static void test_struct_sizes(void) {
  struct {
    norma_engine_options known;
    uint64_t later[2];
  } newer;
  struct {
    norma_engine_stats known;
    uint64_t later[2];
  } stats;
  norma_engine_options options;
  norma_engine *engine = NULL;
  int64_t threads = 0;
  char expected[128];

  // An older one: what it does not know has its default.
  memset(&newer, 0xff, sizeof(newer));
  norma_engine_options_init_sized(&newer.known, offsetof(norma_engine_options, threads));
  CHECK(newer.known.struct_size == offsetof(norma_engine_options, threads));
  CHECK(newer.known.threads == -1);
  newer.known.cache_directory = "off";
  CHECK_OK(norma_engine_create(&newer.known, &engine));
  CHECK_OK(norma_engine_get_threads(engine, &threads));
  CHECK(threads >= 1);
  norma_engine_destroy(engine);
  // The oldest has nothing but its size.
  options.struct_size = sizeof(size_t);
  CHECK_OK(norma_engine_create(&options, &engine));
  norma_engine_destroy(engine);
  engine = NULL;

  // A newer one: what this library does not know must not be asked for.
  memset(&newer, 0xff, sizeof(newer));
  norma_engine_options_init_sized(&newer.known, sizeof(newer));
  CHECK(newer.known.struct_size == sizeof(newer) && newer.later[0] == 0 && newer.later[1] == 0);
  newer.known.cache_directory = "off";
  newer.known.threads = 2;
  CHECK_OK(norma_engine_create(&newer.known, &engine));
  stats.known.struct_size = sizeof(stats);
  stats.later[1] = 1;
  CHECK_OK(norma_engine_get_stats(engine, &stats.known));
  CHECK(stats.known.struct_size == sizeof(stats) && stats.later[1] == 0);
  stats.known.struct_size = offsetof(norma_engine_stats, misses);
  stats.known.misses = 77;
  CHECK_OK(norma_engine_get_stats(engine, &stats.known));
  CHECK(stats.known.misses == 77);
  stats.known.struct_size = 0;
  CHECK(norma_engine_get_stats(engine, &stats.known) == NORMA_INVALID_ARGUMENT);
  norma_engine_destroy(engine);
  engine = NULL;
  newer.later[1] = 1;
  snprintf(expected, sizeof(expected),
           "options: byte %d of %d is not zero, but this version, %s, knows only the first %d",
           (int)sizeof(norma_engine_options) + 8, (int)sizeof(newer), norma_version(),
           (int)sizeof(norma_engine_options));
  CHECK_FAILS(norma_engine_create(&newer.known, &engine), NORMA_UNSUPPORTED, expected);

  // A size that was never set.
  norma_engine_options_init(&options);
  options.struct_size = 0;
  snprintf(expected, sizeof(expected),
           "options: struct_size 0, expected %d, the size of the struct", (int)sizeof(options));
  CHECK_FAILS(norma_engine_create(&options, &engine), NORMA_INVALID_ARGUMENT, expected);
  options.struct_size = SIZE_MAX;
  CHECK(norma_engine_create(&options, &engine) == NORMA_INVALID_ARGUMENT);
  options.struct_size = sizeof(options) - 1;
  CHECK(norma_engine_create(&options, &engine) == NORMA_INVALID_ARGUMENT);
  CHECK(engine == NULL);
}

/// Programs that were compiled with this version count on it: what is new goes to the end.
static void test_layouts(void) {
  if (sizeof(void *) != 8)
    return;
  CHECK(offsetof(norma_engine_options, threads) == 56);
  CHECK(offsetof(norma_engine_options, tools) == 72);
  CHECK(offsetof(norma_engine_stats, object_bytes) == 64);
  CHECK(offsetof(norma_engine_stats, swaps) == 80);
  CHECK(offsetof(norma_tensor, strides) == 24 && sizeof(norma_tensor) == 32);
  CHECK(offsetof(norma_normalization_options, run_eagerly) == 84);
  CHECK(offsetof(norma_adapt_options, progress_milliseconds) == 56);
  CHECK(offsetof(norma_adapt_progress, bytes) == 32);
  CHECK(offsetof(norma_batch_normalization_options, output_dtype) == 84);
  CHECK(offsetof(norma_program_options, lowering) == 16);
}

static void normalize_once(norma_engine *engine, int64_t columns) {
  float data[64];
  int64_t shape[2];
  norma_tensor x;
  norma_normalization *layer = NULL;
  shape[0] = 64 / columns;
  shape[1] = columns;
  fill(data, 64, 1);
  x = view_f32(data, 2, shape);
  CHECK_OK(norma_normalization_create(engine, NULL, &layer));
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));
  CHECK_OK(norma_normalization_apply(layer, &x, &x));
  norma_normalization_destroy(layer);
}

static void test_stats_and_cache(const char *directory) {
  norma_engine_options options;
  norma_engine *engine = NULL;
  norma_engine_stats stats;
  norma_string *text = NULL;
  norma_engine_options_init(&options);
  options.cache_directory = directory;
  CHECK_OK(norma_engine_create(&options, &engine));
  CHECK_OK(norma_engine_get_cache_directory(engine, &text));
  CHECK(strcmp(norma_string_data(text), directory) == 0);
  norma_string_destroy(text);
  normalize_once(engine, 4);
  normalize_once(engine, 4);
  stats.struct_size = sizeof(stats);
  CHECK_OK(norma_engine_get_stats(engine, &stats));
  CHECK(stats.compiles == 2 && stats.misses == 2 && stats.memory_hits >= 2);
  CHECK(stats.disk_hits == 0 && stats.failures == 0);
  CHECK(stats.compile_milliseconds > 0 && stats.load_milliseconds > 0 && stats.object_bytes > 0);
  norma_engine_destroy(engine);

  CHECK_OK(norma_engine_create(&options, &engine));
  normalize_once(engine, 4);
  CHECK_OK(norma_engine_get_stats(engine, &stats));
  CHECK(stats.compiles == 0 && stats.disk_hits == 2);
  norma_engine_destroy(engine);
}

/// Both kernels are compiled twice: in a hurry, and as well as possible behind the calls.
static void test_tiers(void) {
  norma_engine_options options;
  norma_engine *engine = NULL;
  norma_engine_stats stats;
  norma_engine_options_init(&options);
  options.cache_directory = "off";
  options.compile_policy = NORMA_COMPILE_TIERED;
  CHECK_OK(norma_engine_create(&options, &engine));
  normalize_once(engine, 4);
  CHECK_OK(norma_engine_finish_compiling(engine));
  stats.struct_size = sizeof(stats);
  CHECK_OK(norma_engine_get_stats(engine, &stats));
  CHECK(stats.compiles == 4 && stats.quick_compiles == 2 && stats.swaps == 2);
  norma_engine_destroy(engine);
}

typedef struct log_record {
  int messages;
  char last[512];
} log_record;

static void record(const char *message, void *user_data) {
  log_record *log = user_data;
  ++log->messages;
  snprintf(log->last, sizeof(log->last), "%s", message);
}

/// A directory that others may write to is not used, and the log says so.
static void test_log(const char *directory) {
  log_record log = {0, ""};
  norma_engine_options options;
  norma_engine *engine = NULL;
  CHECK(chmod(directory, 0777) == 0);
  norma_engine_options_init(&options);
  options.cache_directory = directory;
  options.log = record;
  options.log_user_data = &log;
  CHECK_OK(norma_engine_create(&options, &engine));
  normalize_once(engine, 8);
  norma_engine_destroy(engine);
  CHECK(log.messages > 0 && strstr(log.last, directory));
  CHECK(chmod(directory, 0700) == 0);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  test_version();
  test_options();
  test_create();
  test_struct_sizes();
  test_layouts();
  test_stats_and_cache(arguments[1]);
  test_tiers();
  test_log(arguments[1]);
  return 0;
}
