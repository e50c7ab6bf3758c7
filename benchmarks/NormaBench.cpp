//===- NormaBench.cpp - Every kernel beside the limit of the machine ------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// scripts/bench runs this and makes tables and plots of what it writes. By itself:
//
//   NormaBench --benchmark_filter=map/.*/RK --benchmark_out=map.json
//
// Names begin with a part: map, reduce, train, gradient, compile, call.
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "Rounds.h"
#include "SmallCalls.h"

#include "Limits.h"

#include "norma/Runtime/Engine.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

using namespace norma;
using namespace norma::benchmarks;

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  CLI::App app("Measures norma beside the limit of the machine; also takes the options of Google "
               "Benchmark.");
  Settings settings;
  bool quick = false, list = false;
  app.add_option("--rounds", settings.rounds, "Measurements, of which the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seconds", settings.seconds, "What one measurement takes at least")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--target-cpu", settings.targetCpu,
                 "Processor to compile kernels for, as LLVM names it; this one if not given");
  app.add_option_function<std::string>(
         "--limit", Limits::choose, "Instruction set of the limit's loops; the best if not given")
      ->check(CLI::IsMember(Limits::instructionSets()));
  app.add_flag("--quick", quick, "Only the cases that represent the others");
  app.add_flag("--cases", list, "Print all cases as JSON, and measure nothing");
  CLI11_PARSE(app, argc, argv);
  if (list) {
    fmt::print("{}\n", casesAsJson());
    return 0;
  }

  if (Expected<std::shared_ptr<Engine>> engine =
          Engine::create({.targetCpu = settings.targetCpu, .cacheDirectory = "off"});
      !engine) {
    fmt::print(stderr, "NormaBench: error: {}\n", engine.error().message());
    return 1;
  }

  Buffers buffers;
  for (const Case &c : cases()) {
    if (quick && !c.quick)
      continue;
    for (int threads : {1, 2})
      benchmark::RegisterBenchmark(fmt::format("{}/t{}", c.name(), threads).c_str(),
                                   [&, threads](benchmark::State &state) {
                                     measureCase(state, c, threads, settings, buffers);
                                   })
          ->UseManualTime()
          ->Iterations(settings.rounds)
          ->Unit(benchmark::kMicrosecond);
  }
  registerCompilations(quick, settings);
  registerSmallCalls(settings);

  const auto &[l1, l2, lastLevel] = caches();
  benchmark::AddCustomContext("limit_loops", Limits::instructionSet());
  benchmark::AddCustomContext("target_cpu",
                              settings.targetCpu.empty() ? "native" : settings.targetCpu);
  benchmark::AddCustomContext("caches",
                              fmt::format("L1 {}, L2 {}, last level {}", l1, l2, lastLevel));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
