//===- ScheduleSearch.h - From a schedule to a better one -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One thing is changed at a time, and what is best is kept for the next: a few dozen schedules
// instead of their thousands of combinations. Twice, because a choice may be another one once
// those after it were made.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TUNING_SCHEDULESEARCH_H
#define NORMA_RUNTIME_TUNING_SCHEDULESEARCH_H

#include "../Cpu/Compiler.h"

#include "norma/Runtime/Tuning.h"

#include <set>

namespace norma {

class ScheduleSearch {
public:
  /// The schedules around one.
  using Beside =
      std::function<Expected<std::vector<ScheduleAlternatives>>(const std::string &schedule)>;
  /// Measures schedules beside that of the rules, which is the first. Returns one for each, without
  /// ratios where a kernel cannot have it.
  using Measure =
      std::function<Expected<std::vector<TriedSchedule>>(std::span<const std::string> schedules)>;
  /// Whether there is time for more.
  using HasTime = std::function<bool()>;

  ScheduleSearch(Beside beside, Measure measure, HasTime hasTime)
      : beside(std::move(beside)), measure(std::move(measure)), hasTime(std::move(hasTime)) {}

  /// From that of the rules, which is the best one until another is faster.
  Expected<void> run(const std::string &rules);

  /// All, that of the rules first, and which of them is the best.
  const std::vector<TriedSchedule> &tried() const { return all; }
  size_t best() const { return bestOfAll; }
  bool ranOutOfTime() const { return isOver; }

private:
  Expected<bool> sweep();
  Expected<bool> tryAll(const std::vector<std::string> &schedules);

  Beside beside;
  Measure measure;
  HasTime hasTime;
  std::vector<TriedSchedule> all;
  std::set<std::string> seen;
  size_t bestOfAll = 0;
  bool isOver = false;
};

} // namespace norma

#endif // NORMA_RUNTIME_TUNING_SCHEDULESEARCH_H
