//===- Compilation.cpp - What a kernel costs to compile -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

#include "Subject.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace norma::benchmarks {

namespace {

/// A kernel among those of a case.
struct Compilation {
  std::string name, family;
  Case subject;
};

} // namespace

/// The kernels that a case needs.
static std::vector<std::string> kernelsOf(Work work) {
  switch (familyOf(work)) {
  case Family::Map:
    return {"affine"};
  case Family::Reduce:
    return {"moments"};
  case Family::Train:
    // Those of the other cases.
    return {};
  case Family::Gradient:
    return {"grad_sums", "grad_map"};
  }
  return {};
}

/// Every kernel once, however many cases use it: the outermost extent is not part of it, and
/// is small here.
static std::vector<Compilation> compilations(bool quick) {
  std::vector<Compilation> found;
  std::set<std::string> names;
  for (const Case &c : cases()) {
    if ((quick && !c.quick) || c.form() == "K")
      continue;
    Case small = c;
    small.shape[0] = std::min<int64_t>(8, c.shape[0]);
    // A single sample has another axis form.
    if (small.shape[0] == 1)
      continue;
    const Dims inner{std::span<const int64_t>(c.shape).subspan(1)};
    for (const std::string &family : kernelsOf(c.work)) {
      const std::string name = fmt::format(
          "compile/{}{}/{}/{}/{}", family,
          c.work == Work::InferPlain ? "-plain"
          : c.work == Work::Inverse  ? "-inverse"
                                     : "",
          c.form(),
          c.in == c.out ? toString(c.in) : fmt::format("{}-{}", toString(c.in), toString(c.out)),
          inner.empty() ? "all" : fmt::format("{}", fmt::join(inner, "x")));
      if (names.insert(name).second)
        found.push_back({name, family, small});
    }
  }
  return found;
}

/// The kernel of `family` that a fresh engine compiled for the case.
static Expected<KernelInfo> compileOnce(const Compilation &what, const std::string &targetCpu,
                                        Buffers &buffers) {
  Expected<Subject> subject = Subject::create(what.subject, 1, targetCpu, buffers);
  if (!subject)
    return subject.takeError();
  // The first kernel of an engine pays for what all use. This one is of no case.
  int8_t one = 1;
  const Tensor scalar(&one, DType::I8, {1});
  if (Expected<Statistics> warm = subject->engine->moments(scalar, {}); !warm)
    return warm.takeError();
  const size_t before = subject->engine->kernels().size();
  if (Expected<void> done = subject->call(); !done)
    return done.takeError();
  const std::vector<KernelInfo> kernels = subject->engine->kernels();
  for (size_t i = what.family == "moments" ? before : 0; i < kernels.size(); ++i)
    if (kernels[i].family == what.family)
      return kernels[i];
  return Error(ErrorCode::Internal, fmt::format("no kernel of {} was compiled", what.family));
}

static void measureCompilation(benchmark::State &state, const Compilation &what,
                               const std::string &targetCpu) {
  Buffers buffers;
  std::vector<double> total, lower, codegen, load;
  for (auto _ : state) {
    Expected<KernelInfo> kernel = compileOnce(what, targetCpu, buffers);
    if (!kernel)
      return state.SkipWithError(kernel.error().message().c_str());
    lower.push_back(kernel->lowerMilliseconds * 1e-3);
    codegen.push_back(kernel->codegenMilliseconds * 1e-3);
    load.push_back(kernel->loadMilliseconds * 1e-3);
    total.push_back(lower.back() + codegen.back() + load.back());
    state.SetIterationTime(total.back());
  }
  state.counters["seconds"] = median(total);
  state.counters["lower_seconds"] = median(lower);
  state.counters["codegen_seconds"] = median(codegen);
  state.counters["load_seconds"] = median(load);
}

void registerCompilations(bool quick, const Settings &settings) {
  for (const Compilation &what : compilations(quick))
    benchmark::RegisterBenchmark(what.name.c_str(),
                                 [what, cpu = settings.targetCpu](benchmark::State &state) {
                                   measureCompilation(state, what, cpu);
                                 })
        ->UseManualTime()
        ->Iterations(settings.rounds)
        ->Unit(benchmark::kMillisecond);
}

} // namespace norma::benchmarks
