//===- Rounds.cpp - Kernel and limit in turns -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Rounds.h"

#include "Subject.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace norma::benchmarks {

static double secondsOf(const std::function<void()> &call, int64_t repetitions) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < repetitions; ++i)
    call();
  benchmark::ClobberMemory();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / double(repetitions);
}

Stopwatch::Stopwatch(std::function<void()> what, double atLeast) : call(std::move(what)) {
  // The first call compiles, and touches memory.
  call();
  while (secondsOf(call, repetitions) * double(repetitions) < atLeast)
    repetitions *= 2;
}

double Stopwatch::seconds() const { return secondsOf(call, repetitions); }

double median(std::vector<double> values) {
  auto middle = values.begin() + ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The fastest way of a part.
static Stopwatch fastest(const LimitPart &part, double leastSeconds) {
  std::optional<Stopwatch> best;
  double bestSeconds = 0;
  for (const std::function<void()> &way : part.ways) {
    Stopwatch watch(way, leastSeconds);
    const double seconds = median({watch.seconds(), watch.seconds(), watch.seconds()});
    if (!best || seconds < bestSeconds) {
      best = watch;
      bestSeconds = seconds;
    }
  }
  return *best;
}

void measureCase(benchmark::State &state, const Case &c, int threads, const Settings &settings,
                 Buffers &buffers) {
  Expected<Subject> subject = Subject::create(c, threads, settings.targetCpu, buffers);
  if (!subject)
    return state.SkipWithError(subject.error().message().c_str());

  std::string failure;
  const Stopwatch kernel(
      [&] {
        if (Expected<void> done = subject->call(); !done)
          failure = done.error().message();
      },
      settings.seconds);
  if (!failure.empty())
    return state.SkipWithError(failure.c_str());

  const Limits alone(1), all(threads);
  std::vector<Stopwatch> limits;
  for (const LimitPart &part : limitOf(c, *subject, threads == 1 ? all : alone, all))
    limits.push_back(fastest(part, settings.seconds));

  // The loops touch fewer bytes where coefficients are as large as the data.
  const double share =
      double(c.bytes()) / double(c.elements()) /
      double(c.form() == "K" ? sizeOf(c.in) + sizeOf(c.out) : uint64_t(c.bytes() / c.elements()));
  std::vector<double> kernelSeconds, limitSeconds, ratios;
  for (auto _ : state) {
    double limit = 0;
    for (const Stopwatch &watch : limits)
      limit += watch.seconds() * share;
    const double seconds = kernel.seconds();
    state.SetIterationTime(seconds);
    kernelSeconds.push_back(seconds);
    limitSeconds.push_back(limit);
    ratios.push_back(limit / seconds);
  }
  state.counters["seconds"] = median(kernelSeconds);
  state.counters["limit_seconds"] = median(limitSeconds);
  state.counters["ratio"] = median(ratios);
  state.counters["best_seconds"] = *std::min_element(kernelSeconds.begin(), kernelSeconds.end());
  state.counters["best_limit_seconds"] =
      *std::min_element(limitSeconds.begin(), limitSeconds.end());
  state.counters["bytes"] = double(c.bytes());
  state.counters["threads"] = threads;
}

} // namespace norma::benchmarks
