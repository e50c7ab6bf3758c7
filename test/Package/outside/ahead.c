/* A kernel that is compiled with the program: it runs without norma. */

#include "columns.h"

#include <stdio.h>

int main(void) {
  const float row[] = {0, 9, 5}, center[] = {1, 8, 5}, scale[] = {1, 1, 1};
  float scaled[3];
  columns_scale(1, row, center, scale, scaled);
  printf("scaled: %g %g %g\n", scaled[0], scaled[1], scaled[2]);
  return 0;
}
