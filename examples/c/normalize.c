//===- normalize.c - Adapt a layer and normalize, from C ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Learns the mean and variance of every column of a small table, normalizes the
// table in place, and writes what was learned to the file that it is given.
//
//===----------------------------------------------------------------------===//

#include "norma-c/norma.h"

#include <stdio.h>
#include <stdlib.h>

/// Ends the program with the message of a call that failed.
static void check(norma_status status) {
  if (status == NORMA_OK)
    return;
  fprintf(stderr, "error: %s (%s)\n", norma_error_message(), norma_status_name(status));
  exit(EXIT_FAILURE);
}

static void print(const char *what, const double *values, int count) {
  int i;
  printf("%s:", what);
  for (i = 0; i < count; ++i)
    printf(" %.9g", values[i]);
  printf("\n");
}

int main(int argument_count, char **arguments) {
  // A tensor is a view: the memory stays yours.
  float table[4][3] = {{0, 7, 4}, {2, 9, 6}, {0, 7, 4}, {2, 9, 6}};
  const int64_t shape[] = {4, 3};
  const norma_tensor x = {table, NORMA_DTYPE_F32, 2, shape, NULL};
  norma_engine *engine = NULL;
  norma_normalization_options options;
  norma_normalization *layer = NULL;
  double mean[3], variance[3], row[3];
  int i;

  if (argument_count != 2) {
    fprintf(stderr, "usage: %s STATE-FILE\n", arguments[0]);
    return EXIT_FAILURE;
  }

  check(norma_engine_create(NULL, &engine));
  norma_normalization_options_init(&options);
  options.epsilon = 1e-3;
  check(norma_normalization_create(engine, &options, &layer));
  // The layer keeps what it needs of the engine.
  norma_engine_destroy(engine);

  check(norma_normalization_adapt(layer, &x, NULL));
  check(norma_normalization_get_moments(layer, mean, variance, 3));
  print("mean", mean, 3);
  print("variance", variance, 3);

  check(norma_normalization_apply(layer, &x, &x));
  for (i = 0; i < 3; ++i)
    row[i] = table[0][i];
  print("first row", row, 3);

  check(norma_normalization_save(layer, arguments[1]));
  norma_normalization_destroy(layer);
  return EXIT_SUCCESS;
}
