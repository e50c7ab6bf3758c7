//===- CacheDirectory.cpp - A directory that only its owner writes --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// io::AtomicFile, which also writes whole files, is made for a user's documents: it
// takes paths, follows symbolic links, keeps the permissions of what it replaces and
// waits for the disk. Here a link is an attack, and an entry lost in a power cut is
// compiled again: its checksum tells.
//
//===----------------------------------------------------------------------===//

#include "CacheDirectory.h"

#include "../Cpu/Digest.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <sys/random.h>
#include <thread>
#include <tuple>
#include <unistd.h>

namespace norma {

using io::Descriptor;
using io::systemError;

static constexpr std::string_view kTemporaryPrefix = ".new-";
static constexpr time_t kStaleSeconds = 3600;
static constexpr time_t kTouchSeconds = 60;

//===----------------------------------------------------------------------===//
// What can be trusted
//===----------------------------------------------------------------------===//

/// Why others could have written what `status` describes; empty when only this user
/// could.
static std::string whyDoubtful(const struct stat &status) {
  if (status.st_uid != ::geteuid())
    return fmt::format("it belongs to user {}, expected {}", status.st_uid, ::geteuid());
  if (status.st_mode & (S_IWGRP | S_IWOTH))
    return fmt::format("others may write it (mode {:o}), expected its owner alone",
                       status.st_mode & 07777);
  return {};
}

/// Creates `path` and its parents, each for this user alone.
static Expected<void> createDirectories(const std::string &path) {
  for (size_t slash = path.find('/', 1); true; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      // A parent that exists may be on a disk that refuses before it looks.
      const int cause = errno;
      struct stat status;
      if (slash == std::string::npos || ::stat(part.c_str(), &status) != 0)
        return systemError("create the directory", path, cause);
    }
    if (slash == std::string::npos)
      return {};
  }
}

Expected<CacheDirectory> CacheDirectory::open(const std::string &path, bool create) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Descriptor descriptor(::open(path.c_str(), kFlags));
  if (descriptor.get() < 0 && errno == ENOENT && create) {
    if (Expected<void> created = createDirectories(path); !created)
      return created.takeError();
    return open(path, false);
  }
  auto refuse = [&](const std::string &reason) {
    return invalidArgument(fmt::format("the directory '{}' is not used: {}", path, reason));
  };
  struct stat status;
  if (descriptor.get() < 0) {
    const int cause = errno;
    if (::lstat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode))
      return systemError("open the directory", path, cause);
    return refuse(fmt::format("it is {}", S_ISLNK(status.st_mode)
                                              ? "a symbolic link"
                                              : io::describeFileType(status.st_mode)));
  }
  if (::fstat(descriptor.get(), &status) != 0)
    return systemError("open the directory", path, errno);
  if (std::string reason = whyDoubtful(status); !reason.empty())
    return refuse(reason);
  return CacheDirectory(path, std::move(descriptor));
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

std::string CacheDirectory::nameOf(std::string_view key) { return hexDigestOf(key); }

