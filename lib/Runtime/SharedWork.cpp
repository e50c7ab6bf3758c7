//===- SharedWork.cpp - Tasks that threads share out ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedWork.h"

#include <algorithm>
#include <cassert>
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

int SharedWork::activeFor(int64_t count) const {
  return int(std::clamp<int64_t>(count, 1, int64_t(parts.size())));
}

void SharedWork::open(int64_t count, const Body &body) {
  error = nullptr;
  // Not written for nothing: everybody looks at it.
  if (failed)
    failed = false;
  ++number;
  // A part is counted in 32 bits; the threads there are have no more tasks than that.
  assert(count / int64_t(parts.size()) < int64_t(1) << 32 && "more tasks than any call has");
  const int active = activeFor(count);
  // The caller's own comes first: whoever is done with another part looks there.
  for (int p = 0; p < active; ++p) {
    Part &part = parts[size_t(p)];
    const int64_t begin = p * count / active;
    part.end = (p + 1) * count / active;
    part.body.store(&body, std::memory_order_relaxed);
    part.done.store(0, std::memory_order_relaxed);
    // Helpers see the rest with it.
    part.left.store(uint64_t(number) << 32 | uint64_t(part.end - begin), std::memory_order_release);
  }
}

void SharedWork::close(int64_t count) {
  const int active = activeFor(count);
  // What nobody takes after a failure is not waited for.
  if (failed)
    for (Part &part : parts)
      if (callOf(part.left) == number)
        count -= tasksOf(part.left.exchange(uint64_t(number) << 32));
  waitUntil([&] {
    int64_t done = 0;
    for (int p = 0; p < active; ++p)
      done += parts[size_t(p)].done.load(std::memory_order_acquire);
    return done == count;
  });
}

std::optional<int64_t> SharedWork::take(Part &from, uint32_t call) {
  uint64_t seen = from.left.load(std::memory_order_acquire);
  while (callOf(seen) == call && tasksOf(seen) > 0)
    if (from.left.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
      return from.end - int64_t(tasksOf(seen));
  return std::nullopt;
}

template <typename AfterTask>
void SharedWork::work(int part, uint32_t call, AfterTask afterTask) {
  for (size_t turn = 0; turn < parts.size(); ++turn) {
    Part &from = parts[(size_t(part) + turn) % parts.size()];
    const auto next = [&] { return failed ? std::nullopt : take(from, call); };
    int64_t ended = 0;
    for (auto task = next(); task; task = next()) {
      try {
        (*from.body.load(std::memory_order_relaxed))(*task);
      } catch (...) {
        if (!failed.exchange(true))
          error = std::current_exception();
      }
      ++ended;
      afterTask();
    }
    // Before others' parts are looked at: the caller may wait for it.
    if (ended > 0)
      parts[size_t(part)].done.fetch_add(ended, std::memory_order_release);
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

bool SharedWork::tryRun(int64_t count, Effort effort, const Body &body, const Wake &wake) {
  if (taken.exchange(true))
    return false;
  open(count, body);
  const int most = activeFor(count) - 1;
  // Little work does not wait for those who sleep.
  const bool isAlone = !areHelpersThere(most);
  bool mayWake = isAlone;
  const Clock::time_point begin = mayWake ? Clock::now() : Clock::time_point();
  if (mayWake && (effort == Effort::Large || begin - last < kWatch)) {
    wakeHelpers(most, wake);
    mayWake = false;
  }
  int64_t done = 0;
  work(0, number, [&] {
    ++done;
    // What is left, if it goes on like this.
    if (mayWake && (Clock::now() - begin) / done * (count - done) > kWorthWaking) {
      wakeHelpers(most, wake);
      mayWake = false;
    }
  });
  close(count);
  if (isAlone)
    last = Clock::now();
  const std::exception_ptr thrown = std::move(error);
  taken = false;
  if (thrown)
    std::rethrow_exception(thrown);
  return true;
}

void SharedWork::help(int id) {
  Part &mine = parts[size_t(id)];
  // Of a call that goes on there may be tasks left.
  uint32_t seen = callOf(mine.left) - 1;
  uint32_t lately = seen;
  Clock::time_point idle = Clock::now();
  for (int looks = 1; !stopped; ++looks) {
    const uint32_t call = callOf(mine.left.load(std::memory_order_acquire));
    if (call != seen) {
      work(id, call, [] {});
      seen = call;
    }
    if (looks % kLooks != 0)
      continue;
    // Calls may have come and gone while something else had the processor.
    const Clock::time_point now = Clock::now();
    if (call != lately) {
      lately = call;
      idle = now;
    } else if (now - idle > kWatch) {
      break;
    }
  }
  helpers[size_t(id)].isThere = false;
}

} // namespace norma
