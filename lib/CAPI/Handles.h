//===- Handles.h - What the handles hold ------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CAPI_HANDLES_H
#define NORMA_LIB_CAPI_HANDLES_H

#include "Status.h"

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

struct norma_string {
  std::string value;
};

struct norma_array {
  norma::Array value;
};

struct norma_engine {
  std::shared_ptr<norma::Engine> value;
};

struct norma_statistics {
  norma::Statistics value;
};

struct norma_normalization {
  norma::Normalization value;
};

struct norma_batch_normalization {
  norma::BatchNormalization value;
};

struct norma_saved_forward {
  norma::SavedForward value;
};

struct norma_program {
  norma::Program value;
};

namespace norma::capi {

/// Makes a handle for the caller to own.
template <typename Handle, typename Value>
Expected<void> give(Value value, Handle **handle) {
  *handle = new Handle{std::move(value)};
  return {};
}

template <typename Handle, typename Value>
Expected<void> give(Expected<Value> value, Handle **handle) {
  if (!value)
    return value.takeError();
  return give(std::move(*value), handle);
}

/// The engine of a handle that may be null.
inline std::shared_ptr<Engine> engineOf(const norma_engine *engine) {
  return engine ? engine->value : nullptr;
}

} // namespace norma::capi

#endif // NORMA_LIB_CAPI_HANDLES_H
