//===- DialectMutator.cpp - Changes a program -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DialectMutator.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace norma::fuzz {

/// A part of a text.
struct Span {
  size_t begin, size;
};

static bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// What lies between two characters, which lie on one line: the lists of kept axes, the
/// attributes of an op.
static std::vector<Span> between(const std::string &text, char open, char close) {
  std::vector<Span> found;
  for (size_t begin = text.find(open); begin != std::string::npos;
       begin = text.find(open, begin + 1)) {
    const size_t end = text.find_first_of(std::string{close, '\n'}, begin);
    if (end != std::string::npos && text[end] == close)
      found.push_back({begin + 1, end - begin - 1});
  }
  return found;
}

/// The extents of types: a number or '?' before an 'x'.
static std::vector<Span> extents(const std::string &text) {
  std::vector<Span> found;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != 'x')
      continue;
    size_t begin = at;
    while (begin > 0 && (std::isdigit(static_cast<unsigned char>(text[begin - 1])) != 0 ||
                         text[begin - 1] == '?'))
      --begin;
    if (begin < at && begin > 0 && (text[begin - 1] == '<' || text[begin - 1] == 'x'))
      found.push_back({begin, at - begin});
  }
  return found;
}

static constexpr const char *kElements[] = {"f16", "bf16", "f32", "f64", "i1",
                                            "i8",  "i16",  "i32", "i64", "index"};

/// Element types, wherever they stand.
static std::vector<Span> elements(const std::string &text) {
  std::vector<Span> found;
  for (std::string_view name : kElements)
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      const bool begins = at == 0 || !isWord(text[at - 1]) || text[at - 1] == 'x';
      const size_t end = at + name.size();
      if (begins && (end == text.size() || !isWord(text[end])))
        found.push_back({at, name.size()});
    }
  return found;
}

/// One of the spots gets another text, or, so that types still agree, all those of the same text.
static void replace(std::string &text, std::vector<Span> spots, const std::string &by,
                    Choices &choose) {
  if (spots.empty())
    return;
  const Span one = spots[choose.below(spots.size())];
  const std::string old = text.substr(one.begin, one.size);
  const bool all = !choose.oneIn(8);
  std::erase_if(spots, [&](Span spot) {
    return all ? text.compare(spot.begin, spot.size, old) != 0 : spot.begin != one.begin;
  });
  std::sort(spots.begin(), spots.end(), [](Span a, Span b) { return a.begin > b.begin; });
  for (const Span spot : spots)
    text.replace(spot.begin, spot.size, by);
}

static constexpr const char *kExtents[] = {
    "?",  "0",  "1",  "2",  "3",  "4",   "5",    "7",          "8",
    "13", "16", "17", "49", "64", "100", "1000", "4294967296", "9223372036854775807"};
static constexpr const char *kAxes[] = {"",     "0",    "1",    "2",       "3",
                                        "0, 1", "1, 2", "0, 2", "1, 3",    "0, 1, 2",
                                        "1, 0", "-1",   "0, 0", "0, 2, 4", "9223372036854775807"};
static constexpr const char *kAttributes[] = {
    "epsilon = 0.0",
    "epsilon = 1.0e-3",
    "epsilon = 1.0e308",
    "epsilon = -1.0",
    "epsilon = 0x7FF0000000000000 : f64",
    "epsilon_floor = 1.001e-5",
    "epsilon_mode = #norma<epsilon_mode add_to_variance>",
    "epsilon_mode = #norma<epsilon_mode add_to_std>",
    "zero_variance = #norma<zero_variance unit>",
    "nan = #norma<nan omit>",
    "momentum = 0.5",
    "momentum = 0x7FF8000000000000 : f64",
    "renorm_momentum = 0.25",
    "sample_variance",
    "use_batch_statistics = false",
    "update_moving = false",
    "trainable_affine = false",
    "virtual_batch_size = 1",
    "virtual_batch_size = 2",
    "virtual_batch_size = 5",
    "virtual_batch_size = 9223372036854775807",
    "virtual_batch_size = 2, remainder = #norma<remainder smaller>",
    "virtual_batch_size = 3, remainder = #norma<remainder merge>",
    "virtual_batch_size = 2, grouping = #norma<grouping contiguous>",
    "schedule = #norma.schedule<rows, vector = 8, unroll = 2>",
    "schedule = #norma.schedule<rows, vector = 64, unroll = 64, group = 1024, block = 1>",
    "schedule = #norma.schedule<runs, vector = 1, unroll = 1>",
    "schedule = #norma.schedule<runs, vector = 4, unroll = 1, interleave = true>",
    "schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32>",
    "schedule = #norma.schedule<runs, vector = 8, unroll = 3, group = 32, prefetch = 1073741824>",
    "schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 52, prefetch = 1>",
    "schedule = #norma.schedule<runs, vector = 8, unroll = 2, group = 32, parts = 2, streams = 4>",
    "schedule = #norma.schedule<flat, vector = 8, unroll = 2, group = 32, line = 8, accumulate = "
    "f64, "
    "block = 9223372036854775807, nontemporal = true>",
    "schedule = #norma.schedule<flat, vector = 16, unroll = 8, line = 9223372036854775792>",
};

