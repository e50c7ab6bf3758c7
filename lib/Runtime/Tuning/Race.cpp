//===- Race.cpp - Which of several functions is fastest -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Race.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace norma {

static double secondsOf(const std::function<void()> &function, int64_t times) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  for (int64_t i = 0; i < times; ++i)
    function();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// How often a function must be called for a turn: much longer than to read the clock takes, and
/// than what another function left in the caches does.
static int64_t callsOfTurn(const std::function<void()> &function) {
  constexpr double kTurnSeconds = 250e-6;
  int64_t calls = 1;
  while (secondsOf(function, calls) < kTurnSeconds)
    calls *= 2;
  return calls;
}

Expected<std::vector<double>> race(std::span<const std::function<void()>> functions, int rounds,
                                   const std::function<Expected<void>()> &mayGoOn) {
  const int64_t calls = callsOfTurn(functions.front());
  std::vector<std::vector<double>> turns(functions.size());
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < functions.size(); ++i) {
      if (Expected<void> ok = mayGoOn(); !ok)
        return ok.takeError();
      // None always comes behind the same one.
      const size_t which = (i + size_t(round)) % functions.size();
      // What another one left in the caches does not count.
      if (calls > 1)
        functions[which]();
      turns[which].push_back(secondsOf(functions[which], calls) / double(calls));
    }
  std::vector<double> seconds;
  for (std::vector<double> &mine : turns) {
    const auto quarter = mine.begin() + std::ptrdiff_t(mine.size() / 4);
    std::nth_element(mine.begin(), quarter, mine.end());
    seconds.push_back(*quarter);
  }
  return seconds;
}

} // namespace norma
