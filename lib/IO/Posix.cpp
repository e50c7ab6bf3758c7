//===- Posix.cpp - File descriptors with messages -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Posix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace norma::io {

Error systemError(const std::string &action, const std::string &path, int errnoValue) {
  ErrorCode code = ErrorCode::IOError;
  const char *meaning = "";
  switch (errnoValue) {
  case ENOENT:
  case ENOTDIR:
    code = ErrorCode::NotFound;
    break;
  case ENOSPC:
    code = ErrorCode::ResourceExhausted;
    meaning = "disk full: ";
    break;
  case EDQUOT:
    code = ErrorCode::ResourceExhausted;
    meaning = "disk quota used up: ";
    break;
  case EFBIG:
    code = ErrorCode::ResourceExhausted;
    meaning = "larger than this file system or process may write: ";
    break;
  case ENOMEM:
  case EMFILE:
  case ENFILE:
    code = ErrorCode::ResourceExhausted;
    break;
  default:
    break;
  }
  return Error(code, fmt::format("cannot {} '{}': {}{}", action, path, meaning,
                                 std::generic_category().message(errnoValue)));
}

const char *describeFileType(mode_t mode) {
  if (S_ISREG(mode))
    return "a regular file";
  if (S_ISDIR(mode))
    return "a directory";
  if (S_ISFIFO(mode))
    return "a FIFO";
  if (S_ISCHR(mode))
    return "a character device";
  if (S_ISBLK(mode))
    return "a block device";
  if (S_ISSOCK(mode))
    return "a socket";
  return "not a regular file";
}

Descriptor::~Descriptor() {
  if (value >= 0)
    ::close(value);
}

Expected<OpenFile> openRegularFile(const std::string &path, bool writable) {
  const std::string action = writable ? "open for writing" : "open";
  // The type is checked before opening too: opening a device can have effects.
  struct stat status;
  if (::stat(path.c_str(), &status) != 0)
    return systemError(action, path, errno);
  Descriptor descriptor(-1);
  if (S_ISREG(status.st_mode)) {
    int value;
    do
      value = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    while (value < 0 && errno == EINTR);
    if (value < 0)
      return systemError(action, path, errno);
    Descriptor opened(value);
    if (::fstat(value, &status) != 0)
      return systemError(action, path, errno);
    if (S_ISREG(status.st_mode))
      return OpenFile{std::move(opened), uint64_t(status.st_size)};
  }
  return invalidArgument(fmt::format("cannot {} '{}': it is {}; expected a regular file, whose "
                                     "length is known",
                                     action, path, describeFileType(status.st_mode)));
}

/// Below the largest count of every system (Linux stops at 2 GiB - 4 KiB, others
/// refuse more than INT_MAX).
static constexpr size_t kLargestTransfer = size_t(1) << 30;

static bool fitsOffset(uint64_t offset, size_t size) {
  constexpr uint64_t kLimit = uint64_t(std::numeric_limits<off_t>::max());
  return offset <= kLimit && size <= kLimit - offset;
}

Expected<void> readAll(int descriptor, const std::string &path, uint64_t offset, void *data,
                       size_t size) {
  if (!fitsOffset(offset, size))
    return systemError("read", path, EOVERFLOW);
  char *to = static_cast<char *>(data);
  while (size > 0) {
    const ssize_t got =
        ::pread(descriptor, to, std::min(size, kLargestTransfer), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR)
        continue;
      return systemError("read", path, errno);
    }
    if (got == 0)
      return Error(ErrorCode::DataLoss,
                   fmt::format("'{}' became shorter while it was read: it ends at byte {}, {} more "
                               "were expected",
                               path, offset, size));
    to += got;
    offset += uint64_t(got);
    size -= size_t(got);
  }
  return {};
}

/// Calls `write(data, size, bytes already written)` until all is written.
template <typename Write>
static Expected<void> writeLoop(const std::string &path, const void *data, size_t size,
                                Write write) {
  const char *from = static_cast<const char *>(data);
  size_t done = 0;
  while (done < size) {
    const ssize_t put = write(from + done, std::min(size - done, kLargestTransfer), done);
    if (put < 0) {
      if (errno == EINTR)
        continue;
      return systemError("write", path, errno);
    }
    if (put == 0)
      return systemError("write", path, EIO);
    done += size_t(put);
  }
  return {};
}

Expected<void> writeAllAt(int descriptor, const std::string &path, uint64_t offset,
                          const void *data, size_t size) {
  if (!fitsOffset(offset, size))
    return systemError("write", path, EFBIG);
  return writeLoop(path, data, size, [&](const char *from, size_t count, size_t done) {
    return ::pwrite(descriptor, from, count, static_cast<off_t>(offset + done));
  });
}

Expected<void> writeAll(int descriptor, const std::string &path, const void *data, size_t size) {
  return writeLoop(path, data, size, [&](const char *from, size_t count, size_t) {
    return ::write(descriptor, from, count);
  });
}

} // namespace norma::io
