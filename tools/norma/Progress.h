//===- Progress.h - A progress bar on standard error -----------*- C++ -*--===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_PROGRESS_H
#define NORMA_TOOLS_NORMA_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

namespace norma::tool {

enum class ProgressMode {
  /// When standard error is a terminal.
  Auto,
  Always,
  Never,
};

/// One line that is drawn over itself:
///
///   adapt  [##########..........]  51%  2.2 of 4.3 GB  3.10 GB/s  0.7 s left
///
/// It is drawn at most ten times a second, and wiped when the work is done.
class Progress {
public:
  Progress(ProgressMode mode, std::string label, uint64_t totalBytes);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  void advance(uint64_t bytes);
  /// Wipes the line, before other output.
  void finish();

private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  bool enabled;
  bool drawn = false;
  std::string label;
  uint64_t total, done = 0;
  Clock::time_point start, lastDrawn;
};

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_PROGRESS_H
