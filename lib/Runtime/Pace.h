//===- Pace.h - The steps of a watched call ---------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A watched call works in steps. In a step threads take block after block while
// mayGoOn(); when all have left, the calling thread report()s and begins the next step.
// So the watcher is called on that thread alone, in no lock, and nothing runs beside it.
// Where steps end is chance; no result may depend on it. A call that nobody watches is
// one step.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_PACE_H
#define NORMA_RUNTIME_PACE_H

#include "norma/Runtime/Engine.h"

#include <atomic>

namespace norma {

class Pace {
public:
  /// Of a call that nobody watches.
  Pace() = default;
  /// `total` is what done() adds up to. The watch must outlive the pace.
  Pace(const CallWatch &watch, int64_t total);

  // For any thread, in a step.

  /// Whether to begin one more block. Every step has at least one, unless the call shall
  /// stop.
  bool mayGoOn() { return !watch || !isOver() || mayBegin(); }
  /// So many more elements are finished.
  void done(int64_t elements) {
    if (watch)
      finished.fetch_add(elements, std::memory_order_relaxed);
  }

  // For the calling thread, between steps.

  /// Tells the watcher, and begins the next step; an error when the call shall stop.
  Expected<void> report();

private:
  using Clock = std::chrono::steady_clock;
  bool isOver() const;
  bool mayBegin();

  const CallWatch *watch = nullptr;
  int64_t total = 0;
  Clock::time_point start;
  std::atomic<int64_t> finished{0};
  std::atomic<bool> begun{false};
};

} // namespace norma

#endif // NORMA_RUNTIME_PACE_H
