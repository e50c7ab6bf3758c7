//===- batch_normalization.h - The layer BatchNormalization -------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_BATCH_NORMALIZATION_H
#define NORMA_C_BATCH_NORMALIZATION_H

#include "norma-c/engine.h"
#include "norma-c/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The layer that TensorFlow, Keras and PyTorch call BatchNormalization.
typedef struct norma_batch_normalization norma_batch_normalization;

/// What a forward call keeps for its gradient.
typedef struct norma_saved_forward norma_saved_forward;

/// Whose conventions a layer follows.
enum {
  /// tf.compat.v1.keras: not trainable still uses the batch's statistics in training.
  NORMA_PRESET_KERAS_V1 = 0,
  /// tf.keras 2.x.
  NORMA_PRESET_KERAS_V2 = 1,
  /// Keras 3: one kept axis, population variance.
  NORMA_PRESET_KERAS_3 = 2,
  /// torch.nn.BatchNorm: axis 1, epsilon 1e-5, momentum 0.1 of the new value, sample variance.
  NORMA_PRESET_PYTORCH = 3,
  /// ONNX BatchNormalization: axis 1, epsilon 1e-5, momentum 0.9 of the old value.
  NORMA_PRESET_ONNX = 4
};

/// The plain options; the others, such as initializers, are keys of a configuration, see
/// norma_batch_normalization_from_config(). Defaults are the preset's; those of Keras V2 are
/// given here.
typedef struct norma_batch_normalization_options {
  size_t struct_size;
  /// The kept axes; negative ones count from the back. At least one. -1.
  const int64_t *axis;
  size_t axis_count;
  /// The weight of the old value in moving averages; of the new one in NORMA_PRESET_PYTORCH. 0.99.
  double momentum;
  /// 1e-3.
  double epsilon;
  /// Samples of a ghost batch; 0 (default) for batches that are not cut.
  int64_t virtual_batch_size;
  /// "batch_normalization".
  const char *name;
  /// What norma_batch_normalization_options_init() was told.
  int32_t preset;
  /// Whether moving averages weigh all batches the same, whatever the momentum (PyTorch's
  /// momentum=None). 0.
  int32_t cumulative;
  /// Whether there are beta and gamma. 1.
  int32_t center, scale;
  /// Whether training corrects by moving statistics (batch renormalization). 0.
  int32_t renorm;
  /// 1.
  int32_t trainable;
  /// The type inputs are converted to before the formula, and that of the parameters:
  /// NORMA_DTYPE_F32 (default) or F64.
  norma_dtype compute_dtype;
  /// The type of new arrays: a float. NORMA_DTYPE_DEFAULT: the input's where it is a float, else
  /// the compute type.
  norma_dtype output_dtype;
} norma_batch_normalization_options;

NORMA_API void
norma_batch_normalization_options_init_sized(norma_batch_normalization_options *options,
                                             size_t struct_size, int32_t preset);
/// An unknown preset is an error of norma_batch_normalization_create().
static inline void
norma_batch_normalization_options_init(norma_batch_normalization_options *options, int32_t preset) {
  norma_batch_normalization_options_init_sized(options, sizeof(*options), preset);
}

/// The caller owns the layer. Null options: those of NORMA_PRESET_KERAS_V2.
NORMA_API norma_status norma_batch_normalization_create(
    norma_engine *engine, const norma_batch_normalization_options *options,
    norma_batch_normalization **layer);
NORMA_API void norma_batch_normalization_destroy(norma_batch_normalization *layer);

/// Fixes rank and kept extents and makes the weights; reduced extents may be unknown (-1). Calls
/// with data build the layer when needed.
NORMA_API norma_status norma_batch_normalization_build(norma_batch_normalization *layer,
                                                       int32_t rank, const int64_t *shape);

/// The layer in training mode: normalizes `x` into `y` and updates the moving statistics. `mask`
/// and `weights` may be null; `saved` may be, where no gradient is wanted. The caller owns
/// `*saved`.
NORMA_API norma_status norma_batch_normalization_train(norma_batch_normalization *layer,
                                                       const norma_tensor *x, const norma_tensor *y,
                                                       const norma_tensor *mask,
                                                       const norma_tensor *weights,
                                                       norma_saved_forward **saved);
