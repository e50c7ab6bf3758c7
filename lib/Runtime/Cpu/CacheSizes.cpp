//===- CacheSizes.cpp - What the caches of a processor hold ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheSizes.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <fstream>
#include <unistd.h>

namespace norma {

/// The first word of a file; empty where there is none.
static std::string firstWord(const std::string &path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// "1024K" as bytes; 0 for anything else.
static int64_t bytesOf(const std::string &text) {
  int64_t number = 0;
  const char *const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  constexpr int64_t kMost = int64_t(1) << 30;
  const bool isKiB = error == std::errc() && rest + 1 == end && *rest == 'K';
  return isKiB && number > 0 && number <= kMost ? number << 10 : 0;
}

/// How many processors a mask such as "ff,00000001" names.
static int processorsIn(const std::string &mask) {
  int count = 0;
  for (const char digit : mask) {
    unsigned bits = 0;
    if (std::from_chars(&digit, &digit + 1, bits, 16).ec == std::errc())
      count += std::popcount(bits);
  }
  return count;
}

CacheSizes readCacheSizes(const std::string &folder) {
  CacheSizes sizes;
  int last = 2;
  const int threads = std::max(processorsIn(firstWord(folder + "/topology/thread_siblings")), 1);
  for (int index = 0;; ++index) {
    const std::string cache = folder + "/cache/index" + std::to_string(index);
    const std::string type = firstWord(cache + "/type"), level = firstWord(cache + "/level");
    if (type.empty() || level.size() != 1)
      break;
    if (type == "Instruction")
      continue;
    const int64_t bytes = bytesOf(firstWord(cache + "/size"));
    const int cores = std::max(processorsIn(firstWord(cache + "/shared_cpu_map")) / threads, 1);
    if (level == "1") {
      sizes.l1 = bytes / cores;
    } else if (level == "2") {
      sizes.l2 = bytes / cores;
    } else if (level[0] - '0' > last) {
      last = level[0] - '0';
      sizes.lastLevel = bytes;
    }
  }
  return sizes;
}

const CacheSizes &cacheSizes() {
  static const CacheSizes sizes = [] {
    CacheSizes found = readCacheSizes("/sys/devices/system/cpu/cpu0");
    if (found.l1 || found.l2)
      return found;
    const auto told = [](int name) { return std::max<int64_t>(::sysconf(name), 0); };
    return CacheSizes{told(_SC_LEVEL1_DCACHE_SIZE), told(_SC_LEVEL2_CACHE_SIZE),
                      told(_SC_LEVEL3_CACHE_SIZE)};
  }();
  return sizes;
}

} // namespace norma
