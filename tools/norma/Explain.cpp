//===- Explain.cpp - What was compiled, and how fast it ran ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Explain.h"
#include "Text.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

static void explainForm(std::span<const int64_t> shape, std::span<const int64_t> kept) {
  AxisForm form = collapseAxes(shape, kept);
  std::string extents;
  for (int64_t extent : form.extents)
    extents +=
        (extents.empty() ? "" : " x ") + (extent < 0 ? std::string("?") : std::to_string(extent));
  printNote(fmt::format("axis form   {} of {}, from {} with kept axes {}\n", form.kinds, extents,
                        toString(shape), toString(kept)));
}

void tool::explain(const Engine &engine, std::span<const int64_t> shape,
                   std::span<const int64_t> kept) {
  explainForm(shape, kept);
  explainKernels(engine);
}

/// "21.64 ms: 5.20 ms lowering, 16.44 ms code generation".
static std::string formatCompilation(const KernelInfo &kernel) {
  return fmt::format("{:.2f} ms: {:.2f} ms lowering, {:.2f} ms code generation",
                     kernel.lowerMilliseconds + kernel.codegenMilliseconds,
                     kernel.lowerMilliseconds, kernel.codegenMilliseconds);
}

void tool::explainKernels(const Engine &engine) {
  printNote(fmt::format("engine      {}, {}\n", engine.targetCpu(),
                        formatCount(engine.threads(), "thread")));
  const EngineStats stats = engine.stats();
  printNote(
      fmt::format("cache       {}: {} found, {} compiled\n",
                  engine.cacheDirectory().empty() ? std::string("off") : engine.cacheDirectory(),
                  stats.diskHits, stats.misses));
  if (stats.quickCompiles > 0)
    printNote(fmt::format("tiers       {} compiled quickly, {} with better code since\n",
                          formatCount(int64_t(stats.quickCompiles), "kernel"), stats.swaps));
  for (const KernelInfo &kernel : engine.kernels()) {
    printNote(fmt::format("kernel      {} {}\n"
                          "  schedule  {}{}\n"
                          "  key       {}\n",
                          kernel.family, kernel.axisForm, kernel.schedule,
                          kernel.tuned ? " (tuned)" : "", kernel.key));
    if (kernel.source == KernelSource::Disk)
      printNote(fmt::format("  loaded    {:.2f} ms from the cache; compiled before in {}\n",
                            kernel.loadMilliseconds, formatCompilation(kernel)));
    else
      printNote(fmt::format("  compiled  {}{}; linked in {:.2f} ms\n",
                            kernel.tier == KernelTier::Quick ? "quickly, " : "",
                            formatCompilation(kernel), kernel.loadMilliseconds));
    printNote(fmt::format("  ran       {}, {} moved in {:.3f} ms, {}\n",
                          formatCount(int64_t(kernel.calls), "call"),
                          formatBytes(double(kernel.bytes)), kernel.runSeconds * 1e3,
                          formatRate(double(kernel.bytes), kernel.runSeconds)));
  }
}

void tool::explainWithoutKernels(const NormalizationState &state, uint64_t bytes, double seconds) {
  Dims shape = state.shape;
  for (int64_t &extent : shape)
    if (extent == kUnknownExtent)
      extent = kDynamic;
  explainForm(shape, state.axis);
  printNote(fmt::format("kernels     none: stored statistics are computed on in f64\n"
                        "  ran       {} of statistics in {:.3f} ms, {}\n",
                        formatBytes(double(bytes)), seconds * 1e3,
                        formatRate(double(bytes), seconds)));
}
