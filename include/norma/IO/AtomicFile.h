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
/// temporary name in the same directory (".<name>.XXXXXX"), flushed to the disk,
/// and renamed. An older file of that name survives every failure; a destroyed,
/// uncommitted AtomicFile leaves nothing behind. (A killed process can leave the
/// temporary file, never a half-written final one.)
///
/// - A new file gets the permissions the process gives new files (0666 & ~umask);
///   a replaced one keeps its own. Its owner becomes that of the process.
/// - A symbolic link stays one: its target is replaced, or created where the link
///   dangles.
/// - Directories, devices (/dev/null, a terminal behind /dev/stdout), FIFOs and
///   sockets are refused by create(): a rename would put a file in their place. So
///   is a file without write permission, which a rename would override.
class AtomicFile {
public:
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&) noexcept;
  AtomicFile &operator=(AtomicFile &&) noexcept;
  ~AtomicFile();

  /// The path as given to create(), for messages.
  const std::string &path() const { return name; }

  /// Appends; retries short writes. After a failure the temporary file is gone, and
  /// every later call is an error.
  Expected<void> write(const void *data, size_t size);
  /// Writes at an offset, for output that is produced out of order. Does not move
  /// the position of write(); bytes never written are zero.
  Expected<void> writeAt(uint64_t offset, const void *data, size_t size);
  /// Puts the file under its name. The object is spent afterwards, whether this
  /// succeeds or fails.
  Expected<void> commit();

private:
  AtomicFile(std::string name, std::string target, std::string temporary, int descriptor)
      : name(std::move(name)), target(std::move(target)), temporary(std::move(temporary)),
        descriptor(descriptor) {}
  Expected<void> checkOpen() const;
  void discard() noexcept;

  std::string name;
  /// The file to replace: `name` after following links.
  std::string target;
  std::string temporary;
  int descriptor = -1;
};

} // namespace norma::io

#endif // NORMA_IO_ATOMICFILE_H
