/* Calls the functions of functions.mlir, as C99 and as C++. */

#include "functions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int failures = 0;

static void expect(int holds, const char *what) {
  if (holds)
    return;
  printf("wrong: %s\n", what);
  ++failures;
}

int main(void) {
  const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  float y[12];
  double m[3];
  demo_standardize(4, x, y, m);
  expect(m[0] == 5.5 && m[2] == 7.5, "the mean");
  expect(fabsf(y[0] + 1.34164079f) < 1e-6f && y[0] == -y[9], "standardize");

  const int16_t numbers[6] = {1, 2, 3, 4, 5, 6};
  int16_t same[6];
  demo_flatten_flat flat;
  demo_flatten(2, 3, numbers, same, &flat);
  expect(flat.shape[0] == 6 && flat.data[5] == 6 && flat.data[0] == 1, "flatten");
  expect(same[0] == 1 && same[5] == 6, "a result that is an argument");
  free(flat.memory);

  const double z[5] = {0, 1, 2, 3, 4};
  demo_halves_result0 first;
  demo_halves_result1 odd;
  demo_halves(5, z, &first, &odd);
  expect(first.shape[0] == 2 && first.data[0] == 0 && first.data[1] == 1, "the first half");
  expect(odd.shape[0] == 2 && odd.data[0] == 1 && odd.data[1] == 3, "the odd ones");
  free(first.memory);
  free(odd.memory);

  float even[6], turned[12], last = 5, result = 0;
  demo_columns(3, x, &last, even, turned, &result);
  expect(even[0] == 1 && even[1] == 3 && even[5] == 11, "every second column");
  expect(turned[1] == 5 && turned[11] == 12, "transposed");
  expect(result == 5, "one element");
  /* No rows: nothing is looked at. */
  demo_columns(0, NULL, &last, NULL, NULL, &result);

  const float eight[8] = {0};
  float exponents[8];
  demo_twice(eight, exponents);
  expect(fabsf(exponents[7] - 2.71828183f) < 1e-6f, "exp of exp");

  uint8_t table[4];
  demo_table(table);
  expect(table[0] == 1 && table[1] == 0 && table[2] == 0 && table[3] == 1, "bits");

  double ones[3], steps[3];
  demo_ones(ones);
  demo_steps(steps);
  expect(ones[0] == 1 && ones[2] == 1 && steps[0] == 0 && steps[2] == 2, "constants");
  printf("%d failures\n", failures);
  return failures != 0;
}
