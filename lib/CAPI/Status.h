//===- Status.h - From errors as values to statuses -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CAPI_STATUS_H
#define NORMA_LIB_CAPI_STATUS_H

#include "norma-c/norma.h"
#include "norma/Support/Error.h"

#include <exception>
#include <initializer_list>
#include <new>

namespace norma::capi {

/// Keeps the message for norma_error_message() of this thread.
norma_status fail(const Error &error) noexcept;
/// The same where there may be no memory for a message.
norma_status failOutOfMemory() noexcept;
/// The same for what should not have been thrown.
norma_status failUnexpectedly(const char *what) noexcept;

struct NamedPointer {
  const char *name;
  const void *pointer;
};

/// An error that names the first pointer that is null.
Expected<void> checkPointers(std::initializer_list<NamedPointer> pointers);

/// Runs what a function does, which returns an Expected<void>, unless one of the pointers is
/// null. Nothing is thrown into C.
template <typename Body>
norma_status guarded(std::initializer_list<NamedPointer> pointers, Body body) noexcept {
  try {
    Expected<void> done = checkPointers(pointers);
    if (done)
      done = body();
    return done ? NORMA_OK : fail(done.error());
  } catch (const std::bad_alloc &) {
    return failOutOfMemory();
  } catch (const std::exception &exception) {
    return failUnexpectedly(exception.what());
  } catch (...) {
    return failUnexpectedly("an exception of unknown type");
  }
}

/// Whether `size`, which the caller says a place for values has, is the number of kept indices.
Expected<void> checkSize(size_t size, size_t expected);

} // namespace norma::capi

#endif // NORMA_LIB_CAPI_STATUS_H
