//===- TuningSession.h - One tuning, from data to a result ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TUNING_TUNINGSESSION_H
#define NORMA_RUNTIME_TUNING_TUNINGSESSION_H

#include "ScheduleSearch.h"
#include "TuningCase.h"

#include <chrono>

namespace norma {

/// A kernel with a schedule, to be called on data that must outlive the call.
struct Candidate {
  std::string schedule;
  std::function<std::function<void()>(const TuningCase &)> callOn;
};

class TuningSession {
public:
  /// Compiles a kernel with a schedule, or that of the rules where it is empty.
  using MakeCandidate = std::function<Expected<Candidate>(const std::string &schedule)>;

  /// The watch must outlive the session.
  TuningSession(KernelSpec spec, std::vector<int64_t> rows, MakeCandidate make,
                ScheduleSearch::Beside beside, const TuningWatch &watch)
      : spec(std::move(spec)), rows(std::move(rows)), make(std::move(make)),
        beside(std::move(beside)), watch(watch) {}

  /// Everything but what is kept of it.
  Expected<TuningResult> run(double seconds);

private:
  using Clock = std::chrono::steady_clock;

  void makeCases();
  double secondsSoFar() const;
  Expected<void> mayGoOn() const;
  Expected<std::vector<TriedSchedule>> compare(std::span<const Candidate> candidates, int rounds);
  Expected<std::vector<TriedSchedule>> measure(std::span<const std::string> schedules);
  Expected<void> playOff();
  Expected<void> confirm(const std::string &schedule);
  Expected<void> checkBits(const Candidate &candidate);

  KernelSpec spec;
  std::vector<int64_t> rows;
  MakeCandidate make;
  ScheduleSearch::Beside beside;
  const TuningWatch &watch;
  Clock::time_point start = Clock::now();
  size_t tried = 0;
  std::vector<TuningCase> cases;
  std::vector<Candidate> byRules;
  TuningResult result;
};

} // namespace norma

#endif // NORMA_RUNTIME_TUNING_TUNINGSESSION_H
