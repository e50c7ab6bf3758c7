//===- AtomicFile.cpp - Files that are whole or absent --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/AtomicFile.h"

#include "Posix.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace norma::io {

/// The directory part of `path` with its slash, or "" for the current directory.
static std::string directoryPrefix(const std::string &path) {
  return path.substr(0, path.rfind('/') + 1);
}

/// The path behind a chain of symbolic links; the last one may dangle.
static Expected<std::string> followLinks(const std::string &path) {
  constexpr int kMostLinks = 40; // what Linux follows
  std::string current = path;
  for (int i = 0; i < kMostLinks; ++i) {
    struct stat status;
    if (::lstat(current.c_str(), &status) != 0 || !S_ISLNK(status.st_mode))
      return current;
    // Links under /proc report a size of 0, so the size is no guide.
    std::string link(4096, '\0');
    const ssize_t length = ::readlink(current.c_str(), link.data(), link.size());
    if (length < 0)
      return systemError("read the link", current, errno);
    if (size_t(length) == link.size())
      return systemError("read the link", current, ENAMETOOLONG);
    link.resize(size_t(length));
    current = link.starts_with('/') ? link : directoryPrefix(current) + link;
  }
  return systemError("create", path, ELOOP);
}

/// Creates a file of a fresh name beside `target`. The kernel applies the umask, so
/// that no code has to ask for it (which is a race with other threads).
static Expected<int> createTemporary(const std::string &path, const std::string &target,
                                     mode_t mode, std::string &temporary) {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr size_t kLongestStem = 200; // file names end at 255 bytes
  const std::string directory = directoryPrefix(target);
  const std::string stem = target.substr(directory.size(), kLongestStem);
  for (int attempt = 0; attempt < 100; ++attempt) {
    unsigned char random[6];
    if (::getrandom(random, sizeof(random), 0) != ssize_t(sizeof(random)))
      return systemError("create", path, errno);
    std::string suffix;
    for (unsigned char byte : random)
      suffix += kLetters[byte % (sizeof(kLetters) - 1)];
    temporary = fmt::format("{}.{}.{}", directory, stem, suffix);
    const int descriptor =
        ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (descriptor >= 0)
      return descriptor;
    if (errno == EEXIST || errno == EINTR)
      continue;
    const std::string where = directory.empty() ? "." : directory;
    return systemError(fmt::format("create a file in the directory '{}' for", where), path, errno);
  }
  return systemError("create", path, EEXIST);
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) try {
  if (path.empty())
    return invalidArgument("cannot create '': the path is empty; expected a file name");
  if (path.find('\0') != std::string::npos)
    return invalidArgument(
        fmt::format("cannot create '{}': the path holds a zero byte", path.c_str()));

  struct stat status;
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode))
    return invalidArgument(fmt::format("cannot create '{}': it is {}; expected a regular file or a "
                                       "new name",
                                       path, describeFileType(status.st_mode)));
  if (!exists && errno != ENOENT)
    return systemError("create", path, errno);
  if (exists && ::access(path.c_str(), W_OK) != 0)
    return systemError("replace", path, errno);

  Expected<std::string> target = followLinks(path);
  if (!target)
    return target.takeError();
  if (target->ends_with('/'))
    return invalidArgument(
        fmt::format("cannot create '{}': it ends with '/'; expected the name of a file", path));
  if (exists) {
    // The text of a link under /proc need not be a path to the file it opens.
    struct stat reached;
    if (::lstat(target->c_str(), &reached) != 0 || reached.st_dev != status.st_dev ||
        reached.st_ino != status.st_ino)
      return invalidArgument(
          fmt::format("cannot replace '{}': the file it leads to has no name of its own", path));
  }

  const mode_t mode = exists ? status.st_mode & 0777 : 0666;
  // Once the file is there, nothing may keep an object from owning it.
  std::string given = path, temporary;
  Expected<int> descriptor = createTemporary(path, *target, mode, temporary);
  if (!descriptor)
    return descriptor.takeError();
  AtomicFile file(std::move(given), std::move(*target), std::move(temporary), *descriptor);
  // The umask applies to new files only.
  if (exists && ::fchmod(file.descriptor, mode) != 0)
    return systemError("set the permissions of", path, errno);
  return file;
} catch (...) {
  return outOfMemory();
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : name(std::move(other.name)), target(std::move(other.target)),
      temporary(std::move(other.temporary)), descriptor(other.descriptor) {
  other.descriptor = -1;
}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  if (this != &other) {
    discard();
    name = std::move(other.name);
    target = std::move(other.target);
    temporary = std::move(other.temporary);
    descriptor = other.descriptor;
    other.descriptor = -1;
  }
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor < 0)
    return;
  ::close(descriptor);
  ::unlink(temporary.c_str());
  descriptor = -1;
}

Expected<void> AtomicFile::checkOpen() const {
  if (descriptor < 0)
    return invalidArgument(fmt::format(
        "cannot write '{}': it was committed, moved from, or a write of it failed", name));
  return {};
}

Expected<void> AtomicFile::write(const void *data, size_t size) try {
  if (Expected<void> open = checkOpen(); !open)
    return open;
  Expected<void> result = writeAll(descriptor, name, data, size);
  if (!result)
    discard();
  return result;
} catch (...) {
  discard();
  return outOfMemory();
}

Expected<void> AtomicFile::writeAt(uint64_t offset, const void *data, size_t size) try {
  if (Expected<void> open = checkOpen(); !open)
    return open;
  Expected<void> result = writeAllAt(descriptor, name, offset, data, size);
  if (!result)
    discard();
  return result;
} catch (...) {
  discard();
  return outOfMemory();
}

static int syncRetrying(int descriptor) {
  int result;
  do
    result = ::fsync(descriptor);
  while (result != 0 && errno == EINTR);
  return result;
}

Expected<void> AtomicFile::commit() try {
  if (Expected<void> open = checkOpen(); !open)
    return open;
  const std::string directory = directoryPrefix(target);
  // Before the rename: otherwise a crash can leave the new name with old blocks.
  if (syncRetrying(descriptor) != 0) {
    const int cause = errno;
    discard();
    return systemError("write", name, cause);
  }
  // Network file systems report some failed writes only here.
  const int closed = ::close(descriptor);
  const int closeErrno = errno;
  descriptor = -1;
  if (closed != 0 && closeErrno != EINTR) {
    ::unlink(temporary.c_str());
    return systemError("write", name, closeErrno);
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary.c_str());
    return systemError("rename to", name, cause);
  }

  // The new name is on the disk when its directory is. A directory that may be
  // written to but not read cannot be opened, and some file systems cannot sync
  // one: the file is in place and whole, so neither is an error.
  const Descriptor opened(
      ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() >= 0 && syncRetrying(opened.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    return systemError("flush the directory of", name, errno);
  return {};
} catch (...) {
  discard();
  return outOfMemory();
}

} // namespace norma::io
