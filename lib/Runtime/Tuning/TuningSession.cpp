//===- TuningSession.cpp - One tuning, from data to a result --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TuningSession.h"

#include "Race.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace norma {

double TriedSchedule::ratio() const {
  double logarithms = 0;
  for (double ratio : ratios)
    logarithms += std::log(ratio);
  return std::exp(logarithms / double(std::max<size_t>(ratios.size(), 1)));
}

/// What a schedule must be faster by, and what it may be slower by at one size.
static constexpr double kFaster = 0.97, kNotSlower = 1.02;
/// Turns of every schedule where many are compared, and where one is to be believed.
static constexpr int kRounds = 7, kRoundsToBelieve = 21;

static bool isFaster(const TriedSchedule &schedule) {
  return schedule.ratio() <= kFaster &&
         std::ranges::all_of(schedule.ratios, [](double ratio) { return ratio <= kNotSlower; });
}

void TuningSession::makeCases() {
  // The memory of the earlier ones may be had again.
  cases.clear();
  for (int64_t extent : rows)
    cases.emplace_back(spec, extent);
}

double TuningSession::secondsSoFar() const {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Expected<void> TuningSession::mayGoOn() const {
  if (watch.stop.stop_requested() || (watch.progress && !watch.progress({tried, secondsSoFar()})))
    return Error(ErrorCode::Cancelled, "the tuning was stopped");
  return {};
}

/// The first of the candidates is that of the rules.
Expected<std::vector<TriedSchedule>> TuningSession::compare(std::span<const Candidate> candidates,
                                                            int rounds) {
  std::vector<TriedSchedule> measured;
  for (const Candidate &candidate : candidates)
    measured.push_back({candidate.schedule, {}});
  for (size_t i = 0; i < cases.size(); ++i) {
    std::vector<std::function<void()>> calls;
    for (const Candidate &candidate : candidates)
      calls.push_back(candidate.callOn(cases[i]));
    Expected<std::vector<double>> seconds = race(calls, rounds, [this] { return mayGoOn(); });
    if (!seconds)
      return seconds.takeError();
    for (size_t c = 0; c < candidates.size(); ++c)
      measured[c].ratios.push_back((*seconds)[c] / seconds->front());
    result.sizes[i].seconds = seconds->front();
  }
  return measured;
}

Expected<std::vector<TriedSchedule>>
TuningSession::measure(std::span<const std::string> schedules) {
  std::vector<Candidate> candidates = byRules;
  for (const std::string &schedule : schedules.subspan(1)) {
    if (Expected<void> ok = mayGoOn(); !ok)
      return ok.takeError();
    // A schedule that cannot be lowered is no candidate.
    if (Expected<Candidate> made = make(schedule))
      candidates.push_back(std::move(*made));
  }
  tried += candidates.size() - (tried > 0 ? 1 : 0);
  return compare(candidates, kRounds);
}

/// The fastest few once more, in one long race: of many that were measured one is always fast by
/// chance.
Expected<void> TuningSession::playOff() {
  constexpr size_t kFinalists = 4;
  std::vector<size_t> order(result.tried.size() - 1);
  std::iota(order.begin(), order.end(), size_t(1));
  std::ranges::sort(order, {}, [this](size_t i) { return result.tried[i].ratio(); });
  order.resize(std::min(order.size(), kFinalists));
  if (std::ranges::find(order, result.best) == order.end())
    order.push_back(result.best);
  std::vector<Candidate> finalists = byRules;
  for (size_t i : order) {
    Expected<Candidate> made = make(result.tried[i].schedule);
    if (!made)
      return made.takeError();
    finalists.push_back(std::move(*made));
  }
  makeCases();
  Expected<std::vector<TriedSchedule>> measured = compare(finalists, kRoundsToBelieve);
  if (!measured)
    return measured.takeError();
  for (size_t i = 0; i < order.size(); ++i)
    result.tried[order[i]] = std::move((*measured)[i + 1]);
  result.best =
      *std::ranges::min_element(order, {}, [this](size_t i) { return result.tried[i].ratio(); });
  return {};
}

/// Twice, each time with other memory: where that lies is chance, and may favour one of the two.
Expected<void> TuningSession::confirm(const std::string &schedule) {
  Expected<Candidate> best = make(schedule);
  if (!best)
    return best.takeError();
  const Candidate both[] = {byRules.front(), *best};
  for (int again = 0; again < 2; ++again) {
    makeCases();
    Expected<std::vector<TriedSchedule>> measured = compare(both, kRoundsToBelieve);
    if (!measured)
      return measured.takeError();
    result.confirmations.push_back(std::move(measured->back()));
  }
  result.faster = std::ranges::all_of(result.confirmations, isFaster);
  return checkBits(*best);
}

/// Maps promise the same bits for every schedule: nothing else is ever kept.
Expected<void> TuningSession::checkBits(const Candidate &candidate) {
  if (!isMap(spec.family))
    return {};
  const TuningCase &data = cases.front();
  byRules.front().callOn(data)();
  const std::vector<std::byte> expected(data.out().begin(), data.out().end());
  candidate.callOn(data)();
  if (std::ranges::equal(expected, data.out()))
    return {};
  return Error(ErrorCode::Internal,
               fmt::format("kernel {}: with the schedule {} it gives other results", spec.key(),
                           candidate.schedule));
}

Expected<TuningResult> TuningSession::run(double seconds) {
  result.spec = spec.key();
  Expected<Candidate> rules = make({});
  if (!rules)
    return rules.takeError();
  byRules.push_back(std::move(*rules));
  makeCases();
  for (const TuningCase &data : cases)
    result.sizes.push_back({data.rows(), data.problem().bytes()});

  ScheduleSearch search(
      beside, [this](std::span<const std::string> schedules) { return measure(schedules); },
      [&] { return secondsSoFar() < seconds; });
  if (Expected<void> ok = search.run(byRules.front().schedule); !ok)
    return ok.takeError();
  result.tried = search.tried();
  result.best = search.best();
  result.ranOutOfTime = search.ranOutOfTime();
  if (result.best == 0)
    return std::move(result);
  if (Expected<void> ok = playOff(); !ok)
    return ok.takeError();
  if (Expected<void> ok = confirm(result.tried[result.best].schedule); !ok)
    return ok.takeError();
  return std::move(result);
}

} // namespace norma
