//===- Progress.cpp - A progress bar on standard error --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Progress.h"
#include "Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace norma;
using namespace norma::tool;

static bool wanted(ProgressMode mode) {
  if (mode != ProgressMode::Auto)
    return mode == ProgressMode::Always;
  return isatty(STDERR_FILENO) == 1;
}

/// Columns of the terminal, 80 where there is none.
static size_t terminalWidth() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

Progress::Progress(ProgressMode mode, std::string label, uint64_t totalBytes)
    : enabled(wanted(mode)), label(std::move(label)), total(totalBytes), start(Clock::now()),
      lastDrawn(start) {
  if (enabled)
    draw(start);
}

Progress::~Progress() { finish(); }

void Progress::advance(uint64_t bytes) {
  done = std::min(done + bytes, total);
  if (!enabled)
    return;
  Clock::time_point now = Clock::now();
  if (now - lastDrawn >= std::chrono::milliseconds(100) || done == total)
    draw(now);
}

void Progress::draw(Clock::time_point now) {
  double seconds = std::chrono::duration<double>(now - start).count();
  double share = total > 0 ? double(done) / double(total) : 1;
  std::string figures = fmt::format("{:>3.0f}%  {} of {}", share * 100, formatBytes(double(done)),
                                    formatBytes(double(total)));
  if (done > 0 && seconds > 0)
    figures += fmt::format("  {}  {} left", formatRate(double(done), seconds),
                           formatDuration(seconds * (1 - share) / share));

  // The bar takes the room that is left; in a narrow terminal there is none.
  size_t width = terminalWidth();
  size_t used = label.size() + figures.size() + 7;
  std::string line = label + "  ";
  if (width > used + 10) {
    size_t bar = std::min<size_t>(width - used, 40);
    auto filled = size_t(share * double(bar));
    line += fmt::format("[{}{}]  ", std::string(filled, '#'), std::string(bar - filled, '.'));
  }
  line += figures;
  if (line.size() >= width)
    line.resize(width - 1);
  // Carriage return, then "erase to the end of the line".
  printNote(fmt::format("\r{}\x1b[K", line));
  std::fflush(stderr);
  lastDrawn = now;
  drawn = true;
}

void Progress::finish() {
  if (!drawn)
    return;
  printNote(fmt::format("\r\x1b[K"));
  std::fflush(stderr);
  drawn = false;
  enabled = false;
}