/// The layer in inference mode, from its moving statistics; `y` as in norma_normalization_apply().
NORMA_API norma_status norma_batch_normalization_apply(const norma_batch_normalization *layer,
                                                       const norma_tensor *x,
                                                       const norma_tensor *y);
/// The same into a new array. The caller owns it.
NORMA_API norma_status norma_batch_normalization_apply_new(const norma_batch_normalization *layer,
                                                           const norma_tensor *x, norma_array **y);
/// Inference that a gradient can be had of (to train what is in front of a frozen layer). The
/// caller owns `*saved`.
NORMA_API norma_status norma_batch_normalization_apply_and_save(
    const norma_batch_normalization *layer, const norma_tensor *x, const norma_tensor *y,
    norma_saved_forward **saved);
/// The gradient of the forward call that `saved` is of, given that of its result: `dx`, which may
/// be dy, and those of gamma and beta, `size` values each: one for every kept index; 0 where the
/// layer does not have it or is not trainable. `x`, `mask` and `weights` are those of the forward
/// call. `mask`, `weights`, `dgamma` and `dbeta` may be null.
NORMA_API norma_status norma_batch_normalization_gradient(
    const norma_batch_normalization *layer, const norma_saved_forward *saved, const norma_tensor *x,
    const norma_tensor *dy, const norma_tensor *mask, const norma_tensor *weights,
    const norma_tensor *dx, double *dgamma, double *dbeta, size_t size);
NORMA_API void norma_saved_forward_destroy(norma_saved_forward *saved);

/// What the regularizers add to the loss.
NORMA_API norma_status norma_batch_normalization_get_regularization_loss(
    const norma_batch_normalization *layer, double *loss);
/// Makes gamma and beta satisfy their constraints; for after an update.
NORMA_API norma_status
norma_batch_normalization_apply_constraints(norma_batch_normalization *layer);

NORMA_API norma_status norma_batch_normalization_get_built(const norma_batch_normalization *layer,
                                                           int32_t *is_built);
/// The kept axes of a built layer, ascending; there are at most NORMA_MAX_RANK.
NORMA_API norma_status norma_batch_normalization_get_axes(const norma_batch_normalization *layer,
                                                          int64_t axes[NORMA_MAX_RANK],
                                                          size_t *count);
/// The number of kept indices of a built layer: of values of every weight.
NORMA_API norma_status norma_batch_normalization_get_size(const norma_batch_normalization *layer,
                                                          size_t *size);
/// Copies a weight of a built layer: "gamma", "beta", "moving_mean", "moving_variance", with renorm
/// "moving_stddev", "renorm_mean" and "renorm_stddev". NORMA_NOT_FOUND where the layer has none of
/// that name.
NORMA_API norma_status norma_batch_normalization_get_weight(const norma_batch_normalization *layer,
                                                            const char *name, double *values,
                                                            size_t size);
/// The inverse; values are rounded to the compute type.
NORMA_API norma_status norma_batch_normalization_set_weight(norma_batch_normalization *layer,
                                                            const char *name, const double *values,
                                                            size_t size);
NORMA_API norma_status norma_batch_normalization_set_trainable(norma_batch_normalization *layer,
                                                               int32_t is_trainable);

/// The configuration as JSON, without weights; docs/state-file.md lists the keys.
NORMA_API norma_status norma_batch_normalization_get_config(const norma_batch_normalization *layer,
                                                            norma_string **json);
/// The layer of a configuration, norma's or Keras'. The caller owns it.
NORMA_API norma_status norma_batch_normalization_from_config(norma_engine *engine, const char *json,
                                                             norma_batch_normalization **layer);
/// Writes weights and configuration of a built layer as a state file, atomically; see
/// docs/state-file.md.
NORMA_API norma_status norma_batch_normalization_save(const norma_batch_normalization *layer,
                                                      const char *path);
/// The layer of a state file. The caller owns it.
NORMA_API norma_status norma_batch_normalization_load(norma_engine *engine, const char *path,
                                                      norma_batch_normalization **layer);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_BATCH_NORMALIZATION_H
