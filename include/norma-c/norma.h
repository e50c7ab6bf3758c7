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

#include "norma-c/batch_normalization.h"
#include "norma-c/engine.h"
#include "norma-c/normalization.h"
#include "norma-c/program.h"
#include "norma-c/statistics.h"
#include "norma-c/support.h"
#include "norma-c/tensor.h"

#endif // NORMA_C_NORMA_H
