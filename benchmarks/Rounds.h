//===- Rounds.h - Kernel and limit in turns ---------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Machines are not the same from one second to the next, so what is compared is measured
// in turns: limit, kernel, limit, kernel. Ratios are taken within a round.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_ROUNDS_H
#define NORMA_BENCHMARKS_ROUNDS_H

#include "Buffers.h"
#include "Cases.h"

#include <benchmark/benchmark.h>
#include <functional>
#include <string>
#include <vector>

namespace norma::benchmarks {

/// How all is measured.
struct Settings {
  int rounds = 7;
  /// What one measurement takes at least.
  double seconds = 2e-3;
  /// As of EngineOptions.
  std::string targetCpu = {};
};

/// Runs `call` as often as takes a while, found beforehand, and tells the seconds of one.
class Stopwatch {
public:
  Stopwatch(std::function<void()> call, double atLeast);
  double seconds() const;

private:
  std::function<void()> call;
  int64_t repetitions = 1;
};

double median(std::vector<double> values);

/// Measures a case in rounds. Counters: `seconds` and `limit_seconds` of one call, `ratio`
/// of the second to the first, medians; `best_seconds` and `best_limit_seconds`, the least
/// of all rounds; `bytes` that one call must move.
void measureCase(benchmark::State &state, const Case &c, int threads, const Settings &settings,
                 Buffers &buffers);

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_ROUNDS_H
