//===- SharedWork.cpp - Tasks that threads share out ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedWork.h"

#include <algorithm>
#include <optional>
#include <thread>

namespace norma {

/// How long helpers watch for the next call, and how soon one follows for a burst of calls.
static constexpr std::chrono::microseconds kWatch{100};
/// Work of one call, for this thread alone, that is worth waking others for: it costs 15
/// microseconds here, and they come after twice as many.
static constexpr std::chrono::microseconds kWorthWaking{60};

/// Looks between two at the clock.
static constexpr int kLooks = 512;

/// Waits for those who have not ended yet. They run, as a rule; the processor is offered to others
/// only after a while: a scheduler puts who does that behind all others, for milliseconds.
template <typename Condition>
static void waitUntil(Condition holds) {
  std::optional<SharedWork::Clock::time_point> begin;
  for (int looks = 1; !holds(); ++looks) {
    if (looks % kLooks != 0)
      continue;
    const SharedWork::Clock::time_point now = SharedWork::Clock::now();
    if (!begin)
      begin = now;
    else if (now - *begin > kWatch)
      std::this_thread::yield();
  }
}

SharedWork::SharedWork(int threads) : parts(size_t(threads)), helpers(size_t(threads)) {}

void SharedWork::open(int64_t count, const Body &bodyOfCall) {
  body = &bodyOfCall;
  error = nullptr;
  failed.store(false, std::memory_order_relaxed);
  const auto threads = int64_t(parts.size());
  for (int64_t p = 0; p < threads; ++p) {
    // Helpers see it with the number.
    parts[size_t(p)].next.store(p * count / threads, std::memory_order_relaxed);
    parts[size_t(p)].end = (p + 1) * count / threads;
  }
  ++number;
}

void SharedWork::close() {
  ++number;
  // A helper that comes in from now on sees that it is over, and goes.
  waitUntil([&] { return inside == 0; });
}

template <typename AfterTask>
void SharedWork::work(int part, AfterTask afterTask) {
  for (size_t turn = 0; turn < parts.size(); ++turn) {
    Part &from = parts[(size_t(part) + turn) % parts.size()];
    const auto isLeft = [&] { return from.next.load(std::memory_order_relaxed) < from.end; };
    for (int64_t i; isLeft() && !failed && (i = from.next.fetch_add(1)) < from.end; afterTask()) {
      try {
        (*body)(i);
      } catch (...) {
        if (!failed.exchange(true))
          error = std::current_exception();
      }
    }
  }
}

bool SharedWork::areHelpersThere(int most) const {
  return std::all_of(helpers.begin() + 1, helpers.begin() + 1 + most,
                     [](const Helper &helper) { return helper.isThere.load(); });
}

void SharedWork::wakeHelpers(int most, const Wake &wake) {
  for (int id = 1; id <= most; ++id) {
    std::atomic<bool> &isThere = helpers[size_t(id)].isThere;
    if (isThere || isThere.exchange(true))
      continue;
    try {
      wake(id);
    } catch (...) {
      // Without memory for it this thread does the work.
      isThere = false;
      return;
    }
  }
}

bool SharedWork::tryRun(int64_t count, Effort effort, const Body &bodyOfCall, const Wake &wake) {
  if (taken.exchange(true))
    return false;
  const int most = int(std::clamp<int64_t>(count - 1, 0, int64_t(parts.size()) - 1));
  open(count, bodyOfCall);
  // Little work does not wait for those who sleep.
  bool mayWake = !areHelpersThere(most);
  const Clock::time_point begin = mayWake ? Clock::now() : Clock::time_point();
  if (mayWake && (effort == Effort::Large || begin - last < kWatch)) {
    wakeHelpers(most, wake);
    mayWake = false;
  }
  int64_t done = 0;
  work(0, [&] {
    ++done;
    // What is left, if it goes on like this.
    if (mayWake && (Clock::now() - begin) / done * (count - done) > kWorthWaking) {
      wakeHelpers(most, wake);
      mayWake = false;
    }
  });
  close();
  last = Clock::now();
  const std::exception_ptr thrown = std::move(error);
  taken = false;
  if (thrown)
    std::rethrow_exception(thrown);
  return true;
}

void SharedWork::help(int id) {
  uint64_t seen = number.load() & ~uint64_t(1), lately = seen;
  Clock::time_point idle = Clock::now();
  for (int looks = 1; !stopped; ++looks) {
    const uint64_t current = number;
    if (isOpen(current) && current != seen) {
      ++inside;
      // Nothing of a call is touched unless it waits for this helper.
      if (number == current)
        work(id, [] {});
      --inside;
      seen = current;
    }
    if (looks % kLooks != 0)
      continue;
    // Calls may have come and gone while something else had the processor.
    const Clock::time_point now = Clock::now();
    if (current != lately) {
      lately = current;
      idle = now;
    } else if (now - idle > kWatch) {
      break;
    }
  }
  helpers[size_t(id)].isThere = false;
}

} // namespace norma
