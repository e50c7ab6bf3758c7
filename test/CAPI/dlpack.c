//===- dlpack.c - Tensors from and for other libraries --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <dlpack/dlpack.h>

static int deletions;
static void count_deletion(DLManagedTensor *managed) {
  (void)managed;
  ++deletions;
}

static DLDataType type_of(int code, int bits, int lanes) {
  DLDataType type;
  type.code = (uint8_t)code;
  type.bits = (uint8_t)bits;
  type.lanes = (uint16_t)lanes;
  return type;
}

static DLManagedTensor managed_f32(float *data, int rank, int64_t *shape) {
  DLManagedTensor managed;
  memset(&managed, 0, sizeof(managed));
  managed.dl_tensor.data = data;
  managed.dl_tensor.device.device_type = kDLCPU;
  managed.dl_tensor.ndim = rank;
  managed.dl_tensor.dtype = type_of(kDLFloat, 32, 1);
  managed.dl_tensor.shape = shape;
  managed.deleter = count_deletion;
  return managed;
}

static void test_borrow(void) {
  float data[] = {0, 1, 2, 3, 4, 5, 6, 7};
  int64_t shape[] = {2, 3}, strides[] = {1, 2};
  DLManagedTensor managed = managed_f32(data, 2, shape);
  norma_tensor tensor;
  norma_array *copy = NULL;

  CHECK_OK(norma_tensor_from_dlpack(&managed, &tensor));
  CHECK(tensor.data == data && tensor.dtype == NORMA_DTYPE_F32 && tensor.rank == 2);
  CHECK(tensor.shape == shape && tensor.strides == NULL);

  managed.dl_tensor.byte_offset = 2 * sizeof(float);
  managed.dl_tensor.strides = strides;
  CHECK_OK(norma_tensor_from_dlpack(&managed, &tensor));
  CHECK(tensor.data == data + 2 && tensor.strides == strides);
  CHECK_OK(norma_array_copy(&tensor, &copy));
  CHECK_OK(norma_array_view(copy, &tensor));
  CHECK(((float *)tensor.data)[0] == 2 && ((float *)tensor.data)[1] == 4);
  CHECK(((float *)tensor.data)[3] == 3 && ((float *)tensor.data)[5] == 7);
  norma_array_destroy(copy);
  CHECK(deletions == 0);
}

