//===- BatchNormBench.cpp - Batch normalization under Google Benchmark ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// bytes_per_second counts what a pass must move when nothing stays in a cache: copy
// and inference read and write once, training reads twice and writes once, the
// gradient reads data and dy twice and writes once. So all are to be compared with the
// rate of Copy of the same shape; above it, a cache helped.
//
//===----------------------------------------------------------------------===//

#include "Harness.h"
#include "ParallelCopy.h"
#include "norma/Runtime/Layers/BatchNormalization.h"

#include <fmt/format.h>
#include <functional>

using namespace norma;

namespace {

struct Case {
  std::string name;
  Dims shape;
  int64_t axis;
};

/// Everything one benchmark needs, or the reason why it cannot run.
struct Fixture {
  std::shared_ptr<Engine> engine;
  std::optional<BatchNormalization> layer;
  Array x, dy, out;
  SavedForward saved;

  static Expected<Fixture> create(const Case &c, bool cacheBlocked) {
    Fixture fixture;
    Expected<std::shared_ptr<Engine>> engine = Engine::create();
    if (!engine)
      return engine.takeError();
    fixture.engine = *engine;
    BatchNormalizationOptions options = BatchNormalizationOptions::keras3();
    options.axis = {c.axis};
    options.fused = cacheBlocked;
    Expected<BatchNormalization> layer = BatchNormalization::create(*engine, options);
    if (!layer)
      return layer.takeError();
    fixture.layer.emplace(std::move(*layer));
    Array *arrays[] = {&fixture.x, &fixture.dy, &fixture.out};
    for (uint32_t i = 0; i < 3; ++i) {
      Expected<Array> array = benchmarks::makeData(DType::F32, c.shape, i + 1);
      if (!array)
        return array.takeError();
      *arrays[i] = std::move(*array);
    }
    Expected<SavedForward> saved = fixture.layer->train(fixture.x, fixture.out.view());
    if (!saved)
      return saved.takeError();
    fixture.saved = std::move(*saved);
    return fixture;
  }
};

using Work = std::function<Expected<void>(Fixture &)>;

/// `passes`: how often a tensor of the shape is read or written.
void runBenchmark(benchmark::State &state, const Case &c, bool cacheBlocked, int passes,
                  const Work &work) {
  Expected<Fixture> fixture = Fixture::create(c, cacheBlocked);
  if (!fixture)
    return state.SkipWithError(fixture.error().message().c_str());
  benchmarks::measure(
      state, [&] { return work(*fixture); }, size_t(passes) * fixture->x.sizeInBytes());
}

void registerCase(const Case &c) {
  auto add = [&](const char *what, bool cacheBlocked, int passes, Work work) {
    benchmarks::add(fmt::format("{}/{}", what, c.name), [=](benchmark::State &state) {
      runBenchmark(state, c, cacheBlocked, passes, work);
    });
  };
  const Work train = [](Fixture &f) -> Expected<void> {
    Expected<SavedForward> saved = f.layer->train(f.x, f.out.view());
    return saved ? Expected<void>() : Expected<void>(saved.takeError());
  };
  const Work gradient = [](Fixture &f) -> Expected<void> {
    Expected<BatchNormGradients> gradients = f.layer->gradient(f.saved, f.x, f.dy, f.out.view());
    return gradients ? Expected<void>() : Expected<void>(gradients.takeError());
  };
  add("Copy", false, 2, [](Fixture &f) -> Expected<void> {
    benchmarks::parallelCopy(f.out.view().data, f.x.view().data, f.x.sizeInBytes(),
                             f.engine->threads());
    benchmark::ClobberMemory();
    return {};
  });
  add("Infer", false, 2, [](Fixture &f) { return f.layer->apply(f.x, f.out.view()); });
  add("TrainTwoPasses", false, 3, train);
  add("TrainBlocked", true, 3, train);
  add("Gradient", true, 5, gradient);
}

} // namespace

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  for (const Case &c : {Case{"nchw/8x64x112x112", {8, 64, 112, 112}, 1},
                        Case{"nhwc/8x112x112x64", {8, 112, 112, 64}, 3},
                        Case{"nchw/32x256x14x14", {32, 256, 14, 14}, 1},
                        Case{"nhwc/32x14x14x256", {32, 14, 14, 256}, 3},
                        Case{"table/1000000x30", {1000000, 30}, 1}})
    registerCase(c);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