static bool isNameOfEntry(std::string_view name) {
  return name.size() == 2 * sizeof(Digest) &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Expected<std::string> CacheDirectory::read(const std::string &name, uint64_t limit) const {
  auto doubtful = [&](const std::string &reason) { return Error(ErrorCode::DataLoss, reason); };
  // Without O_NONBLOCK, a FIFO of that name would stop us.
  Descriptor file(
      ::openat(descriptor.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0)
    return errno == ELOOP ? doubtful("it is a symbolic link")
                          : systemError("open", pathOf(name), errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0)
    return systemError("read", pathOf(name), errno);
  if (!S_ISREG(status.st_mode))
    return doubtful(fmt::format("it is {}", io::describeFileType(status.st_mode)));
  if (std::string reason = whyDoubtful(status); !reason.empty())
    return doubtful(reason);
  // None is fine: the file was replaced since it was opened.
  if (status.st_nlink > 1)
    return doubtful(fmt::format("it has {} names, expected 1", status.st_nlink));
  if (uint64_t(status.st_size) > limit)
    return doubtful(fmt::format("{} bytes, expected at most {}", status.st_size, limit));
  std::string bytes(size_t(status.st_size), '\0');
  if (Expected<void> ok = io::readAll(file.get(), pathOf(name), 0, bytes.data(), bytes.size()); !ok)
    return ok.takeError();
  return bytes;
}

void CacheDirectory::touch(const std::string &name) const {
  struct stat status;
  if (::fstatat(descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      std::abs(::time(nullptr) - status.st_mtime) >= kTouchSeconds)
    ::utimensat(descriptor.get(), name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

Expected<void> CacheDirectory::write(const std::string &name, std::string_view bytes) const {
  uint64_t random = 0;
  if (::getrandom(&random, sizeof(random), 0) != ssize_t(sizeof(random)))
    return systemError("create", pathOf(name), errno);
  const std::string temporary = fmt::format("{}{:016x}", kTemporaryPrefix, random);
  Descriptor file(::openat(descriptor.get(), temporary.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0)
    return systemError("create", pathOf(name), errno);
  Expected<void> written = io::writeAll(file.get(), pathOf(name), bytes.data(), bytes.size());
  // Network file systems report some failed writes only here.
  if (::close(file.release()) != 0 && errno != EINTR && written)
    written = systemError("write", pathOf(name), errno);
  if (written &&
      ::renameat(descriptor.get(), temporary.c_str(), descriptor.get(), name.c_str()) != 0)
    written = systemError("rename to", pathOf(name), errno);
  if (!written)
    ::unlinkat(descriptor.get(), temporary.c_str(), 0);
  return written;
}

bool CacheDirectory::remove(const std::string &name) const {
  return ::unlinkat(descriptor.get(), name.c_str(), 0) == 0 || errno == ENOENT;
}

//===----------------------------------------------------------------------===//
// All files
//===----------------------------------------------------------------------===//

template <typename Visit>
Expected<void> CacheDirectory::forEachName(Visit visit) const {
  // A descriptor of its own, since the position in the directory goes with it.
  Descriptor again(::openat(descriptor.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (again.get() < 0)
    return systemError("list the directory", path, errno);
  std::unique_ptr<DIR, int (*)(DIR *)> stream(::fdopendir(again.get()), &::closedir);
  if (!stream)
    return systemError("list the directory", path, errno);
  again.release();
  errno = 0;
  while (const dirent *entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..")
      visit(std::string(name));
    errno = 0;
  }
  if (errno != 0)
    return systemError("list the directory", path, errno);
  return {};
}

Expected<std::vector<CacheFile>> CacheDirectory::list() const {
  std::vector<CacheFile> files;
  Expected<void> listed = forEachName([&](const std::string &name) {
    struct stat status;
    // A file that is gone by now was removed by another process.
    if (isNameOfEntry(name) &&
        ::fstatat(descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      files.push_back({name, uint64_t(status.st_size), status.st_mtim});
  });
  if (!listed)
    return listed.takeError();
  std::sort(files.begin(), files.end(), [](const CacheFile &a, const CacheFile &b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.name) <
           std::tie(b.used.tv_sec, b.used.tv_nsec, b.name);
  });
  return files;
}

void CacheDirectory::removeStale() const {
  const time_t now = ::time(nullptr);
  // What cannot be listed is not cleaned either; the next process tries again.
  (void)forEachName([&](const std::string &name) {
    struct stat status;
    if (name.starts_with(kTemporaryPrefix) &&
        ::fstatat(descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        now - status.st_mtime > kStaleSeconds)
      ::unlinkat(descriptor.get(), name.c_str(), 0);
  }).hasValue();
}

//===----------------------------------------------------------------------===//
// Locks
//===----------------------------------------------------------------------===//

Descriptor CacheDirectory::lock(std::string_view key, int milliseconds,
                                const std::stop_token &stop) const {
  // One file for all keys: each key locks a byte of it, far past its end. So there
  // is nothing to clean up, and nobody can remove a file that another one locks.
  Descriptor file(::openat(descriptor.get(), "lock",
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (file.get() < 0)
    return file;
  uint64_t position = 0;
  std::memcpy(&position, digestOf(key).data(), sizeof(position));
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = off_t(position >> 2);
  range.l_len = 1;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  // Locks of the open file, not of the process: they keep out other threads, too.
  for (std::chrono::milliseconds pause(1); ::fcntl(file.get(), F_OFD_SETLK, &range) != 0;
       pause = std::min(2 * pause, std::chrono::milliseconds(16))) {
    if ((errno != EAGAIN && errno != EACCES && errno != EINTR) ||
        std::chrono::steady_clock::now() + pause > deadline || stop.stop_requested())
      return Descriptor(-1);
    std::this_thread::sleep_for(pause);
  }
  return file;
}

} // namespace norma
