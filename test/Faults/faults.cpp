//===- faults.cpp - System calls that fail when they are told to ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library to be preloaded (LD_PRELOAD) into a program whose handling of failures
// is tested. It stands between the program and the file functions of libc. Calls on
// files outside of one directory pass; the others are counted by name.
//
//   NORMA_FAULTS_IN=DIR        the directory; nothing happens without it
//   NORMA_FAULTS=CALL:N:WHAT   what the N-th CALL (1 is the first, * is every one) does:
//     ENOSPC, EIO, ...         fails with this error, and does nothing
//     short                    transfers half of the bytes
//     kill, half               the process ends (SIGKILL) instead of the call, or with
//                              half of the bytes written
//     flip                     reads, with one bit of every transfer changed
//   NORMA_FAULTS_TRACE=FILE    gets a line "CALL PATH" for every call, with "CALL! PATH"
//                              for those that did not do what they should have
//
// CALL is open, read, write, fsync, close, rename, unlink, mkdir, stat, mmap or lock.
// EINTR for every call interrupts every second one, as the caller tries again.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

enum class Call { Open, Read, Write, Fsync, Close, Rename, Unlink, Mkdir, Stat, Mmap, Lock };
constexpr std::array<std::string_view, 11> kCallNames{
    "open", "read", "write", "fsync", "close", "rename", "unlink", "mkdir", "stat", "mmap", "lock"};

enum class Action { None, Fail, Short, Kill, Half, Flip };

constexpr std::array<std::pair<std::string_view, int>, 9> kErrors{{{"EIO", EIO},
                                                                   {"ENOSPC", ENOSPC},
                                                                   {"EINTR", EINTR},
                                                                   {"EMFILE", EMFILE},
                                                                   {"ENOMEM", ENOMEM},
                                                                   {"EACCES", EACCES},
                                                                   {"EINVAL", EINVAL},
                                                                   {"ENOLCK", ENOLCK},
                                                                   {"EDQUOT", EDQUOT}}};

[[noreturn]] void misuse(const char *variable, std::string_view text) {
  std::fprintf(stderr, "faults: %s is '%.*s'\n", variable, int(text.size()), text.data());
  ::_exit(125);
}

