//===- Text.h - How numbers and tables are written for people --*- C++ -*--===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_TEXT_H
#define NORMA_TOOLS_NORMA_TEXT_H

#include <cstdint>
#include <string>
#include <vector>

namespace norma::tool {

/// "4.29 GB", "13 B": decimal units, three significant digits.
std::string formatBytes(double bytes);
/// "2.31 GB/s", "820 MB/s"; "-" when no time has passed.
std::string formatRate(double bytes, double seconds);
/// "0.012 s", "12.3 s", "2:05 min", "1:02:05 h".
std::string formatDuration(double seconds);
/// As {:.7g}. A NaN is "nan", whatever its sign, which says nothing.
std::string formatNumber(double value);
/// "178 rows", "1 row": the count and the noun in its number.
std::string formatCount(int64_t count, const std::string &noun);

/// Prints to standard error. Unlike fmt::print, this does not throw where that is
/// closed or full: the work goes on without what accompanies it.
void printNote(const std::string &text);

/// Rows of cells under a heading; numbers are aligned to the right.
class Table {
public:
  /// The columns named in `leftAligned` hold text.
  explicit Table(std::vector<std::string> heading, std::vector<int> leftAligned = {});
  void add(std::vector<std::string> cells);
  /// A line across the whole width, for rows that are left out.
  void addNote(std::string note);
  std::string format() const;

private:
  std::vector<int> leftAligned;
  /// A note is a row with a single cell (tables have two columns at least).
  std::vector<std::vector<std::string>> rows;
};

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_TEXT_H
