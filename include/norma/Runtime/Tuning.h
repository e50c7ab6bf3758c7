//===- Tuning.h - Schedules found by measuring ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules choose the schedule of every kernel, from the processor and the shape, and know neither
// this machine nor its memory. Engine::tune() tries the schedules around that of the rules; see
// docs/tuning.md.
//
//   Expected<TuningResult> result = engine->tune("moments;RK[?x13];f32", {}, {});
//   if (result && result->faster)
//     std::puts(result->tried[result->best].schedule.c_str());
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TUNING_H
#define NORMA_RUNTIME_TUNING_H

#include "norma/Runtime/Engine.h"

namespace norma {

struct TuningOptions {
  /// Extents of the outermost axis to measure at: at least 2 each, and such that calls run this
  /// kernel and not the one for data of another size ("streaming"). Empty: two to four, from
  /// the sizes of the caches.
  std::vector<int64_t> rows = {};
  /// After so many seconds, more than 0, no more schedules are tried. What is begun is finished,
  /// and the best one is measured again.
  double seconds = 20;
  /// Whether later engines are to use what is found. Without it nothing is written.
  bool store = true;
};

/// How far a tuning is.
struct TuningProgress {
  /// Schedules measured so far, that of the rules among them.
  size_t tried = 0;
  /// Since it began.
  double seconds = 0;
};

/// Who waits for a tuning: hears how far it is, and may stop it. One that was stopped returns an
/// error of the code Cancelled, and leaves what is stored as it was.
struct TuningWatch {
  /// Called between measurements, by the thread that called, many times a second unless a single
  /// call takes longer; false stops. What it throws goes through to the caller.
  std::function<bool(const TuningProgress &)> progress = {};
  /// Stops it from any thread, after the measurement at hand.
  std::stop_token stop = {};
};

/// What was measured at.
struct TuningSize {
  /// The extent of the outermost axis.
  int64_t rows = 0;
  /// Of all tensors of a call.
  int64_t bytes = 0;
  /// Of a call with the schedule of the rules.
  double seconds = 0;
};

struct TriedSchedule {
  /// As in KernelInfo.
  std::string schedule;
  /// The time of a call over that with the schedule of the rules, at every size.
  std::vector<double> ratios;

  /// Their geometric mean.
  double ratio() const;
};

struct TuningResult {
  /// The spec, with everything it left out.
  std::string spec;
  std::vector<TuningSize> sizes;
  /// In the order in which they were tried; that of the rules first.
  std::vector<TriedSchedule> tried;
  /// The fastest of them.
  size_t best = 0;
  /// Two more measurements of the fastest, with memory of their own; none where it is that of the
  /// rules.
  std::vector<TriedSchedule> confirmations;
  /// Whether both say that it is faster: by 3 % in the mean over the sizes, and slower by more
  /// than 2 % at none. Otherwise the rules stay.
  bool faster = false;
  /// Whether the time was over before everything was tried.
  bool ranOutOfTime = false;
  /// The file that holds the schedule for later engines; empty where there is none.
  std::string file;
};

} // namespace norma

#endif // NORMA_RUNTIME_TUNING_H
