//===- Error.cpp - Names of error codes -----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Error.h"

#include "norma/Support/OutOfMemory.h"

#include <new>
#include <stdexcept>

namespace norma {

const char *toString(ErrorCode code) {
  switch (code) {
  case ErrorCode::InvalidArgument:
    return "InvalidArgument";
  case ErrorCode::NotFound:
    return "NotFound";
  case ErrorCode::IOError:
    return "IOError";
  case ErrorCode::DataLoss:
    return "DataLoss";
  case ErrorCode::Unsupported:
    return "Unsupported";
  case ErrorCode::ResourceExhausted:
    return "ResourceExhausted";
  case ErrorCode::Cancelled:
    return "Cancelled";
  case ErrorCode::Internal:
    return "Internal";
  }
  return "unknown";
}

Error outOfMemory() {
  // So short that the string needs no memory of its own.
  try {
    throw;
  } catch (const std::bad_alloc &) {
    return Error(ErrorCode::ResourceExhausted, "out of memory");
  } catch (const std::length_error &) {
    return Error(ErrorCode::ResourceExhausted, "out of memory");
  }
}

} // namespace norma
