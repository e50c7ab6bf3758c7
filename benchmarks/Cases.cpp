//===- Cases.cpp - What is measured ---------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cases.h"

#include "norma/Support/AxisForm.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace norma::benchmarks {

const char *toString(Family family) {
  constexpr const char *kNames[] = {"map", "reduce", "train", "gradient"};
  return kNames[int(family)];
}

const char *toString(Work work) {
  constexpr const char *kNames[] = {"normalize", "inverse", "infer",   "infer-plain",
                                    "moments",   "forward", "backward"};
  return kNames[int(work)];
}

const char *toString(Room room) {
  constexpr const char *kNames[] = {"L1", "L2", "last-level", "between", "memory"};
  return kNames[int(room)];
}

Family familyOf(Work work) {
  switch (work) {
  case Work::Moments:
    return Family::Reduce;
  case Work::Forward:
    return Family::Train;
  case Work::Backward:
    return Family::Gradient;
  default:
    return Family::Map;
  }
}

std::string Case::form() const { return collapseAxes(shape, kept).kinds; }

std::string Case::name() const {
  return fmt::format("{}/{}/{}/{}/{}", toString(familyOf(work)), toString(work), form(),
                     in == out || work == Work::Moments
                         ? norma::toString(in)
                         : fmt::format("{}-{}", norma::toString(in), norma::toString(out)),
                     fmt::join(shape, "x"));
}

int64_t Case::elements() const {
  int64_t product = 1;
  for (int64_t extent : shape)
    product *= extent;
  return product;
}

int64_t Case::channels() const {
  int64_t product = 1;
  for (int64_t axis : kept)
    product *= shape[int(axis)];
  return product;
}

/// The part of the second-level cache that can hold lines of memory which begin `distance` bytes
/// apart: a line has its place by its address, of which those of a power of two of lines share the
/// low bits. Which page lies where is left to chance, so distances of pages and more share as much.
static int64_t reachableBytes(int64_t distance) {
  constexpr int64_t kLine = 64, kPage = 4096;
  return distance % kLine ? caches().l2 : caches().l2 * kLine / std::gcd(distance, kPage);
}

bool Case::blockFits() const {
  const auto size = int64_t(sizeOf(in));
  const int64_t tensors = familyOf(work) == Family::Gradient ? 2 : 1;
  const int64_t perChannel = elements() / channels() * size * tensors;
  const bool neighbours = !kept.empty() && kept.back() == shape.size() - 1;
  if (!neighbours)
    return perChannel <= caches().l2 / 2;
  const int64_t ofLine = std::min(channels(), 64 / size);
  return perChannel * ofLine <= reachableBytes(channels() * size) / 2;
}

int64_t Case::bytes() const {
  const auto ins = int64_t(sizeOf(in)), outs = int64_t(sizeOf(out));
  switch (familyOf(work)) {
  case Family::Map:
    // Where every element is a kept index, its coefficients are as large as the data.
    return elements() * (ins + outs) + (form() == "K" ? 2 * 4 * elements() : 0);
  case Family::Reduce:
    return elements() * ins;
  case Family::Train:
    return elements() * ((blockFits() ? 1 : 2) * ins + outs);
  case Family::Gradient:
    return elements() * ((blockFits() ? 2 : 4) * ins + outs);
  }
  return 0;
}

int64_t Case::footprint() const {
  const auto ins = int64_t(sizeOf(in)), outs = int64_t(sizeOf(out));
  switch (familyOf(work)) {
  case Family::Reduce:
    return elements() * ins;
  case Family::Gradient:
    return elements() * (2 * ins + outs);
  default:
    return elements() * (ins + outs);
  }
}

Room Case::room() const {
  const int64_t size = footprint();
  const auto &[l1, l2, lastLevel] = caches();
  if (size <= l1)
    return Room::L1;
  if (size <= l2)
    return Room::L2;
  // The last level is shared with others: only half of it is counted on.
  if (size <= lastLevel / 2)
    return Room::LastLevel;
  return size < lastLevel * 3 / 2 ? Room::Between : Room::Memory;
}

double Case::goal() const {
  const Room where = room();
  switch (familyOf(work)) {
  case Family::Map:
    return where == Room::Memory || where == Room::LastLevel ? 0.95
           : where == Room::L2                               ? 0.85
                                                             : 0.7;
  case Family::Reduce:
    return where == Room::Memory ? 0.9 : where == Room::L2 ? 0.6 : 0.5;
  case Family::Train:
    return 1 / 1.15;
  case Family::Gradient:
    return 1 / 1.2;
  }
  return 0;
}

const CacheSizes &caches() {
  static const CacheSizes sizes = [] {
    const auto [l1, l2, lastLevel] = cacheSizes();
    const int64_t second = l2 ? l2 : int64_t(1) << 20;
    return CacheSizes{l1 ? l1 : 32 << 10, second, std::max(lastLevel, second)};
  }();
  return sizes;
}

std::string casesAsJson() {
  auto list = nlohmann::ordered_json::array();
  auto values = [](const Dims &dims) { return std::vector<int64_t>(dims.begin(), dims.end()); };
  for (const Case &c : cases())
    list.push_back({{"name", c.name()},
                    {"family", toString(familyOf(c.work))},
                    {"work", toString(c.work)},
                    {"form", c.form()},
                    {"shape", values(c.shape)},
                    {"kept", values(c.kept)},
                    {"in", norma::toString(c.in)},
                    {"out", norma::toString(c.out)},
                    {"bytes", c.bytes()},
                    {"footprint", c.footprint()},
                    {"room", toString(c.room())},
                    {"goal", c.goal()},
                    {"quick", c.quick},
                    {"peers", c.peers}});
  const auto &[l1, l2, lastLevel] = caches();
  return nlohmann::ordered_json{{"caches", {{"l1", l1}, {"l2", l2}, {"last_level", lastLevel}}},
                                {"cases", list}}
      .dump(1);
}

} // namespace norma::benchmarks