static void test_types(void) {
  static const struct {
    int code, bits;
    norma_dtype dtype;
  } expected[] = {
      {kDLFloat, 32, NORMA_DTYPE_F32}, {kDLFloat, 64, NORMA_DTYPE_F64},
      {kDLFloat, 16, NORMA_DTYPE_F16}, {kDLBfloat, 16, NORMA_DTYPE_BF16},
      {kDLInt, 8, NORMA_DTYPE_I8},     {kDLUInt, 8, NORMA_DTYPE_U8},
      {kDLInt, 16, NORMA_DTYPE_I16},   {kDLUInt, 16, NORMA_DTYPE_U16},
      {kDLInt, 32, NORMA_DTYPE_I32},   {kDLInt, 64, NORMA_DTYPE_I64},
      {6, 8, NORMA_DTYPE_BOOL},
  };
  float data[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t shape[] = {4};
  DLManagedTensor managed = managed_f32(data, 1, shape), *exported = NULL;
  norma_tensor tensor;
  norma_array *array = NULL;
  size_t i;
  for (i = 0; i < sizeof(expected) / sizeof(*expected); ++i) {
    managed.dl_tensor.dtype = type_of(expected[i].code, expected[i].bits, 1);
    CHECK_OK(norma_tensor_from_dlpack(&managed, &tensor));
    CHECK(tensor.dtype == expected[i].dtype);
    // And back.
    CHECK_OK(norma_array_create(expected[i].dtype, 1, shape, &array));
    CHECK_OK(norma_array_to_dlpack(array, &exported));
    CHECK(exported->dl_tensor.dtype.code == expected[i].code);
    CHECK(exported->dl_tensor.dtype.bits == expected[i].bits);
    CHECK(exported->dl_tensor.dtype.lanes == 1);
    exported->deleter(exported);
  }
}

static void test_refused(void) {
  float data[4] = {0, 0, 0, 0};
  int64_t shape[] = {4};
  const DLManagedTensor good = managed_f32(data, 1, shape);
  DLManagedTensor managed = good;
  norma_tensor tensor;
  memset(&tensor, 0, sizeof(tensor));

  CHECK_NULL(norma_tensor_from_dlpack(NULL, &tensor), "managed");
  CHECK_NULL(norma_tensor_from_dlpack(&good, NULL), "tensor");
  managed.dl_tensor.device.device_type = kDLCUDA;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_UNSUPPORTED,
              "managed: on a device of type 2, expected 1, the CPU");
  managed.dl_tensor.device.device_type = (DLDeviceType)1000;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_UNSUPPORTED,
              "managed: on a device of type 1000, expected 1, the CPU");
  managed = good;
  managed.dl_tensor.dtype = type_of(kDLFloat, 32, 4);
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_UNSUPPORTED,
              "managed: a type of code 2, 32 bits and 4 lanes, expected one of norma's");
  managed.dl_tensor.dtype = type_of(kDLComplex, 64, 1);
  CHECK(norma_tensor_from_dlpack(&managed, &tensor) == NORMA_UNSUPPORTED);
  managed.dl_tensor.dtype = type_of(kDLUInt, 32, 1);
  CHECK(norma_tensor_from_dlpack(&managed, &tensor) == NORMA_UNSUPPORTED);
  managed = good;
  managed.dl_tensor.ndim = 17;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_INVALID_ARGUMENT,
              "managed: rank 17, expected 0 to 16");
  managed = good;
  managed.dl_tensor.shape = NULL;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_INVALID_ARGUMENT,
              "managed: shape is null, expected 1 extents");
  managed = good;
  managed.dl_tensor.byte_offset = UINT64_MAX;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_INVALID_ARGUMENT,
              "managed: byte_offset 18446744073709551615 reaches out of the address space");
  managed = good;
  managed.dl_tensor.data = NULL;
  managed.dl_tensor.byte_offset = 16;
  CHECK_FAILS(norma_tensor_from_dlpack(&managed, &tensor), NORMA_INVALID_ARGUMENT,
              "managed: data is null; expected 4 elements");
  CHECK(tensor.data == NULL && tensor.shape == NULL);
  CHECK(deletions == 0);
}

/// There and back: what comes out of norma goes into it, through its own deleter once.
static void (*real_deleter)(DLManagedTensor *);
static void count_and_delete(DLManagedTensor *managed) {
  ++deletions;
  real_deleter(managed);
}

static void test_round_trip(void) {
  const int64_t shape[] = {3, 2};
  DLManagedTensor *managed = NULL;
  norma_array *array = NULL;
  norma_tensor before, after;
  int i;

  CHECK_OK(norma_array_create(NORMA_DTYPE_F64, 2, shape, &array));
  CHECK_OK(norma_array_view(array, &before));
  for (i = 0; i < 6; ++i)
    ((double *)before.data)[i] = i;
  CHECK_NULL(norma_array_to_dlpack(NULL, &managed), "array");
  CHECK_NULL(norma_array_to_dlpack(array, NULL), "managed");
  CHECK_OK(norma_array_to_dlpack(array, &managed));

  CHECK(managed->dl_tensor.device.device_type == kDLCPU);
  CHECK(managed->dl_tensor.byte_offset == 0);
  CHECK((uintptr_t)managed->dl_tensor.data % 64 == 0);
  CHECK(managed->dl_tensor.strides && managed->dl_tensor.strides[0] == 2);
  CHECK_OK(norma_tensor_from_dlpack(managed, &after));
  CHECK(after.data == before.data && after.rank == 2 && after.shape[0] == 3);
  for (i = 0; i < 6; ++i)
    CHECK(((double *)after.data)[i] == i);

  deletions = 0;
  real_deleter = managed->deleter;
  managed->deleter = count_and_delete;
  managed->deleter(managed);
  CHECK(deletions == 1);
}

int main(void) {
  test_borrow();
  test_types();
  test_refused();
  test_round_trip();
  return 0;
}
