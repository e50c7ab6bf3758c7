//===- Text.cpp - How numbers and tables are written for people -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

std::string tool::formatBytes(double bytes) {
  const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  int unit = 0;
  // 999.5 would be written as 1000.
  while (bytes >= 999.5 && unit < 5) {
    bytes /= 1000;
    ++unit;
  }
  if (unit == 0)
    return fmt::format("{:.0f} B", bytes);
  int decimals = bytes < 9.995 ? 2 : bytes < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", bytes, decimals, units[unit]);
}

std::string tool::formatRate(double bytes, double seconds) {
  if (!(seconds > 0))
    return "-";
  return formatBytes(bytes / seconds) + "/s";
}

std::string tool::formatDuration(double seconds) {
  if (seconds < 9.9995)
    return fmt::format("{:.3f} s", seconds);
  if (seconds < 60)
    return fmt::format("{:.1f} s", seconds);
  int64_t whole = std::llround(seconds);
  if (whole < 3600)
    return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string tool::formatNumber(double value) {
  return fmt::format("{:.7g}", std::isnan(value) ? std::fabs(value) : value);
}

std::string tool::formatCount(int64_t count, const std::string &noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void tool::printNote(const std::string &text) { std::fputs(text.c_str(), stderr); }

Table::Table(std::vector<std::string> heading, std::vector<int> leftAligned)
    : leftAligned(std::move(leftAligned)), rows{std::move(heading)} {}

void Table::add(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }

void Table::addNote(std::string note) { rows.push_back({std::move(note)}); }

std::string Table::format() const {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto &row : rows)
    if (row.size() > 1)
      for (size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], row[i].size());

  std::string text;
  for (const auto &row : rows) {
    std::string line;
    if (row.size() == 1)
      line = fmt::format("  {}", row.front());
    else
      for (size_t i = 0; i < row.size(); ++i) {
        bool left = std::find(leftAligned.begin(), leftAligned.end(), int(i)) != leftAligned.end();
        line += left ? fmt::format("  {:<{}}", row[i], widths[i])
                     : fmt::format("  {:>{}}", row[i], widths[i]);
      }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}
