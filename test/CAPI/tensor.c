//===- tensor.c - Views, arrays and element types -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <limits.h>

static void test_dtypes(void) {
  static const struct {
    norma_dtype dtype;
    const char *name;
    size_t size;
  } expected[] = {{NORMA_DTYPE_F32, "f32", 4},
                  {NORMA_DTYPE_F64, "f64", 8},
                  {NORMA_DTYPE_F16, "f16", 2},
                  {NORMA_DTYPE_BF16, "bf16", 2},
                  {NORMA_DTYPE_I8, "i8", 1},
                  {NORMA_DTYPE_U8, "u8", 1},
                  {NORMA_DTYPE_I16, "i16", 2},
                  {NORMA_DTYPE_U16, "u16", 2},
                  {NORMA_DTYPE_I32, "i32", 4},
                  {NORMA_DTYPE_I64, "i64", 8},
                  {NORMA_DTYPE_BOOL, "bool", 1},
                  {NORMA_DTYPE_DEFAULT, "unknown", 0},
                  {11, "unknown", 0},
                  {INT32_MAX, "unknown", 0},
                  {INT32_MIN, "unknown", 0}};
  size_t i;
  for (i = 0; i < sizeof(expected) / sizeof(*expected); ++i) {
    CHECK(norma_dtype_size(expected[i].dtype) == expected[i].size);
    CHECK(strcmp(norma_dtype_name(expected[i].dtype), expected[i].name) == 0);
  }
}

static void test_arrays(void) {
  const int64_t shape[] = {3, 2};
  const int64_t empty[] = {5, 0};
  norma_array *array = NULL;
  norma_tensor view;

  CHECK_OK(norma_array_create(NORMA_DTYPE_F64, 2, shape, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(view.dtype == NORMA_DTYPE_F64 && view.rank == 2);
  CHECK(view.shape[0] == 3 && view.shape[1] == 2);
  CHECK(view.strides[0] == 2 && view.strides[1] == 1);
  CHECK(view.data && (uintptr_t)view.data % 64 == 0);
  memset(view.data, 0, 6 * sizeof(double));
  norma_array_destroy(array);

  CHECK_OK(norma_array_create(NORMA_DTYPE_BOOL, 2, empty, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(view.shape[0] == 5 && view.shape[1] == 0);
  norma_array_destroy(array);

  CHECK_OK(norma_array_create(NORMA_DTYPE_I64, 0, NULL, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(view.rank == 0 && view.data);
  norma_array_destroy(array);
  norma_array_destroy(NULL);
}

static void test_copy(void) {
  int32_t data[] = {1, 2, 3, 4, 5, 6};
  const int64_t shape[] = {3, 2};
  const int64_t transposed[] = {1, 3}, backwards[] = {-2, -1};
  norma_tensor tensor = {data, NORMA_DTYPE_I32, 2, shape, transposed};
  norma_tensor view;
  norma_array *array = NULL;

  CHECK_OK(norma_array_copy(&tensor, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(((int32_t *)view.data)[0] == 1 && ((int32_t *)view.data)[1] == 4);
  CHECK(((int32_t *)view.data)[4] == 3 && ((int32_t *)view.data)[5] == 6);
  norma_array_destroy(array);

  tensor.data = data + 5;
  tensor.strides = backwards;
  CHECK_OK(norma_array_copy(&tensor, &array));
  CHECK_OK(norma_array_view(array, &view));
  CHECK(((int32_t *)view.data)[0] == 6 && ((int32_t *)view.data)[5] == 1);
  norma_array_destroy(array);
}

/// Whatever a view says, it is looked at before any element is.
static void test_hostile_views(void) {
  float data[4] = {0, 0, 0, 0};
  const int64_t shape[] = {2, 2};
  const int64_t negative[] = {2, -2};
  const int64_t huge[] = {INT64_MAX, 2};
  const int64_t large[] = {INT64_MAX / 2};
  const int64_t far[] = {INT64_MAX, 1};
  const norma_tensor good = {data, NORMA_DTYPE_F32, 2, shape, NULL};
  norma_array *const untouched = (norma_array *)data;
  norma_array *array = untouched;
  norma_tensor tensor = good;

  CHECK_NULL(norma_array_copy(NULL, &array), "tensor");
  CHECK_NULL(norma_array_copy(&good, NULL), "array");
  CHECK_NULL(norma_array_view(NULL, &tensor), "array");
  tensor.rank = 17;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: rank 17, expected 0 to 16");
  tensor.rank = INT32_MIN;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: rank -2147483648, expected 0 to 16");
  tensor = good;
  tensor.shape = NULL;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: shape is null, expected 2 extents");
  tensor.shape = negative;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: shape (2, -2): an extent is -2; expected 0 or more");
  tensor.shape = huge;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: shape (9223372036854775807, 2): the number of elements overflows 63 bits");
  tensor = good;
  tensor.strides = far;
  CHECK(norma_array_copy(&tensor, &array) == NORMA_INVALID_ARGUMENT);
  tensor = good;
  tensor.data = NULL;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: data is null; expected 4 elements");
  tensor = good;
  tensor.dtype = 77;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: 77 is not an element type, expected 0 to 10");
  tensor.dtype = NORMA_DTYPE_DEFAULT;
  CHECK_FAILS(norma_array_copy(&tensor, &array), NORMA_INVALID_ARGUMENT,
              "tensor: -1 is not an element type, expected 0 to 10");

  CHECK_FAILS(norma_array_create(-2, 2, shape, &array), NORMA_INVALID_ARGUMENT,
              "dtype: -2 is not an element type, expected 0 to 10");
  CHECK_FAILS(norma_array_create(NORMA_DTYPE_F32, -1, shape, &array), NORMA_INVALID_ARGUMENT,
              "shape: rank -1, expected 0 to 16");
  CHECK(norma_array_create(NORMA_DTYPE_F32, 2, huge, &array) == NORMA_INVALID_ARGUMENT);
  CHECK(norma_array_create(NORMA_DTYPE_F64, 1, large, &array) == NORMA_RESOURCE_EXHAUSTED);
  CHECK_NULL(norma_array_create(NORMA_DTYPE_F32, 2, shape, NULL), "array");
  CHECK(array == untouched);
}

int main(void) {
  test_dtypes();
  test_arrays();
  test_copy();
  test_hostile_views();
  return 0;
}
