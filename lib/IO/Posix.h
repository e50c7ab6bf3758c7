//===- Posix.h - File descriptors with messages -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_IO_POSIX_H
#define NORMA_LIB_IO_POSIX_H

#include "norma/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace norma::io {

/// "cannot <action> '<path>': <what errno says>", with the code that fits:
/// NotFound, ResourceExhausted for a full disk, a quota or a size limit, IOError.
Error systemError(const std::string &action, const std::string &path, int errnoValue);

/// "a directory", "a FIFO", "a character device": what `mode` says a file is.
const char *describeFileType(mode_t mode);

/// Owns a descriptor until release().
class Descriptor {
public:
  explicit Descriptor(int value) : value(value) {}
  Descriptor(Descriptor &&other) noexcept : value(other.release()) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  Descriptor &operator=(Descriptor &&) = delete;
  ~Descriptor();

  int get() const { return value; }
  int release() {
    int result = value;
    value = -1;
    return result;
  }

private:
  int value;
};

struct OpenFile {
  Descriptor descriptor;
  uint64_t size;
};

/// Opens a regular file; anything else is an error, and a FIFO without a writer
/// does not block.
Expected<OpenFile> openRegularFile(const std::string &path, bool writable);

/// Reads or writes all of [offset, offset + size), whatever the system call
/// delivers at a time.
Expected<void> readAll(int descriptor, const std::string &path, uint64_t offset, void *data,
                       size_t size);
Expected<void> writeAllAt(int descriptor, const std::string &path, uint64_t offset,
                          const void *data, size_t size);
/// The same at the position of the descriptor.
Expected<void> writeAll(int descriptor, const std::string &path, const void *data, size_t size);

} // namespace norma::io

#endif // NORMA_LIB_IO_POSIX_H