/// What the environment asks for.
struct Plan {
  Plan() {
    auto variable = [](const char *name) {
      const char *value = std::getenv(name);
      return std::string(value ? value : "");
    };
    directory = variable("NORMA_FAULTS_IN");
    if (!directory.empty())
      directory += '/';
    if (const std::string path = variable("NORMA_FAULTS_TRACE"); !path.empty())
      trace = int(::syscall(SYS_openat, AT_FDCWD, path.c_str(),
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (const std::string fault = variable("NORMA_FAULTS"); !fault.empty())
      parse(fault);
  }

  void parse(std::string_view fault) {
    const size_t first = fault.find(':'), second = fault.rfind(':');
    const std::string_view name = fault.substr(0, first), what = fault.substr(second + 1);
    const auto *found = std::find(kCallNames.begin(), kCallNames.end(), name);
    if (found == kCallNames.end() || first == second)
      misuse("NORMA_FAULTS", fault);
    call = Call(found - kCallNames.begin());
    const std::string number(fault.substr(first + 1, second - first - 1));
    every = number == "*";
    at = std::strtoull(number.c_str(), nullptr, 10);
    if (what == "short")
      action = Action::Short;
    else if (what == "kill")
      action = Action::Kill;
    else if (what == "half")
      action = Action::Half;
    else if (what == "flip")
      action = Action::Flip;
    else
      for (const auto &[text, value] : kErrors)
        if (what == text) {
          action = Action::Fail;
          error = value;
        }
    if (action == Action::None || (!every && at == 0))
      misuse("NORMA_FAULTS", fault);
  }

  bool covers(std::string_view path) const {
    return !directory.empty() && path.substr(0, directory.size()) == directory;
  }

  std::string directory;
  int trace = -1;
  Call call = Call::Open;
  bool every = false;
  uint64_t at = 0;
  Action action = Action::None;
  int error = 0;
};

/// Never destroyed: files are closed until the very end of the process.
const Plan &plan() {
  static const Plan &instance = *new Plan;
  return instance;
}

/// The path behind a descriptor; empty when there is none.
std::string pathOf(int descriptor) {
  if (descriptor < 0)
    return {};
  std::array<char, PATH_MAX> path;
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const int before = errno;
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  errno = before;
  return {path.data(), size_t(std::max<ssize_t>(size, 0))};
}

std::string pathOf(int directory, const char *name) {
  if (name && (name[0] == '/' || directory == AT_FDCWD))
    return name;
  return pathOf(directory) + "/" + (name ? name : "");
}

/// What a call on this path shall do. Ends the process itself when that is it.
Action decide(Call call, const std::string &path) {
  static std::array<std::atomic<uint64_t>, kCallNames.size()> counts;
  if (!plan().covers(path))
    return Action::None;
  const uint64_t number = ++counts[size_t(call)];
  const bool interrupts = plan().action == Action::Fail && plan().error == EINTR;
  const bool hit =
      call == plan().call && (plan().every ? !interrupts || number % 2 == 1 : number == plan().at);
  const Action action = hit ? plan().action : Action::None;
  if (plan().trace >= 0) {
    std::string line(kCallNames[size_t(call)]);
    line += (action == Action::None ? " " : "! ") + path + "\n";
    (void)!::syscall(SYS_write, plan().trace, line.data(), line.size());
  }
  if (action == Action::Kill)
    ::kill(::getpid(), SIGKILL);
  if (action == Action::Fail)
    errno = plan().error;
  return action;
}

template <typename Function>
Function *original(const char *name) {
  return reinterpret_cast<Function *>(::dlsym(RTLD_NEXT, name));
}

/// A call that does what it should, or fails.
template <typename Pass>
int passOrFail(Call call, const std::string &path, Pass pass) {
  return decide(call, path) == Action::Fail ? -1 : pass();
}

/// A transfer of `size` bytes: `pass` takes the number that shall really be.
template <typename Pass>
ssize_t transfer(Action action, size_t size, Pass pass) {
  if (action == Action::Fail)
    return -1;
  const bool half = action == Action::Short || action == Action::Half;
  const ssize_t result = pass(half && size > 1 ? size / 2 : size);
  if (action == Action::Half)
    ::kill(::getpid(), SIGKILL);
  return result;
}

template <typename Pass>
ssize_t transferIn(int descriptor, void *data, size_t size, Pass pass) {
  const Action action = decide(Call::Read, pathOf(descriptor));
  const ssize_t got = transfer(action, size, pass);
  if (action == Action::Flip && got > 0)
    static_cast<char *>(data)[got / 2] ^= 1;
  return got;
}

template <typename Pass>
ssize_t transferOut(int descriptor, size_t size, Pass pass) {
  return transfer(decide(Call::Write, pathOf(descriptor)), size, pass);
}

} // namespace

//===----------------------------------------------------------------------===//
// The functions of libc
//===----------------------------------------------------------------------===//

/// The mode is there when a file may be created.
#define NORMA_TAKE_MODE(FLAGS)                                                                     \
  mode_t mode = 0;                                                                                 \
  if ((FLAGS) & (O_CREAT | O_TMPFILE)) {                                                           \
    va_list arguments;                                                                             \
    va_start(arguments, FLAGS);                                                                    \
    mode = va_arg(arguments, mode_t);                                                              \
    va_end(arguments);                                                                             \
  }

extern "C" {

int open(const char *path, int flags, ...) {
  NORMA_TAKE_MODE(flags)
  return passOrFail(Call::Open, path, [&] {
    return original<int(const char *, int, ...)>("open")(path, flags, mode);
  });
}

int openat(int directory, const char *path, int flags, ...) {
  NORMA_TAKE_MODE(flags)
  return passOrFail(Call::Open, pathOf(directory, path), [&] {
    return original<int(int, const char *, int, ...)>("openat")(directory, path, flags, mode);
  });
}

ssize_t read(int descriptor, void *data, size_t size) {
  return transferIn(descriptor, data, size, [&](size_t count) {
    return original<ssize_t(int, void *, size_t)>("read")(descriptor, data, count);
  });
}

ssize_t pread(int descriptor, void *data, size_t size, off_t offset) {
  return transferIn(descriptor, data, size, [&](size_t count) {
    return original<ssize_t(int, void *, size_t, off_t)>("pread")(descriptor, data, count, offset);
  });
}

ssize_t write(int descriptor, const void *data, size_t size) {
  return transferOut(descriptor, size, [&](size_t count) {
    return original<ssize_t(int, const void *, size_t)>("write")(descriptor, data, count);
  });
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
  return transferOut(descriptor, size, [&](size_t count) {
    return original<ssize_t(int, const void *, size_t, off_t)>("pwrite")(descriptor, data, count,
                                                                         offset);
  });
}

int fsync(int descriptor) {
  return passOrFail(Call::Fsync, pathOf(descriptor),
                    [&] { return original<int(int)>("fsync")(descriptor); });
}

/// Linux closes a file even when it says that it failed.
int close(int descriptor) {
  const Action action = decide(Call::Close, pathOf(descriptor));
  const int failure = errno;
  const int result = original<int(int)>("close")(descriptor);
  if (action != Action::Fail)
    return result;
  errno = failure;
  return -1;
}

int rename(const char *from, const char *to) {
  return passOrFail(Call::Rename, to,
                    [&] { return original<int(const char *, const char *)>("rename")(from, to); });
}

int renameat(int fromDirectory, const char *from, int toDirectory, const char *to) {
  return passOrFail(Call::Rename, pathOf(toDirectory, to), [&] {
    return original<int(int, const char *, int, const char *)>("renameat")(fromDirectory, from,
                                                                           toDirectory, to);
  });
}

int unlink(const char *path) noexcept {
  return passOrFail(Call::Unlink, path,
                    [&] { return original<int(const char *)>("unlink")(path); });
}

int unlinkat(int directory, const char *path, int flags) noexcept {
  return passOrFail(Call::Unlink, pathOf(directory, path), [&] {
    return original<int(int, const char *, int)>("unlinkat")(directory, path, flags);
  });
}

int mkdir(const char *path, mode_t mode) noexcept {
  return passOrFail(Call::Mkdir, path,
                    [&] { return original<int(const char *, mode_t)>("mkdir")(path, mode); });
}

int stat(const char *path, struct stat *result) noexcept {
  return passOrFail(Call::Stat, path, [&] {
    return original<int(const char *, struct stat *)>("stat")(path, result);
  });
}

int lstat(const char *path, struct stat *result) noexcept {
  return passOrFail(Call::Stat, path, [&] {
    return original<int(const char *, struct stat *)>("lstat")(path, result);
  });
}

int fstat(int descriptor, struct stat *result) noexcept {
  return passOrFail(Call::Stat, pathOf(descriptor),
                    [&] { return original<int(int, struct stat *)>("fstat")(descriptor, result); });
}

int fstatat(int directory, const char *path, struct stat *result, int flags) noexcept {
  return passOrFail(Call::Stat, pathOf(directory, path), [&] {
    return original<int(int, const char *, struct stat *, int)>("fstatat")(directory, path, result,
                                                                           flags);
  });
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor,
           off_t offset) noexcept {
  if (descriptor >= 0 && decide(Call::Mmap, pathOf(descriptor)) == Action::Fail)
    return MAP_FAILED;
  return original<void *(void *, size_t, int, int, int, off_t)>("mmap")(address, size, protection,
                                                                        flags, descriptor, offset);
}

int fcntl(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  auto pass = [&] { return original<int(int, int, ...)>("fcntl")(descriptor, command, argument); };
  return command == F_OFD_SETLK ? passOrFail(Call::Lock, pathOf(descriptor), pass) : pass();
}

} // extern "C"
