//===- Limits.cpp - What the machine can do -------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Limits.h"
#include "LimitLoops.h"

#include <atomic>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <optional>

namespace norma::benchmarks {

/// Those for the machine, the best first.
static const std::vector<const LimitLoops *> &allLoops() {
  static const std::vector<const LimitLoops *> all = [] {
    std::vector<const LimitLoops *> found;
#ifdef NORMA_LIMITS_X86
    if (__builtin_cpu_supports("avx512bw"))
      found.push_back(&avx512LimitLoops());
    if (__builtin_cpu_supports("avx2"))
      found.push_back(&avx2LimitLoops());
#endif
    found.push_back(&baseLimitLoops());
    return found;
  }();
  return all;
}

static const LimitLoops *chosen = nullptr;
static const LimitLoops &loops() { return chosen ? *chosen : *allLoops().front(); }

static std::optional<MapLoop> mapLoop(DType in, DType out) {
  const bool out16 = out == DType::F16 || out == DType::BF16;
  if (in == out && out16)
    return MapLoop::Bits16;
  if (in == DType::F32 || in == DType::F64)
    return in == out ? std::optional(in == DType::F32 ? MapLoop::F32 : MapLoop::F64)
           : in == DType::F32 && out16 ? std::optional(MapLoop::F32ToBits16)
                                       : std::nullopt;
  if (in == DType::U8 && (out == DType::F32 || out16))
    return out16 ? MapLoop::U8ToBits16 : MapLoop::U8ToF32;
  return std::nullopt;
}

bool Limits::supports(DType in, DType out) { return mapLoop(in, out).has_value(); }
const char *Limits::instructionSet() { return loops().instructionSet; }

std::vector<std::string> Limits::instructionSets() {
  std::vector<std::string> names;
  for (const LimitLoops *each : allLoops())
    names.emplace_back(each->instructionSet);
  return names;
}

void Limits::choose(const std::string &instructionSet) {
  for (const LimitLoops *each : allLoops())
    if (each->instructionSet == instructionSet)
      chosen = each;
}

struct Limits::Arena {
  explicit Arena(int count) : parts(count), tasks(count) {}
  int parts;
  oneapi::tbb::task_arena tasks;

  /// Calls body(begin, end) for as many parts of `elements` as there are threads, cut at
  /// multiples of a page's elements at least.
  template <typename Body>
  void forParts(int64_t elements, Body body) {
    const int64_t pages = (elements + 4095) / 4096;
    auto cut = [&](int64_t part) { return std::min(elements, pages * part / parts * 4096); };
    if (parts == 1)
      return body(0, elements);
    tasks.execute([&] {
      oneapi::tbb::parallel_for(
          0, parts, [&](int part) { body(cut(part), cut(part + 1)); },
          oneapi::tbb::static_partitioner());
    });
  }
};

Limits::Limits(int threads) : arena(std::make_unique<Arena>(threads)) {}
Limits::~Limits() = default;

static char *at(const Tensor &tensor, int64_t element) {
  return static_cast<char *>(tensor.data) + element * int64_t(sizeOf(tensor.dtype));
}

void Limits::read(const Tensor &x, Streams streams) const {
  const ReadFunction loop = loops().read[int(streams)];
  static std::atomic<uint64_t> seen{0};
  arena->forParts(x.size(), [&](int64_t begin, int64_t end) {
    seen.fetch_xor(loop(at(x, begin), (end - begin) * int64_t(sizeOf(x.dtype))),
                   std::memory_order_relaxed);
  });
}

void Limits::map(const Tensor &x, const Tensor &y, Streams streams, Stores stores) const {
  const MapFunction loop =
      loops().map[int(mapLoop(x.dtype, y.dtype).value())].ways[int(streams)][int(stores)];
  arena->forParts(
      x.size(), [&](int64_t begin, int64_t end) { loop(at(x, begin), at(y, begin), end - begin); });
}

void Limits::combine(const Tensor &x, const Tensor &dy, const Tensor &dx, Streams streams,
                     Stores stores) const {
  const CombineFunction loop =
      loops().combine[int(mapLoop(x.dtype, dx.dtype).value())].ways[int(streams)][int(stores)];
  arena->forParts(x.size(), [&](int64_t begin, int64_t end) {
    loop(at(x, begin), at(dy, begin), at(dx, begin), end - begin);
  });
}

} // namespace norma::benchmarks