/// Adds to the attributes of an op, or puts others in their place.
static void changeAttributes(std::string &text, Choices &choose) {
  const std::vector<Span> spots = between(text, '{', '}');
  const std::string attribute = choose.from(kAttributes);
  if (spots.empty() || choose.oneIn(4)) {
    // The attributes of an op come before the colon of its types.
    const size_t at = text.find('\n', choose.below(text.size() + 1));
    const size_t colon = text.find(" : ", at == std::string::npos ? 0 : at);
    if (colon != std::string::npos)
      text.insert(colon, " {" + attribute + "}");
    return;
  }
  const Span spot = spots[choose.below(spots.size())];
  if (spot.size == 0 || choose.oneIn(2))
    text.replace(spot.begin, spot.size, attribute);
  else
    text.insert(spot.begin, attribute + ", ");
}

/// A line again, or not at all; a value used in place of another.
static void changeLines(std::string &text, Choices &choose) {
  std::vector<Span> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1);
    lines.push_back({begin, end + 1 - begin});
    begin = end + 1;
  }
  if (lines.empty())
    return;
  const Span line = lines[choose.below(lines.size())];
  if (choose.oneIn(2))
    text.erase(line.begin, line.size);
  else
    text.insert(lines[choose.below(lines.size())].begin, text.substr(line.begin, line.size));
}

static void changeValue(std::string &text, Choices &choose) {
  std::vector<Span> values;
  for (size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 1)) {
    size_t end = at + 1;
    while (end < text.size() && (isWord(text[end]) || text[end] == '#'))
      ++end;
    values.push_back({at, end - at});
  }
  if (values.empty())
    return;
  const Span from = values[choose.below(values.size())], to = values[choose.below(values.size())];
  text.replace(to.begin, to.size, text.substr(from.begin, from.size));
}

/// Puts the functions into a module that describes the processor, which need not exist.
static std::string onProcessor(const std::string &functions, Choices &choose) {
  static constexpr const char *kNumbers[] = {
      "0 : i64",   "-1 : i64",  "64 : i64",   "128 : i64",
      "256 : i64", "512 : i64", "2048 : i64", "9223372036854775807 : i64",
      "7 : i32",   "1 : i1",    "\"many\""};
  std::string entries;
  for (const char *key : {"norma.vector_bits", "norma.l1_bytes", "norma.l2_bytes",
                          "norma.vector_registers", "norma.read_streams"})
    if (choose.oneIn(2))
      entries +=
          (entries.empty() ? "\"" : ", \"") + std::string(key) + "\" = " + choose.from(kNumbers);
  if (entries.empty() || functions.starts_with("module"))
    return functions;
  return "module attributes {dlti.target_system_spec = #dlti.target_system_spec<\"CPU\" = "
         "#dlti.target_device_spec<" +
         entries + ">>} {\n" + functions + "}\n";
}

static void mutateOnce(std::string &text, size_t maxSize, Choices &choose) {
  switch (choose.below(12)) {
  case 0:
    text = mutated(std::move(text), maxSize);
    break;
  case 1:
    changeValue(text, choose);
    break;
  case 2:
    changeLines(text, choose);
    break;
  case 3:
    replace(text, between(text, '[', ']'), choose.from(kAxes), choose);
    break;
  case 4:
  case 5:
    replace(text, elements(text), choose.from(kElements), choose);
    break;
  case 6:
  case 7:
    changeAttributes(text, choose);
    break;
  case 8:
  case 9:
    replace(text, extents(text), choose.from(kExtents), choose);
    break;
  default:
    text += makeFunction(choose);
    break;
  }
}

size_t mutateProgram(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  Choices choose(seed);
  std::string text(textOf(data, size));
  // libFuzzer makes several changes after each other, and one that spoils a program is rarely made
  // good by the next: so every other one begins anew.
  if (choose.oneIn(2)) {
    text = makeFunction(choose);
    if (choose.oneIn(4))
      text = onProcessor(text, choose);
  }
  while (choose.oneIn(2))
    mutateOnce(text, maxSize, choose);
  return putInto(data, maxSize, text);
}

} // namespace norma::fuzz
