//===- norma.h - norma from C -------------------------------------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C interface of norma: C99, and C++. docs/c-api.md introduces it.
//
//   norma_engine *engine = NULL;
//   norma_normalization *layer = NULL;
//   const int64_t shape[] = {4, 3};
//   const norma_tensor x = {table, NORMA_DTYPE_F32, 2, shape, NULL};
//   if (norma_engine_create(NULL, &engine) || norma_normalization_create(engine, NULL, &layer) ||
//       norma_normalization_adapt(layer, &x, NULL) || norma_normalization_apply(layer, &x, &x))
//     fprintf(stderr, "%s\n", norma_error_message());
//   norma_normalization_destroy(layer);
//   norma_engine_destroy(engine);
//
// What holds for every function:
//
// - What can fail returns a norma_status. Outputs are written only when it is NORMA_OK, and
//   what is given is checked before anything is done.
// - Pointers must not be null where it is not said that they may be.
// - Whoever creates a handle owns it, and gives it back to the function ..._destroy of its
//   type, which takes NULL, too. Handles keep what they need: an engine may be destroyed
//   before its layers. Arguments are borrowed for the time of the call.
// - Different handles may be used from different threads at once. An engine and a program
//   may be used by several; a layer by several only to apply it.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_NORMA_H
#define NORMA_C_NORMA_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NORMA_API __attribute__((visibility("default")))
#else
#define NORMA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// Version
//===----------------------------------------------------------------------===//

/// The version of this header.
#define NORMA_VERSION_MAJOR 0
#define NORMA_VERSION_MINOR 1
#define NORMA_VERSION_PATCH 0

/// The version of the library, such as "0.1.0".
NORMA_API const char *norma_version(void);

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

typedef enum norma_status {
  NORMA_OK = 0,
  /// The caller passed something that cannot be accepted.
  NORMA_INVALID_ARGUMENT = 1,
  /// A file or an entry does not exist.
  NORMA_NOT_FOUND = 2,
  /// The operating system refused a read or a write.
  NORMA_IO_ERROR = 3,
  /// Stored data is damaged, truncated or of another version.
  NORMA_DATA_LOSS = 4,
  /// The request is well formed, but norma does not do this.
  NORMA_UNSUPPORTED = 5,
  /// Memory or disk space ran out.
  NORMA_RESOURCE_EXHAUSTED = 6,
  /// The caller asked for the work to stop.
  NORMA_CANCELLED = 7,
  /// norma's own fault: a bug worth reporting.
  NORMA_INTERNAL = 8
} norma_status;

/// "NORMA_NOT_FOUND" for NORMA_NOT_FOUND; "unknown" for numbers that are no status.
NORMA_API const char *norma_status_name(norma_status status);

/// What the last function that failed on this thread has to say, in one line. Valid until the
/// next one fails on this thread; "" before the first.
NORMA_API const char *norma_error_message(void);

//===----------------------------------------------------------------------===//
// Strings
//===----------------------------------------------------------------------===//

/// Text that a function returns. The caller owns it.
typedef struct norma_string norma_string;

/// The text, ended by a zero byte; valid as long as the string. "" for NULL.
NORMA_API const char *norma_string_data(const norma_string *string);
/// Its bytes, without the zero.
NORMA_API size_t norma_string_size(const norma_string *string);
NORMA_API void norma_string_destroy(norma_string *string);

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//
//
// Structs of options begin with their size, so that programs and libraries of different
// versions understand each other: what an older program does not know has its default, what an
// older library does not know must be zero. Functions ..._options_init fill in size and
// defaults; then change what should differ. Where options are taken, NULL stands for the
// defaults. Pointers in options are borrowed for the time of the call. Flags are true where
// they are not 0.

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

/// Compiles, keeps and runs kernels.
typedef struct norma_engine norma_engine;

/// Hears of everything that keeps the kernel cache from working, which is no error. May be
/// called from any thread, until the engine and all that was made with it are destroyed.
typedef void (*norma_log_callback)(const char *message, void *user_data);

typedef struct norma_engine_options {
  size_t struct_size;
  /// The processor to compile for, as LLVM names it ("x86-64-v3"); null for the machine's own.
  const char *target_cpu;
  /// Where compiled kernels are kept for later: a directory, or "off". Null: as the environment
  /// says, see docs/cache.md.
  const char *cache_directory;
  /// Bytes that the directory may grow to.
  uint64_t cache_bytes;
  /// Kernels kept in memory, at least 1.
  int64_t cached_kernels;
  /// May be null.
  norma_log_callback log;
  void *log_user_data;
  /// Threads that a call may use; 0 for all cores of the machine.
  int64_t threads;
} norma_engine_options;

