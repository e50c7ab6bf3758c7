//===- AddressBench.cpp - Maps by where their result lies -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A processor that compares the lower 12 bits of addresses takes a read for one of what was just
// stored where the result lies a little behind the data in these bits. Each map is of data in the
// second-level cache, on one thread, with the result so many bytes behind a page, and the data at
// a page: all of a form should take about as long.
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Engine.h"
#include "norma/Support/AxisForm.h"

#include <benchmark/benchmark.h>
#include <cstdlib>
#include <fmt/format.h>

using namespace norma;

namespace {

struct Map {
  const char *name;
  Dims shape;
  DType dtype;
};

const Map kMaps[] = {{"RK/f32/3860x13", {3860, 13}, DType::F32},
                     {"RK/f32/50x1000", {50, 1000}, DType::F32},
                     {"RKR/f32/2x512x7x7", {2, 512, 49}, DType::F32},
                     {"RKR/f32/2x128x14x14", {2, 128, 196}, DType::F32},
                     {"RK/bf16/3860x13", {3860, 13}, DType::BF16},
                     {"RKR/bf16/2x512x7x7", {2, 512, 49}, DType::BF16}};

constexpr int64_t kPage = 4096;

/// Tensors that begin so many bytes behind a page.
class Pages {
public:
  explicit Pages(int64_t bytes)
      : memory(std::aligned_alloc(kPage, size_t((bytes / kPage + 2) * kPage)), &std::free) {}
  Tensor at(int64_t offset, const Map &map) const {
    return {static_cast<char *>(memory.get()) + offset, map.dtype, map.shape};
  }

private:
  std::unique_ptr<void, void (*)(void *)> memory;
};

void mapTo(benchmark::State &state, const Map &map, int64_t offset) {
  Expected<std::shared_ptr<Engine>> engine =
      Engine::create({.threads = 1, .cacheDirectory = "off"});
  if (!engine)
    return state.SkipWithError(engine.error().message().c_str());
  const int64_t bytes = Tensor(nullptr, map.dtype, map.shape).size() * int64_t(sizeOf(map.dtype));
  const Pages source(bytes), target(bytes);
  const Tensor x = source.at(0, map), y = target.at(offset, map);
  for (int64_t i = 0; i < x.size(); ++i)
    storeFromDouble(double(i % 1021) / 256 - 1,
                    static_cast<char *>(x.data) + i * int64_t(sizeOf(map.dtype)), map.dtype);
  const Dims kept{1};
  const auto features = size_t(map.shape[1]);
  const Coefficients coefficients{keptShape(map.shape, kept),
                                  std::vector<double>(features, 0.125),
                                  std::vector<double>(features, 1.75),
                                  {}};
  Expected<AffinePlan> plan = (*engine)->planAffine(x, kept, coefficients, DType::F32, y);
  if (!plan)
    return state.SkipWithError(plan.error().message().c_str());
  for (auto _ : state)
    if (Expected<void> done = plan->run(x.data, y.data); !done)
      return state.SkipWithError(done.error().message().c_str());
  state.SetBytesProcessed(state.iterations() * 2 * bytes);
}

} // namespace

int main(int argc, char **argv) {
  for (const Map &map : kMaps)
    for (const int64_t offset : {0, 16, 64, 128, 256, 512, 1024, 2048, 4032})
      benchmark::RegisterBenchmark(fmt::format("{}/behind:{}", map.name, offset).c_str(),
                                   [&map, offset](auto &state) { mapTo(state, map, offset); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  benchmark::RunSpecifiedBenchmarks();
}
