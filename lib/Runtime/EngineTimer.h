//===- EngineTimer.h - Wall time, for the counters --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ENGINETIMER_H
#define NORMA_RUNTIME_ENGINETIMER_H

#include <atomic>
#include <chrono>
#include <cstdint>

namespace norma {

/// Adds the time it lives to a counter.
class Timer {
public:
  explicit Timer(std::atomic<uint64_t> &total) : total(total) {}
  Timer(const Timer &) = delete;
  Timer &operator=(const Timer &) = delete;
  ~Timer() { total += nanoseconds(); }
  double milliseconds() const { return double(nanoseconds()) * 1e-6; }

private:
  uint64_t nanoseconds() const {
    return uint64_t(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count());
  }
  std::atomic<uint64_t> &total;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINETIMER_H