NORMA_API void norma_engine_options_init_sized(norma_engine_options *options, size_t struct_size);
static inline void norma_engine_options_init(norma_engine_options *options) {
  norma_engine_options_init_sized(options, sizeof(*options));
}

/// The caller owns the engine.
NORMA_API norma_status norma_engine_create(const norma_engine_options *options,
                                           norma_engine **engine);
NORMA_API void norma_engine_destroy(norma_engine *engine);

/// What an engine had to do so far.
typedef struct norma_engine_stats {
  /// To be set to sizeof(norma_engine_stats) by the caller.
  size_t struct_size;
  /// Kernels found in memory, found on the disk, and found in neither.
  uint64_t memory_hits, disk_hits, misses;
  /// Compilations of kernels and programs, and those that failed.
  uint64_t compiles, failures;
  /// Wall time of compiling; of linking, and reading from the disk.
  double compile_milliseconds, load_milliseconds;
  /// Object code that was linked.
  uint64_t object_bytes;
} norma_engine_stats;

NORMA_API norma_status norma_engine_get_stats(const norma_engine *engine,
                                              norma_engine_stats *stats);
NORMA_API norma_status norma_engine_get_threads(const norma_engine *engine, int64_t *threads);
/// The processor that kernels are compiled for.
NORMA_API norma_status norma_engine_get_target_cpu(const norma_engine *engine,
                                                   norma_string **target_cpu);
/// The directory that compiled kernels are kept in; "" when there is none.
NORMA_API norma_status norma_engine_get_cache_directory(const norma_engine *engine,
                                                        norma_string **directory);

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// Count, mean and sum of squared deviations from it (m2) of every kept index; mergeable.
typedef struct norma_statistics norma_statistics;

/// Statistics gathered elsewhere: row-major values over `shape`, the extents of the kept axes in
/// axis order. The caller owns them.
NORMA_API norma_status norma_statistics_create(int32_t rank, const int64_t *shape,
                                               const double *count, const double *mean,
                                               const double *m2, norma_statistics **statistics);
/// Adds those of other data to `into`.
NORMA_API norma_status norma_statistics_merge(norma_statistics *into, const norma_statistics *from);
/// The number of kept indices.
NORMA_API norma_status norma_statistics_get_size(const norma_statistics *statistics, size_t *size);
/// Copies all values; `size` is the number of kept indices. Each of `count`, `mean` and `m2` may be
/// null.
NORMA_API norma_status norma_statistics_get_values(const norma_statistics *statistics,
                                                   double *count, double *mean, double *m2,
                                                   size_t size);
NORMA_API void norma_statistics_destroy(norma_statistics *statistics);

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Batch normalization
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// A compiled function of an MLIR module: tensors in, arrays out.
typedef struct norma_program norma_program;

/// How the kernel ops of a program are lowered.
enum {
  /// Scheduled vector loops: what is meant to run.
  NORMA_LOWERING_LOOPS = 0,
  /// Scalar loops: the executable specification, slow.
  NORMA_LOWERING_LINALG = 1
};

typedef struct norma_program_options {
  size_t struct_size;
  /// The function to run; null where the module has exactly one.
  const char *entry;
  /// NORMA_LOWERING_LOOPS.
  int64_t lowering;
} norma_program_options;

NORMA_API void norma_program_options_init_sized(norma_program_options *options, size_t struct_size);
static inline void norma_program_options_init(norma_program_options *options) {
  norma_program_options_init_sized(options, sizeof(*options));
}

/// Compiles a function of a module in text form. The caller owns the program.
NORMA_API norma_status norma_program_compile(norma_engine *engine, const char *source,
                                             const norma_program_options *options,
                                             norma_program **program);
NORMA_API void norma_program_destroy(norma_program *program);
/// The name of the function.
NORMA_API norma_status norma_program_get_entry(const norma_program *program, norma_string **entry);
/// How many tensors the function takes and returns.
NORMA_API norma_status norma_program_get_signature(const norma_program *program, size_t *arguments,
                                                   size_t *results);
/// Runs the function. `arguments` and `results` have as many elements as get_signature() says, and
/// may be null where that is 0. The caller owns every result.
NORMA_API norma_status norma_program_run(const norma_program *program,
                                         const norma_tensor *arguments, size_t argument_count,
                                         norma_array **results, size_t result_count);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_NORMA_H
