//===- normalization.h - The layer Normalization ------------------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_NORMALIZATION_H
#define NORMA_C_NORMALIZATION_H

#include "norma-c/engine.h"
#include "norma-c/statistics.h"
#include "norma-c/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The layer that Keras calls Normalization: (x - mean) / max(sqrt(variance), epsilon) for every
/// kept index, with mean and variance given, or adapted to data.
typedef struct norma_normalization norma_normalization;

/// What normalization does with a feature whose variance is zero.
enum {
  /// Divide by max(sqrt(variance), epsilon), as Keras does.
  NORMA_ZERO_VARIANCE_CLAMP = 0,
  /// Divide by one where the feature is constant, as scikit-learn does.
  NORMA_ZERO_VARIANCE_UNIT = 1
};

/// What a NaN in the data does to the statistics of its kept index.
enum {
  /// It makes mean and variance NaN.
  NORMA_NAN_PROPAGATE = 0,
  /// It is left out, and not counted.
  NORMA_NAN_OMIT = 1
};

typedef struct norma_normalization_options {
  size_t struct_size;
  /// The kept axes; negative ones count from the back. None of them (a count of 0): one mean and
  /// one variance for all elements. Default: -1.
  const int64_t *axis;
  size_t axis_count;
  /// Both or neither: given statistics of any type, broadcast to the kept extents from the
  /// right. Rank 0 is a scalar.
  const norma_tensor *mean, *variance;
  /// The smallest standard deviation divided by, unless NORMA_ZERO_VARIANCE_UNIT. 1e-7.
  double epsilon;
  /// Batches of an adapt that are handed to one kernel call. 1.
  int64_t steps_per_execution;
  /// "normalization".
  const char *name;
  /// Whether to undo the normalization instead. 0.
  int32_t invert;
  /// NORMA_ZERO_VARIANCE_CLAMP.
  int32_t zero_variance;
  /// NORMA_NAN_PROPAGATE.
  int32_t nan_policy;
  /// The type inputs are converted to before the formula: NORMA_DTYPE_F32 (default) or F64.
  norma_dtype compute_dtype;
  /// The type of new arrays: a float. NORMA_DTYPE_DEFAULT: the compute type.
  norma_dtype output_dtype;
  /// Whether to run on the f64 reference instead of kernels, for debugging. 0. The engine may be
  /// null then.
  int32_t run_eagerly;
} norma_normalization_options;

NORMA_API void norma_normalization_options_init_sized(norma_normalization_options *options,
                                                      size_t struct_size);
static inline void norma_normalization_options_init(norma_normalization_options *options) {
  norma_normalization_options_init_sized(options, sizeof(*options));
}

/// The caller owns the layer.
NORMA_API norma_status norma_normalization_create(norma_engine *engine,
                                                  const norma_normalization_options *options,
                                                  norma_normalization **layer);
NORMA_API void norma_normalization_destroy(norma_normalization *layer);

/// Fixes the rank and the kept extents; reduced extents may be unknown (-1). Calls with data
/// build the layer when needed.
NORMA_API norma_status norma_normalization_build(norma_normalization *layer, int32_t rank,
                                                 const int64_t *shape);

/// How far an adapt is.
typedef struct norma_adapt_progress {
  /// Bytes that the library knows of this struct.
  size_t struct_size;
  /// Elements that were looked at, and all that there are.
  int64_t elements, total_elements;
  /// Batches that are finished.
  int64_t batches;
  /// Bytes of the elements.
  uint64_t bytes;
} norma_adapt_progress;

/// Hears how far an adapt is, on the thread that called it; anything but 0 cancels it, and the
/// layer stays as it was.
typedef int32_t (*norma_progress_callback)(const norma_adapt_progress *progress, void *user_data);

