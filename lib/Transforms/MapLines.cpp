//===- MapLines.cpp - Which lines a map goes by ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapRules.h"

#include <numeric>

using namespace mlir;
using namespace norma;

/// The least elements of a line that goes abreast of others.
static constexpr int64_t kLeastAbreast = 512;

static constexpr int64_t kPageBytes = 4096;

/// The coefficients of an element, or room for one where there are none.
static int64_t coefficientBytes(const Map &map) {
  return map.computeBytes() * std::max<int64_t>(map.coefficients, 1);
}

/// Elements until coefficients repeat.
static int64_t periodOfRow(const Map &map) { return map.form.kinds == "R" ? 1 : map.form.row(); }

/// Vectors of an iteration along a line: about as many as usual, and so many that none is left
/// over, where that can be: the loop has no other body then.
static int64_t unrollOfLine(int64_t vectors, int64_t usual) {
  // A body for one that is left over takes longer to compile than it saves.
  if (usual == 2 && vectors % 2 != 0)
    return 1;
  const int64_t most = std::max<int64_t>(std::min(usual, vectors / 2), 1);
  for (int64_t other : {most, most - 1, most + 1})
    if (most > 2 && vectors % other == 0 && other <= vectors / 2)
      return other;
  return most;
}

/// The shortest part of a row that is whole runs, whole vectors and at least `least` elements, and
/// that goes evenly into it; 0 if `most` elements are none.
static int64_t partOfRow(int64_t row, int64_t inner, int64_t vector, int64_t least, int64_t most) {
  const int64_t unit = std::lcm(inner, vector);
  for (int64_t part = unit; part <= std::min(row, most); part += unit)
    if (part >= least && row % part == 0)
      return part;
  return 0;
}

/// Lines abreast, which share what they read of the coefficients, if there is a line.
static std::optional<MapLines> linesAbreast(int64_t line, int64_t abreast = kStreams) {
  return line > 0 ? std::optional(MapLines{line, 1, abreast}) : std::nullopt;
}

/// Lines of dense rows that lie apart: as many whole runs as are whole vectors, and have their
/// coefficients in half the L1. Runs of whole vectors need none.
static std::optional<MapLines> chooseLinesOfBlock(const Map &map, int64_t vector, int64_t unroll) {
  const int64_t row = map.form.row(), inner = map.form.extents.back();
  if (map.form.kinds != "RKR" || inner % vector == 0 || row % vector != 0)
    return std::nullopt;
  const int64_t period = std::lcm(inner, vector);
  int64_t line = 0;
  for (int64_t next = period; next * coefficientBytes(map) <= map.target.l1Bytes / 2;
       next += period)
    if (row % next == 0)
      line = next;
  if (line > 0)
    return MapLines{line, unrollOfLine(line / vector, unroll)};
  if (period * coefficientBytes(map) <= map.target.l2Bytes / 4)
    return MapLines{period, 2, kStreams};
  return std::nullopt;
}

/// Lines of RKR that go abreast where data is written past the caches.
static std::optional<MapLines> chooseRunsAbreast(const Map &map, int64_t vector, int64_t most) {
  const int64_t row = map.form.row(), inner = map.form.extents.back();
  // Runs that are whole vectors have their coefficients in registers, which counts where these
  // are many or what is read is near.
  if (inner % vector == 0 && (inner >= kManyVectors * vector || !map.use.ahead || map.bytes() < 4))
    return std::nullopt;
  // From the second level they come as slowly as the data, so more rows share them. Bytes, bf16
  // and f64 take longer that way.
  const bool areFar = row * coefficientBytes(map) > map.target.l1Bytes && map.bytes() == 4;
  return linesAbreast(partOfRow(row, inner, vector, kLeastAbreast, most),
                      areFar ? 2 * kStreams : kStreams);
}

