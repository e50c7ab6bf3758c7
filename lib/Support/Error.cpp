//===- Error.cpp - Names of error codes -----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Error.h"

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

} // namespace norma
