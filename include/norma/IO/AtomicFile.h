//===- AtomicFile.h - Files that are whole or absent ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_IO_ATOMICFILE_H
#define NORMA_IO_ATOMICFILE_H

#include "norma/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace norma::io {

/// A file that appears under its name only when commit() succeeds: written to a
/// temporary name in the same directory, flushed to the disk, and renamed. An
/// older file of that name survives every failure; a destroyed, uncommitted
/// AtomicFile leaves nothing behind. (A killed process can leave the temporary
/// file, never a half-written final one.)
class AtomicFile {
public:
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&) noexcept;
  AtomicFile &operator=(AtomicFile &&) noexcept;
  ~AtomicFile();

  /// Appends; retries short writes.
  Expected<void> write(const void *data, size_t size);
  /// Writes at an offset, for output that is produced out of order.
  Expected<void> writeAt(uint64_t offset, const void *data, size_t size);
  Expected<void> commit();

private:
  AtomicFile(std::string path, std::string temporary, int descriptor);
  void discard() noexcept;
  std::string path, temporary;
  int descriptor = -1;
};

} // namespace norma::io

#endif // NORMA_IO_ATOMICFILE_H
