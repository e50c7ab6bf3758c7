//===- KernelCache.cpp - Looking after the kernels on the disk ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/KernelCache.h"

#include "DiskCache.h"

#include "norma/Support/OutOfMemory.h"

#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace norma {

/// "off" is no directory. Absolute, since a process may change its directory, and
/// without a slash at the end, behind which a symbolic link could not be told from
/// what it leads to.
static std::string normalized(const std::string &choice) {
  if (choice == "off")
    return {};
  std::error_code unknown;
  std::filesystem::path absolute = std::filesystem::absolute(choice, unknown);
  if (unknown)
    absolute = choice;
  std::string path = absolute.lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

Expected<std::string> kernelCacheDirectory(const std::optional<std::string> &choice) try {
  if (choice && (choice->empty() || choice->find('\0') != std::string::npos))
    return invalidArgument("cacheDirectory: '" + choice->substr(0, choice->find('\0')) +
                           "', expected a directory, or 'off'");
  if (choice)
    return normalized(*choice);
  auto environment = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string own = environment("NORMA_CACHE_DIR"); !own.empty())
    return normalized(own);
  // The XDG specification wants relative paths to be ignored.
  if (const std::string caches = environment("XDG_CACHE_HOME"); caches.starts_with('/'))
    return normalized(caches + "/norma");
  if (const std::string home = environment("HOME"); home.starts_with('/'))
    return normalized(home + "/.cache/norma");
  return std::string();
} catch (...) {
  return outOfMemory();
}

static double ageOf(const CacheFile &file) {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return double(now.tv_sec - file.used.tv_sec) + double(now.tv_nsec - file.used.tv_nsec) * 1e-9;
}

Expected<std::vector<StoredKernel>> listKernelCache(const std::string &path) try {
  Expected<CacheDirectory> directory = CacheDirectory::open(path, /*create=*/false);
  if (!directory && directory.error().code() == ErrorCode::NotFound)
    return std::vector<StoredKernel>();
  if (!directory)
    return directory.takeError();
  Expected<std::vector<CacheFile>> files = directory->list();
  if (!files)
    return files.takeError();
  std::vector<StoredKernel> kernels;
  for (const CacheFile &file : *files) {
    StoredKernel kernel;
    kernel.file = file.name;
    kernel.bytes = file.bytes;
    kernel.ageSeconds = ageOf(file);
    Expected<std::string> bytes = directory->read(file.name, kLargestCacheEntry);
    // Another process removed it since it was listed.
    if (!bytes && bytes.error().code() == ErrorCode::NotFound)
      continue;
    Expected<CacheEntry> entry =
        bytes ? decodeCacheEntry(*bytes) : Expected<CacheEntry>(bytes.takeError());
    if (!entry) {
      kernel.problem = entry.error().message();
    } else if (CacheDirectory::nameOf(entry->key) != file.name) {
      kernel.problem = "its name is not that of its key";
    } else {
      kernel.key = std::move(entry->key);
      kernel.schedule = std::move(entry->schedule);
      kernel.tuned = isTunedKey(kernel.key);
      kernel.normaVersion = std::move(entry->origin.norma);
      kernel.llvmVersion = std::move(entry->origin.llvm);
      kernel.targetCpu = std::move(entry->origin.cpu);
      kernel.compileMilliseconds = entry->lowerMilliseconds + entry->codegenMilliseconds;
    }
    kernels.push_back(std::move(kernel));
  }
  return kernels;
} catch (...) {
  return outOfMemory();
}

Expected<PruneResult> pruneKernelCache(const std::string &path, const PruneOptions &options) try {
  Expected<CacheDirectory> directory = CacheDirectory::open(path, /*create=*/false);
  if (!directory && directory.error().code() == ErrorCode::NotFound)
    return PruneResult();
  if (!directory)
    return directory.takeError();
  directory->removeStale();
  PruneResult result;
  // By age, or all: files without bytes, too, which are none to those who count bytes.
  if (options.olderThanSeconds || !options.maxBytes) {
    Expected<std::vector<CacheFile>> files = directory->list();
    if (!files)
      return files.takeError();
    for (const CacheFile &file : *files)
      if ((!options.olderThanSeconds || ageOf(file) > *options.olderThanSeconds) &&
          directory->remove(file.name)) {
        ++result.kernels;
        result.bytes += file.bytes;
      }
    if (!options.maxBytes)
      return result;
  }
  Expected<CacheTrimming> trimmed = trimCache(*directory, *options.maxBytes, *options.maxBytes);
  if (!trimmed)
    return trimmed.takeError();
  result.kernels += trimmed->filesRemoved;
  result.bytes += trimmed->bytesRemoved;
  return result;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
