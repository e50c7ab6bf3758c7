//===- Status.cpp - From errors as values to statuses ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Status.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace norma::capi {

#define NORMA_QUOTE(text) #text
#define NORMA_VERSION_TEXT(major, minor, patch)                                                    \
  NORMA_QUOTE(major) "." NORMA_QUOTE(minor) "." NORMA_QUOTE(patch)
static_assert(std::string_view(NORMA_VERSION_TEXT(NORMA_VERSION_MAJOR, NORMA_VERSION_MINOR,
                                                  NORMA_VERSION_PATCH)) == NORMA_VERSION,
              "the version in norma.h is not the project's");
#undef NORMA_VERSION_TEXT
#undef NORMA_QUOTE

static thread_local std::string lastMessage;

static norma_status toStatus(ErrorCode code) {
  switch (code) {
  case ErrorCode::InvalidArgument:
    return NORMA_INVALID_ARGUMENT;
  case ErrorCode::NotFound:
    return NORMA_NOT_FOUND;
  case ErrorCode::IOError:
    return NORMA_IO_ERROR;
  case ErrorCode::DataLoss:
    return NORMA_DATA_LOSS;
  case ErrorCode::Unsupported:
    return NORMA_UNSUPPORTED;
  case ErrorCode::ResourceExhausted:
    return NORMA_RESOURCE_EXHAUSTED;
  case ErrorCode::Cancelled:
    return NORMA_CANCELLED;
  case ErrorCode::Internal:
    return NORMA_INTERNAL;
  }
  return NORMA_INTERNAL;
}

norma_status fail(const Error &error) noexcept {
  try {
    lastMessage = error.message();
  } catch (...) {
    failOutOfMemory();
  }
  return toStatus(error.code());
}

norma_status failOutOfMemory() noexcept {
  // Short enough to need no memory of its own.
  lastMessage = "out of memory";
  return NORMA_RESOURCE_EXHAUSTED;
}

norma_status failUnexpectedly(const char *what) noexcept {
  try {
    lastMessage = fmt::format("unexpected: {}", what);
  } catch (...) {
    return failOutOfMemory();
  }
  return NORMA_INTERNAL;
}

Expected<void> checkPointers(std::initializer_list<NamedPointer> pointers) {
  for (const auto &[name, pointer] : pointers)
    if (!pointer)
      return invalidArgument(fmt::format("{}: null, expected a pointer", name));
  return {};
}

Expected<void> checkSize(size_t size, size_t expected) {
  if (size == expected)
    return {};
  return invalidArgument(
      fmt::format("size: {}, expected {}, the number of kept indices", size, expected));
}

} // namespace norma::capi

const char *norma_version(void) { return NORMA_VERSION; }

const char *norma_status_name(norma_status status) {
  switch (status) {
  case NORMA_OK:
    return "NORMA_OK";
  case NORMA_INVALID_ARGUMENT:
    return "NORMA_INVALID_ARGUMENT";
  case NORMA_NOT_FOUND:
    return "NORMA_NOT_FOUND";
  case NORMA_IO_ERROR:
    return "NORMA_IO_ERROR";
  case NORMA_DATA_LOSS:
    return "NORMA_DATA_LOSS";
  case NORMA_UNSUPPORTED:
    return "NORMA_UNSUPPORTED";
  case NORMA_RESOURCE_EXHAUSTED:
    return "NORMA_RESOURCE_EXHAUSTED";
  case NORMA_CANCELLED:
    return "NORMA_CANCELLED";
  case NORMA_INTERNAL:
    return "NORMA_INTERNAL";
  }
  return "unknown";
}

const char *norma_error_message(void) { return norma::capi::lastMessage.c_str(); }
