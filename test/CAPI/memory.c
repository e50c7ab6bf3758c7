//===- memory.c - What happens where memory runs out ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <sys/resource.h>
#include <unistd.h>

/// Lets the process have so many bytes more than it has now; 0 for any number.
static void limit_memory(size_t more) {
  struct rlimit limit;
  long pages = 0;
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  if (more) {
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%ld", &pages) == 1 && fclose(file) == 0);
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
  }
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

int main(void) {
  const size_t count = (size_t)1 << 24;
  const int64_t shape[] = {(int64_t)1 << 24}, small[] = {3};
  double *const zeros = calloc(count, sizeof(*zeros));
  float data[3] = {1, 2, 3};
  const norma_tensor x = view_f32(data, 1, small);
  norma_statistics *statistics = NULL;
  norma_engine *engine = make_engine();
  norma_normalization *layer = NULL;
  norma_array *array = NULL;
  double mean = 0;
  norma_normalization_options options;
  CHECK(zeros);
  norma_normalization_options_init(&options);
  options.axis_count = 0;
  CHECK_OK(norma_normalization_create(engine, &options, &layer));
  CHECK_OK(norma_normalization_adapt(layer, &x, NULL));

  limit_memory((size_t)1 << 25);
  CHECK_FAILS(norma_statistics_create(1, shape, zeros, zeros, zeros, &statistics),
              NORMA_RESOURCE_EXHAUSTED, "out of memory");
  CHECK_FAILS(norma_array_create(NORMA_DTYPE_F64, 1, shape, &array), NORMA_RESOURCE_EXHAUSTED,
              "no memory for an array of shape (16777216,) and type f64");
  CHECK(!statistics && !array);
  // What was there works on.
  CHECK_OK(norma_normalization_get_moments(layer, &mean, NULL, 1));
  CHECK(mean == 2);
  CHECK_OK(norma_normalization_apply(layer, &x, &x));
  CHECK(data[1] == 0);

  limit_memory(0);
  CHECK_OK(norma_statistics_create(1, shape, zeros, zeros, zeros, &statistics));
  norma_statistics_destroy(statistics);
  norma_normalization_destroy(layer);
  norma_engine_destroy(engine);
  free(zeros);
  return 0;
}
