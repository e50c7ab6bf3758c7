//===- ScheduleSearch.cpp - From a schedule to a better one ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScheduleSearch.h"

namespace norma {

/// What is faster by less in one measurement may well be slower in the next.
static constexpr double kBetter = 0.99;

Expected<void> ScheduleSearch::run(const std::string &rules) {
  constexpr int kSweeps = 2;
  seen = {rules};
  Expected<std::vector<TriedSchedule>> first = measure(std::span(&rules, 1));
  if (!first)
    return first.takeError();
  all = std::move(*first);
  for (int sweeps = 0; sweeps < kSweeps; ++sweeps) {
    Expected<bool> changed = sweep();
    if (!changed)
      return changed.takeError();
    if (!*changed || isOver)
      break;
  }
  return {};
}

/// Tries all choices, one after the other; whether that found a better schedule.
Expected<bool> ScheduleSearch::sweep() {
  bool changed = false;
  for (size_t choice = 0;; ++choice) {
    Expected<std::vector<ScheduleAlternatives>> around = beside(all[bestOfAll].schedule);
    if (!around)
      return around.takeError();
    if (choice >= around->size())
      return changed;
    if (!hasTime()) {
      isOver = true;
      return changed;
    }
    Expected<bool> better = tryAll((*around)[choice].schedules);
    if (!better)
      return better;
    changed |= *better;
  }
}

/// Beside the best one so far, which is measured again: what all have in common in one measurement
/// is not what they had in another.
Expected<bool> ScheduleSearch::tryAll(const std::vector<std::string> &schedules) {
  std::vector<std::string> contenders{all.front().schedule};
  if (bestOfAll > 0)
    contenders.push_back(all[bestOfAll].schedule);
  const size_t known = contenders.size();
  for (const std::string &schedule : schedules)
    if (seen.insert(schedule).second)
      contenders.push_back(schedule);
  if (contenders.size() == known)
    return false;
  Expected<std::vector<TriedSchedule>> measured = measure(contenders);
  if (!measured)
    return measured.takeError();
  const double current = (*measured)[known - 1].ratio();
  std::optional<size_t> fastest;
  for (TriedSchedule &schedule : std::span(*measured).subspan(known)) {
    if (schedule.ratios.empty())
      continue;
    all.push_back(std::move(schedule));
    if (!fastest || all.back().ratio() < all[*fastest].ratio())
      fastest = all.size() - 1;
  }
  if (!fastest || all[*fastest].ratio() > kBetter * current)
    return false;
  bestOfAll = *fastest;
  return true;
}

} // namespace norma
