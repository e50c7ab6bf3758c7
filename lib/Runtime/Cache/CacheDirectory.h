//===- CacheDirectory.h - A directory that only its owner writes -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every access goes through one descriptor of the directory, and every check is
// made on what was opened, not on a name that may lead elsewhere a moment later.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CACHE_CACHEDIRECTORY_H
#define NORMA_RUNTIME_CACHE_CACHEDIRECTORY_H

#include "../../IO/Posix.h"

#include <optional>
#include <stop_token>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace norma {

/// A file with the name of an entry. Nothing but its name has been checked.
struct CacheFile {
  std::string name;
  uint64_t bytes = 0;
  /// When it was last used or written.
  timespec used = {};
};

class CacheDirectory {
public:
  /// NotFound when there is none and `create` is not asked for; InvalidArgument when
  /// it could be written by others, or is a symbolic link.
  static Expected<CacheDirectory> open(const std::string &path, bool create);

  /// "<64 hexadecimal digits>".
  static std::string nameOf(std::string_view key);

  /// The bytes of a file. NotFound when there is none, DataLoss when others could
  /// have written it, or it is larger than `limit`.
  Expected<std::string> read(const std::string &name, uint64_t limit) const;
  /// Makes a file the one used last. Best effort, and not more than once a minute.
  void touch(const std::string &name) const;
  /// Puts a file under its name, whole and at once; an older one is replaced.
  Expected<void> write(const std::string &name, std::string_view bytes) const;
  /// Whether the file is gone, whoever removed it.
  bool remove(const std::string &name) const;

  /// The files that have the name of an entry, least recently used first.
  Expected<std::vector<CacheFile>> list() const;
  /// Removes what killed processes left: temporary files older than an hour.
  void removeStale() const;

  /// Locks `key` against other processes, waiting for `milliseconds` at most, and not
  /// longer than until `stop`; holds no descriptor when that was too short, or locks do
  /// not work here. The lock goes with the descriptor, however its process ends.
  io::Descriptor lock(std::string_view key, int milliseconds,
                      const std::stop_token &stop = {}) const;

private:
  CacheDirectory(std::string path, io::Descriptor descriptor)
      : path(std::move(path)), descriptor(std::move(descriptor)) {}
  std::string pathOf(const std::string &name) const { return path + "/" + name; }
  /// Calls visit(name) for all names but "." and "..".
  template <typename Visit>
  Expected<void> forEachName(Visit visit) const;

  std::string path;
  io::Descriptor descriptor;
};

} // namespace norma

#endif // NORMA_RUNTIME_CACHE_CACHEDIRECTORY_H
