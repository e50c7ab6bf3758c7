//===- DemoThroughput.cpp - How fast the demo's data is normalized --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: norma-demo-throughput FILE.npy [FILE.npy ...]
//
// Repeats every data set along axis 0 until it is too large for the caches, and
// prints the throughput of adapt and apply (the last axis is kept) beside that
// of a plain copy of the same memory by the same number of threads. Throughput is
// bytes that must move: adapt reads its input, apply reads its input and writes
// f32, a copy reads and writes. Every figure is the median of several runs.
//
//===----------------------------------------------------------------------===//

#include "Limits.h"
#include "norma/IO/Npy.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <functional>

using namespace norma;

static constexpr int kRuns = 9;
static constexpr int64_t kBytes = 256 << 20;

namespace {

struct Workload {
  std::string name;
  Array input, output, copy;
};

/// The first error of a series of runs, or the median of their seconds.
Expected<double> medianSeconds(const std::function<Expected<void>()> &work) {
  std::vector<double> seconds;
  // The first run compiles, and touches the memory.
  for (int run = -1; run < kRuns; ++run) {
    auto start = std::chrono::steady_clock::now();
    Expected<void> done = work();
    std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (!done)
      return done.takeError();
    if (run >= 0)
      seconds.push_back(elapsed.count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  return seconds[kRuns / 2];
}

Expected<Workload> loadTiled(const std::string &path) {
  Expected<io::NpyReader> reader = io::NpyReader::open(path);
  if (!reader)
    return reader.takeError();
  Expected<Tensor> mapped = reader->map();
  if (!mapped)
    return mapped.takeError();
  Expected<Array> once = Array::copyOf(*mapped);
  if (!once)
    return once.takeError();
  if (once->view().rank() == 0 || once->view().size() == 0)
    return invalidArgument(
        fmt::format("{} has shape {}; expected rows to repeat", path, toString(mapped->shape)));

  auto bytes = int64_t(once->sizeInBytes());
  int64_t times = std::max<int64_t>(1, kBytes / bytes);
  Dims shape = mapped->shape;
  shape[0] *= times;
  Workload workload;
  workload.name = path.substr(path.find_last_of('/') + 1);
  for (auto [array, dtype] :
       {std::pair(&workload.input, mapped->dtype), std::pair(&workload.copy, mapped->dtype),
        std::pair(&workload.output, DType::F32)}) {
    Expected<Array> memory = Array::create(dtype, shape);
    if (!memory)
      return memory.takeError();
    *array = std::move(*memory);
  }
  for (int64_t i = 0; i < times; ++i)
    std::memcpy(workload.input.as<char>() + i * bytes, once->view().data, size_t(bytes));
  return workload;
}

Expected<void> measure(const std::string &path) {
  Expected<Workload> loaded = loadTiled(path);
  if (!loaded)
    return loaded.takeError();
  Workload &work = *loaded;
  Expected<std::shared_ptr<Engine>> engine = Engine::create();
  if (!engine)
    return engine.takeError();
  Expected<Normalization> layer = Normalization::create(*engine);
  if (!layer)
    return layer.takeError();

  size_t inputBytes = work.input.sizeInBytes();
  const benchmarks::Limits limits((*engine)->threads());
  // The loop for 16-bit types takes any bytes.
  const Dims words{int64_t(inputBytes / 2)};
  const Tensor from(work.input.view().data, DType::F16, words),
      to(work.copy.view().data, DType::F16, words);
  Expected<double> copy = medianSeconds([&]() -> Expected<void> {
    limits.map(from, to, benchmarks::Streams::Many, benchmarks::Stores::Streaming);
    return {};
  });
  if (!copy)
    return copy.takeError();
  Expected<double> adapt = medianSeconds([&] { return layer->adapt(work.input); });
  if (!adapt)
    return adapt.takeError();
  Expected<double> apply =
      medianSeconds([&] { return layer->apply(work.input, work.output.view()); });
  if (!apply)
    return apply.takeError();

  double copyRate = 2 * double(inputBytes) / *copy * 1e-9;
  auto printRow = [&](const char *what, double bytes, double seconds) {
    double rate = bytes / seconds * 1e-9;
    fmt::print("  {:<20} {:<4} {:<18} {:<6} {:>8.2f} ms {:>8.1f} GB/s {:>6.0f} %\n", work.name,
               toString(work.input.view().dtype), toString(work.input.view().shape), what,
               seconds * 1e3, rate, rate / copyRate * 100);
  };
  printRow("copy", 2 * double(inputBytes), *copy);
  printRow("adapt", double(inputBytes), *adapt);
  printRow("apply", double(inputBytes + work.output.sizeInBytes()), *apply);
  return {};
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: norma-demo-throughput FILE.npy [FILE.npy ...]\n");
    return 2;
  }
  fmt::print("  {:<20} {:<4} {:<18} {:<6} {:>11} {:>13} {:>8}\n", "data, repeated", "type", "shape",
             "work", "median", "throughput", "of copy");
  for (int i = 1; i < argc; ++i) {
    Expected<void> done = measure(argv[i]);
    if (!done) {
      fmt::print(stderr, "norma-demo-throughput: error: {}\n", done.error().message());
      return 1;
    }
  }
  return 0;
}