/// Lines of contiguous data that is written past the caches, four of them abreast or eight: so many
/// streams of reads at once get more from memory than one does. Where a row's coefficients do not
/// fit the first level, lines are parts of it that do.
static std::optional<MapLines> chooseLinesAbreast(const Map &map, int64_t vector) {
  const int64_t most = map.target.l1Bytes * 2 / 3 / coefficientBytes(map);
  if (map.form.kinds == "RKR")
    return chooseRunsAbreast(map, vector, most);
  // Reads of single bytes are few beside what is written.
  if (map.bytes() < 2)
    return std::nullopt;
  const int64_t row = periodOfRow(map), period = std::lcm(row, vector);
  if (period > most)
    return linesAbreast(partOfRow(row, 1, vector, kPageBytes / map.bytes(), most));
  // To write out coefficients that would be in registers pays where memory is waited for.
  if (!map.use.ahead && period * map.bytes() < kPageBytes)
    return std::nullopt;
  return linesAbreast(llvm::alignTo(std::min(kLeastAbreast, most), period));
}

/// Whether rows go as well without lines. Those of many whole vectors are lines as they are. So are
/// others, if they may begin anywhere: to write out their coefficients for a `period` would cost
/// more than what is left over of each.
static bool areLinesThemselves(const Map &map, int64_t period, int64_t vector) {
  const int64_t row = map.form.row();
  if (map.form.kinds != "RK")
    return false;
  return period == row ? period / vector > 8 : !map.use.streaming && row >= kManyVectors * vector;
}

/// Lines of contiguous data, one after the other: the period of the coefficients.
static std::optional<MapLines> choosePeriod(const Map &map, int64_t vector, int64_t unroll) {
  // In whole vectors, and long enough to unroll.
  int64_t period = std::lcm(periodOfRow(map), vector);
  while (period / vector < unroll)
    period *= 2;
  if (areLinesThemselves(map, period, vector))
    return std::nullopt;
  const int64_t vectors = period / vector, lineBytes = period * coefficientBytes(map);
  // Short enough that one line of every coefficient stays in half the L1.
  if (lineBytes <= map.target.l1Bytes / 2) {
    // A line that is unrolled as a whole has its coefficients in registers.
    const int64_t registers =
        std::max<int64_t>(vector * map.computeBytes() * 8 / map.target.vectorBits, 1);
    if (vectors * registers <= map.inRegisters)
      return MapLines{period, vectors};
    return map.isBoundByLoads() ? linesAbreast(period)
                                : MapLines{period, unrollOfLine(vectors, unroll)};
  }
  // Runs that are not whole vectors cannot be written past the caches. Where that is wanted,
  // coefficients from the second level, shared by lines, cost less than what it saves; and less
  // than tiny runs by themselves.
  constexpr int64_t kTinyBytes = 64;
  const int64_t inner = map.form.extents.back();
  if (map.form.kinds == "RKR" && inner % vector != 0 &&
      (map.use.streaming || inner * map.computeBytes() <= kTinyBytes) &&
      lineBytes <= map.target.l2Bytes / 2)
    return MapLines{period, 2, kStreams};
  return std::nullopt;
}

std::optional<MapLines> norma::chooseLines(const Map &map, int64_t vector, int64_t unroll) {
  const ScheduleForm &form = map.form;
  const bool flattens =
      (form.kinds == "R" || form.kinds == "RK" || form.kinds == "RKR") && !map.mask && !map.weights;
  if (!flattens || form.row() == 0)
    return std::nullopt;
  if (!map.isContiguous())
    return chooseLinesOfBlock(map, vector, unroll);
  if (map.use.streaming && !map.use.interleave)
    if (std::optional<MapLines> lines = chooseLinesAbreast(map, vector))
      return lines;
  // Parts of rows go abreast where a row's coefficients would be read anew for each row.
  if (form.kinds == "RK" && !map.use.streaming && map.crowdsFirstLevel())
    return linesAbreast(partOfRow(form.row(), 1, vector, kLeastAbreast,
                                  map.target.l1Bytes / 2 / coefficientBytes(map)));
  return choosePeriod(map, vector, unroll);
}
