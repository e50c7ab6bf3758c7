//===- tensor.h - Tensors -----------------------------------------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_TENSOR_H
#define NORMA_C_TENSOR_H

#include "norma-c/support.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An element type. (Choices that are passed in are integers, because an unknown enumerator
/// is undefined behaviour in C++, and an error here.)
typedef int32_t norma_dtype;
enum {
  NORMA_DTYPE_F32 = 0,
  NORMA_DTYPE_F64 = 1,
  NORMA_DTYPE_F16 = 2,
  NORMA_DTYPE_BF16 = 3,
  NORMA_DTYPE_I8 = 4,
  NORMA_DTYPE_U8 = 5,
  NORMA_DTYPE_I16 = 6,
  NORMA_DTYPE_U16 = 7,
  NORMA_DTYPE_I32 = 8,
  NORMA_DTYPE_I64 = 9,
  /// One byte, 0 or 1.
  NORMA_DTYPE_BOOL = 10,
  /// In options: no choice, see there.
  NORMA_DTYPE_DEFAULT = -1
};

/// Bytes of one element; 0 for numbers that are no element type.
NORMA_API size_t norma_dtype_size(norma_dtype dtype);
/// "f32", "bf16", "bool"; "unknown" for numbers that are no element type.
NORMA_API const char *norma_dtype_name(norma_dtype dtype);

/// The largest rank of a tensor.
#define NORMA_MAX_RANK 16

/// A view of memory. Norma reads and writes elements, and owns nothing of it.
typedef struct norma_tensor {
  /// The element with all indices zero. May be null, if there are no elements.
  void *data;
  norma_dtype dtype;
  /// 0 to NORMA_MAX_RANK.
  int32_t rank;
  /// `rank` extents. May be null for rank 0.
  const int64_t *shape;
  /// `rank` distances in elements, of any sign; null for row-major and dense.
  const int64_t *strides;
} norma_tensor;

/// A dense, row-major tensor with memory of its own, aligned to 64 bytes.
typedef struct norma_array norma_array;

/// The elements are not initialized. The caller owns the array.
NORMA_API norma_status norma_array_create(norma_dtype dtype, int32_t rank, const int64_t *shape,
                                          norma_array **array);
/// Copies a tensor of any strides. The caller owns the array.
NORMA_API norma_status norma_array_copy(const norma_tensor *tensor, norma_array **array);
/// The view of an array. It, and its shape and strides, are valid as long as the array.
NORMA_API norma_status norma_array_view(const norma_array *array, norma_tensor *tensor);
NORMA_API void norma_array_destroy(norma_array *array);

/// DLPack's; programs that exchange tensors include its dlpack.h themselves.
struct DLManagedTensor;

/// The view of a tensor on the CPU, which must outlive it: data, shape and strides are those of
/// `managed`, whose deleter is not called.
NORMA_API norma_status norma_tensor_from_dlpack(const struct DLManagedTensor *managed,
                                                norma_tensor *tensor);
/// Hands an array over. The array is gone when this succeeds; the caller owns `*managed` and
/// calls its deleter.
NORMA_API norma_status norma_array_to_dlpack(norma_array *array, struct DLManagedTensor **managed);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_TENSOR_H
