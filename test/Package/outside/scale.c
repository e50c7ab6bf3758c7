/* The same from C. */

#include <norma-c/norma.h>

#include <stdio.h>

static int failed(norma_status status) {
  if (status != NORMA_OK)
    fprintf(stderr, "error: %s\n", norma_error_message());
  return status != NORMA_OK;
}

int main(void) {
  float table[4][3] = {{0, 7, 4}, {2, 9, 6}, {0, 7, 4}, {2, 9, 6}};
  float row[1][3] = {{0, 9, 5}};
  const int64_t table_shape[] = {4, 3}, row_shape[] = {1, 3};
  const norma_tensor data = {table, NORMA_DTYPE_F32, 2, table_shape, NULL};
  const norma_tensor x = {row, NORMA_DTYPE_F32, 2, row_shape, NULL};
  norma_engine_options options;
  norma_engine *engine = NULL;
  norma_normalization *layer = NULL;
  int failure;

  norma_engine_options_init(&options);
  options.cache_directory = "off";
  failure = failed(norma_engine_create(&options, &engine)) ||
            failed(norma_normalization_create(engine, NULL, &layer)) ||
            failed(norma_normalization_adapt(layer, &data, NULL)) ||
            failed(norma_normalization_apply(layer, &x, &x));
  if (!failure)
    printf("scaled: %g %g %g\n", row[0][0], row[0][1], row[0][2]);
  norma_normalization_destroy(layer);
  norma_engine_destroy(engine);
  return failure;
}
