//===- Harness.h - What the benchmarks have in common -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_HARNESS_H
#define NORMA_BENCHMARKS_HARNESS_H

#include "norma/Support/Tensor.h"

#include <benchmark/benchmark.h>
#include <string>

namespace norma::benchmarks {

/// The same values on every run, from a small linear congruential generator: f32 in
/// [-1, 1), or any byte for u8.
inline Expected<Array> makeData(DType dtype, const Dims &shape, uint32_t seed) {
  Expected<Array> data = Array::create(dtype, shape);
  if (!data)
    return data;
  for (int64_t i = 0; i < data->view().size(); ++i) {
    seed = seed * 1664525 + 1013904223;
    if (dtype == DType::U8)
      data->as<uint8_t>()[i] = uint8_t(seed >> 24);
    else
      data->as<float>()[i] = float(seed >> 8) * 0x1p-23f - 1;
  }
  return data;
}

/// Calls work() once, which compiles its kernels, then in the measured loop. `bytes` is
/// what one call must move.
template <typename Work>
void measure(benchmark::State &state, Work work, size_t bytes) {
  Expected<void> done = work();
  for (auto _ : state) {
    if (done)
      done = work();
    if (!done) {
      state.SkipWithError(done.error().message().c_str());
      break;
    }
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * int64_t(bytes));
}

/// Registers body(state) to be measured in wall time.
template <typename Body>
void add(const std::string &name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMillisecond);
}

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_HARNESS_H
