//===- support.h - Versions, errors, strings and options ----------*- C -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_C_SUPPORT_H
#define NORMA_C_SUPPORT_H

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
// Options
//===----------------------------------------------------------------------===//
//
// Structs of options begin with their size, so that programs and libraries of different
// versions understand each other: what an older program does not know has its default, what an
// older library does not know must be zero. Functions ..._options_init fill in size and
// defaults; then change what should differ. Where options are taken, NULL stands for the
// defaults. Pointers in options are borrowed for the time of the call. Flags are true where
// they are not 0.

#ifdef __cplusplus
} // extern "C"
#endif

#endif // NORMA_C_SUPPORT_H