typedef struct norma_adapt_options {
  size_t struct_size;
  /// Rows of axis 0 that make a batch; 0 (default) for all of them.
  int64_t batch_size;
  /// Stop after so many batches; 0 (default) for all.
  int64_t steps;
  /// What enters the statistics, and how much: broadcast to the data from the left, so that one
  /// number per sample has shape (N). May be null.
  const norma_tensor *mask, *weights;
  /// Called about every `progress_milliseconds`, and when all data were looked at. May be null.
  norma_progress_callback progress;
  void *progress_user_data;
  /// 50 (default); 0: after every block of data.
  int64_t progress_milliseconds;
} norma_adapt_options;

NORMA_API void norma_adapt_options_init_sized(norma_adapt_options *options, size_t struct_size);
static inline void norma_adapt_options_init(norma_adapt_options *options) {
  norma_adapt_options_init_sized(options, sizeof(*options));
}

/// Forgets what was seen and learns the statistics of `data`. NORMA_CANCELLED if its progress
/// callback says so.
NORMA_API norma_status norma_normalization_adapt(norma_normalization *layer,
                                                 const norma_tensor *data,
                                                 const norma_adapt_options *options);
/// Adds one batch to the statistics; finalize before the layer is applied. `mask` and `weights`
/// may be null.
NORMA_API norma_status norma_normalization_update(norma_normalization *layer,
                                                  const norma_tensor *data,
                                                  const norma_tensor *mask,
                                                  const norma_tensor *weights);
/// Adds statistics gathered elsewhere to those of a built layer; finalize before it is applied.
NORMA_API norma_status norma_normalization_merge(norma_normalization *layer,
                                                 const norma_statistics *statistics);
/// Forgets all data: the layer is an identity again.
NORMA_API norma_status norma_normalization_reset(norma_normalization *layer);
/// Makes the gathered statistics the ones that are applied.
NORMA_API norma_status norma_normalization_finalize(norma_normalization *layer);

/// Normalizes `x` into `y`, of x's shape and a float type: x itself (the same memory, type and
/// strides), or memory that does not overlap it.
NORMA_API norma_status norma_normalization_apply(const norma_normalization *layer,
                                                 const norma_tensor *x, const norma_tensor *y);
/// The same into a new array. The caller owns it.
NORMA_API norma_status norma_normalization_apply_new(const norma_normalization *layer,
                                                     const norma_tensor *x, norma_array **y);

NORMA_API norma_status norma_normalization_get_built(const norma_normalization *layer,
                                                     int32_t *is_built);
/// Whether the statistics were learned from data, or loaded.
NORMA_API norma_status norma_normalization_get_adapted(const norma_normalization *layer,
                                                       int32_t *is_adapted);
/// The kept axes of a built layer, ascending; there are at most NORMA_MAX_RANK.
NORMA_API norma_status norma_normalization_get_axes(const norma_normalization *layer,
                                                    int64_t axes[NORMA_MAX_RANK], size_t *count);
/// The number of kept indices of a built layer: of its means.
NORMA_API norma_status norma_normalization_get_size(const norma_normalization *layer, size_t *size);
/// Copies mean and variance of every kept index, as they are applied; `size` is the number of
/// kept indices. Each of `mean` and `variance` may be null.
NORMA_API norma_status norma_normalization_get_moments(const norma_normalization *layer,
                                                       double *mean, double *variance, size_t size);
/// A copy of the gathered statistics of a built layer. The caller owns it.
NORMA_API norma_status norma_normalization_get_statistics(const norma_normalization *layer,
                                                          norma_statistics **statistics);

/// The configuration as JSON, without adapted statistics; docs/state-file.md lists the keys.
NORMA_API norma_status norma_normalization_get_config(const norma_normalization *layer,
                                                      norma_string **json);
/// The layer of a configuration. The caller owns it.
NORMA_API norma_status norma_normalization_from_config(norma_engine *engine, const char *json,
                                                       norma_normalization **layer);
/// Writes a built layer as a state file, atomically; see docs/state-file.md.
NORMA_API norma_status norma_normalization_save(const norma_normalization *layer, const char *path);
/// The layer of a state file. The caller owns it.
NORMA_API norma_status norma_normalization_load(norma_engine *engine, const char *path,
                                                norma_normalization **layer);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_NORMALIZATION_H
