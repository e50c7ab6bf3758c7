//===- program.h - Programs in MLIR -------------------------------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_PROGRAM_H
#define NORMA_C_PROGRAM_H

#include "norma-c/engine.h"
#include "norma-c/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#endif // NORMA_C_PROGRAM_H
