//===- NormalizationBench.cpp - Adapt and apply under Google Benchmark ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compare the bytes_per_second of Adapt and Apply with those of Copy of the same
// shape: bytes that must move, so the copy is the limit of the machine.
//
//===----------------------------------------------------------------------===//

#include "Harness.h"
#include "ParallelCopy.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <fmt/format.h>
#include <functional>

using namespace norma;

namespace {

struct Case {
  std::string name;
  Dims shape;
  DType dtype;
};

/// Everything one benchmark needs, or the reason why it cannot run.
struct Fixture {
  std::shared_ptr<Engine> engine;
  std::optional<Normalization> layer;
  Array input, output;

  static Expected<Fixture> create(const Case &c, DType outputDType) {
    Fixture fixture;
    Expected<std::shared_ptr<Engine>> engine = Engine::create();
    if (!engine)
      return engine.takeError();
    fixture.engine = *engine;
    Expected<Normalization> layer = Normalization::create(*engine);
    if (!layer)
      return layer.takeError();
    fixture.layer.emplace(std::move(*layer));
    Expected<Array> input = benchmarks::makeData(c.dtype, c.shape, 1);
    if (!input)
      return input.takeError();
    fixture.input = std::move(*input);
    Expected<Array> output = Array::create(outputDType, c.shape);
    if (!output)
      return output.takeError();
    fixture.output = std::move(*output);
    return fixture;
  }
};

using Work = std::function<Expected<void>(Fixture &)>;

void runBenchmark(benchmark::State &state, const Case &c, DType outputDType, bool writes,
                  const Work &work) {
  Expected<Fixture> fixture = Fixture::create(c, outputDType);
  if (!fixture)
    return state.SkipWithError(fixture.error().message().c_str());
  // Statistics to apply.
  if (Expected<void> adapted = fixture->layer->adapt(fixture->input); !adapted)
    return state.SkipWithError(adapted.error().message().c_str());
  benchmarks::measure(
      state, [&] { return work(*fixture); },
      fixture->input.sizeInBytes() + (writes ? fixture->output.sizeInBytes() : 0));
}

void registerCase(const Case &c) {
  auto add = [&](const char *what, DType outputDType, bool writes, Work work) {
    benchmarks::add(fmt::format("{}/{}", what, c.name), [=](benchmark::State &state) {
      runBenchmark(state, c, outputDType, writes, work);
    });
  };
  add("Copy", c.dtype, true, [](Fixture &f) -> Expected<void> {
    benchmarks::parallelCopy(f.output.view().data, f.input.view().data, f.input.sizeInBytes(),
                             f.engine->threads());
    benchmark::ClobberMemory();
    return {};
  });
  add("Adapt", DType::F32, false, [](Fixture &f) { return f.layer->adapt(f.input); });
  add("Apply", DType::F32, true,
      [](Fixture &f) { return f.layer->apply(f.input, f.output.view()); });
}

} // namespace

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  for (const Case &c : {Case{"f32/1000000x13", {1000000, 13}, DType::F32},
                        Case{"f32/100000x1024", {100000, 1024}, DType::F32},
                        Case{"u8/427x640x3", {427, 640, 3}, DType::U8}})
    registerCase(c);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
