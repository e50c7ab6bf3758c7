//===- exceptions.cpp - What callbacks throw stays out of C ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include <stdexcept>

static int32_t throwError(const norma_adapt_progress *, void *) {
  throw std::runtime_error("thrown by a callback");
}
static int32_t throwNumber(const norma_adapt_progress *, void *) { throw 7; }
static int32_t throwBadAlloc(const norma_adapt_progress *, void *) { throw std::bad_alloc(); }

int main() {
  float data[] = {1, 2, 3, 4};
  const int64_t shape[] = {2, 2};
  const norma_tensor x = view_f32(data, 2, shape);
  norma_engine *engine = make_engine();
  norma_normalization *layer = nullptr;
  norma_adapt_options options;
  CHECK_OK(norma_normalization_create(engine, nullptr, &layer));
  norma_adapt_options_init(&options);
  options.progress = throwError;
  CHECK_FAILS(norma_normalization_adapt(layer, &x, &options), NORMA_INTERNAL,
              "unexpected: thrown by a callback");
  options.progress = throwNumber;
  CHECK_FAILS(norma_normalization_adapt(layer, &x, &options), NORMA_INTERNAL,
              "unexpected: an exception of unknown type");
  options.progress = throwBadAlloc;
  CHECK_FAILS(norma_normalization_adapt(layer, &x, &options), NORMA_RESOURCE_EXHAUSTED,
              "out of memory");
  options.progress = nullptr;
  CHECK_OK(norma_normalization_adapt(layer, &x, &options));
  norma_normalization_destroy(layer);
  norma_engine_destroy(engine);
  return 0;
}
