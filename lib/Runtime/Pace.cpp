//===- Pace.cpp - The steps of a watched call -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pace.h"

#include <fmt/format.h>

namespace norma {

Pace::Pace(const CallWatch &watchOfCall, int64_t elements)
    : watch(watchOfCall.progress || watchOfCall.stop.stop_possible() ? &watchOfCall : nullptr),
      total(elements) {
  if (watch)
    start = Clock::now();
}

bool Pace::isOver() const {
  if (watch->stop.stop_requested())
    return true;
  return watch->progress && Clock::now() - start >= watch->interval;
}

bool Pace::mayBegin() { return !watch->stop.stop_requested() && !begun.exchange(true); }

Expected<void> Pace::report() {
  if (!watch)
    return {};
  const int64_t elements = finished.load(std::memory_order_relaxed);
  const auto stopped = [&](const char *by) {
    return Error(ErrorCode::Cancelled,
                 fmt::format("stopped by {} after {} of {} elements", by, elements, total));
  };
  if (watch->stop.stop_requested())
    return stopped("a request");
  if (watch->progress && !watch->progress(elements))
    return stopped("its progress callback");
  begun = false;
  start = Clock::now();
  return {};
}

} // namespace norma
