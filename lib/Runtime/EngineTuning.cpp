//===- EngineTuning.cpp - Kernels that are measured -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Candidates are called as other kernels are: in blocks, by the threads of the engine. What is
// found is an entry of the cache without code, which makeKernel() looks for.
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"
#include "Pace.h"
#include "Tuning/TuningSession.h"

#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace norma {

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Bytes of one index of the outermost axis, counted as the choice between kernels counts them.
static Checked countedBytesOfRow(const KernelSpec &spec) {
  const auto bytesOf = [&](DType dtype) {
    return std::max(int64_t(sizeOf(dtype)), isMap(spec.family) ? int64_t(1) : int64_t(4));
  };
  Checked bytes = bytesOf(spec.data);
  if (isGradient(spec.family))
    bytes += bytesOf(spec.dy);
  if (isMap(spec.family))
    bytes += bytesOf(spec.out);
  for (int axis = 1; axis < spec.extents.size(); ++axis)
    bytes *= spec.extents[axis];
  return bytes;
}

/// Memory of the machine.
static int64_t physicalBytes() {
  const int64_t pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? pages * page : int64_t(1) << 30;
}

Expected<std::vector<int64_t>> Engine::State::tuningRows(const KernelSpec &spec,
                                                         const TuningOptions &options) {
  const Checked rowBytes = countedBytesOfRow(spec);
  const int64_t memory = physicalBytes();
  // Addresses matter as far as they are aligned and different.
  alignas(kStreamingAlignment) std::byte places[3][kStreamingAlignment];
  const auto otherKernel = [&](int64_t rows) -> std::optional<std::string> {
    const Problem problem = tuningProblem(spec, rows, {places[0], places[1], places[2]});
    // What a call of this family and types on the problem runs.
    const auto cuts =
        isMap(spec.family) ? std::nullopt : KeptCuts::ofFewRows(problem, machine.leastPartBytes);
    KernelSpec called = specOf(spec, cuts ? cuts->first(problem, cuts->width) : problem, {});
    setStreaming(called, problem);
    return called == spec ? std::nullopt : std::optional(called.key());
  };
  for (int64_t rows : options.rows) {
    if (rows < 2)
      return invalidArgument(fmt::format("rows: {}, expected at least 2", rows));
    const Checked bytes = rowBytes * rows;
    if (!bytes.fits() || *bytes > memory / 2)
      return Error(ErrorCode::ResourceExhausted,
                   fmt::format("rows: {}, which with this row is more than half of the memory, "
                               "expected fewer",
                               rows));
    if (const std::optional<std::string> other = otherKernel(rows))
      return invalidArgument(fmt::format("rows: {}, for which a call runs the kernel {}, expected "
                                         "a number for which it runs {}",
                                         rows, *other, spec.key()));
  }
  if (!options.rows.empty())
    return options.rows;

  // Those of other kernels are left out below.
  const int64_t kept = keptBytes(isGradient(spec.family));
  std::vector<int64_t> sizes{l2Bytes / 2,         kept / 8 * 7,       kept / 2 * 3,
                             farBytes() / 8 * 7,  farBytes() / 2 * 3, lastLevelBytes() / 2,
                             lastLevelBytes() * 2};
  // Many threads hold more in their second levels than the last one does.
  std::sort(sizes.begin(), sizes.end());
  // Those that are nearly the same tell nothing new.
  const auto isNew = [](int64_t rows, int64_t last) { return rows - last >= last / 2; };
  std::vector<int64_t> all;
  for (int64_t bytes : sizes) {
    if (!rowBytes.fits())
      break;
    const int64_t rows = std::max<int64_t>(std::min(bytes, memory / 8) / *rowBytes, 2);
    if (*rowBytes <= memory / 4 && (all.empty() || isNew(rows, all.back())) && !otherKernel(rows))
      all.push_back(rows);
  }
  if (all.empty())
    return Error(ErrorCode::Unsupported,
                 fmt::format("kernel spec: no call on this machine runs the kernel {}, expected "
                             "one with inner extents of 2 at least, and 'streaming' and 'ahead' as "
                             "calls with data of some size have them",
                             spec.key()));
  return all;
}

//===----------------------------------------------------------------------===//
// Candidates
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Kernel::State>> Engine::State::makeCandidate(const KernelSpec &spec,
                                                                      const std::string &schedule) {
  const KernelOrder order{spec, keyOf(spec), schedule};
  Expected<LoweredKernel> lowered = lower(order);
  if (!lowered)
    return lowered.takeError();
  Expected<CompiledObject> compiled = generate(*lowered, KernelTier::Optimized);
  if (!compiled)
    return compiled.takeError();
  Expected<KernelCode> code = linkCompiled(*compiled, KernelTier::Optimized);
  if (!code)
    return code.takeError();
  return newKernel(order, lowered->schedule(), lowered->block(), std::move(*code));
}

/// A call of a kernel on the data. The data must outlive it.
std::function<void()> Engine::State::callOf(const TuningCase &data,
                                            std::shared_ptr<Kernel::State> kernel) {
  KernelCall call{data.problem(), std::move(kernel)};
  const KernelSpec &spec = data.spec();
  const auto mapCall = [&](std::initializer_list<std::span<const double>> coefficients) {
    auto map =
        std::make_shared<MapCall>(std::move(call), RoundedValues(coefficients, spec.compute));
    return [this, map] { map->run(*pool, BlockOrder::Forwards); };
  };
  const auto onlyIf = [&](bool there, int which) {
    return there ? data.coefficient(which) : std::span<const double>();
  };
  switch (spec.family) {
  case KernelFamily::Affine:
    return mapCall({onlyIf(spec.center, 0), onlyIf(spec.scale, 1), onlyIf(spec.shift, 2)});
  case KernelFamily::GradMap:
    return mapCall(
        {data.coefficient(0), data.coefficient(1), data.coefficient(2), data.coefficient(3)});
  case KernelFamily::GradSums: {
    const Dims kept = call.problem.keptExtents;
    auto sums = std::make_shared<ReductionCall>(
        ReductionCall{std::move(call), spec, kept, machine.leastPartBytes});
    return
        [this, sums, &data] { State::gradientSums(*sums, sums->call, data.coefficient(0), *pool); };
  }
  case KernelFamily::Moments: {
    const Dims kept = call.problem.keptExtents;
    auto moments = std::make_shared<ReductionCall>(
        ReductionCall{std::move(call), spec, kept, machine.leastPartBytes,
                      [this](const KernelSpec &other) { return this->kernel(other); }});
    return [this, moments, x = moments->call.problem.tensors.front().data] {
      Pace unwatched;
      // That a block must be done again, and that this fails, is no matter of its schedule.
      (void)State::moments(*moments, moments->call, x, *pool, unwatched).hasValue();
    };
  }
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Tuning
//===----------------------------------------------------------------------===//

Expected<TuningResult> Engine::State::tune(const KernelSpec &spec, const TuningOptions &options,
                                           const TuningWatch &watch) {
  Expected<std::vector<int64_t>> rows = tuningRows(spec, options);
  if (!rows)
    return rows.takeError();
  TuningSession session(
      spec, std::move(*rows),
      [&](const std::string &schedule) -> Expected<Candidate> {
        Expected<std::shared_ptr<Kernel::State>> made = makeCandidate(spec, schedule);
        if (!made)
          return made.takeError();
        return Candidate{(*made)->schedule, [this, kernel = *made](const TuningCase &data) {
                           return callOf(data, kernel);
                         }};
      },
      [&](const std::string &schedule) { return compiler->schedulesBeside(spec, schedule); },
      watch);
  Expected<TuningResult> result = session.run(options.seconds);
  if (!result || !options.store)
    return result;
  if (!result->faster) {
    forgetTuning(spec);
    return result;
  }
  Expected<std::string> file = storeTuning(spec, result->tried[result->best].schedule);
  if (!file)
    return file.takeError();
  result->file = std::move(*file);
  return result;
}

Expected<std::string> Engine::State::storeTuning(const KernelSpec &spec,
                                                 std::string_view schedule) {
  CacheEntry entry;
  entry.key = tunedKeyOf(keyOf(spec));
  entry.origin = origin;
  entry.schedule = schedule;
  disk->store(entry);
  const std::optional<CacheEntry> kept = disk->load(entry.key, origin);
  if (!kept || *kept != entry)
    return Error(ErrorCode::IOError,
                 fmt::format("the cache {} does not keep what was found, expected a directory "
                             "that only its owner may write, and room",
                             cacheDirectory));
  return cacheDirectory + "/" + CacheDirectory::nameOf(entry.key);
}

Expected<std::string> Engine::State::useSchedule(const KernelSpec &spec,
                                                 std::string_view schedule) {
  Expected<std::shared_ptr<Kernel::State>> made = makeCandidate(spec, std::string(schedule));
  if (!made)
    return made.takeError();
  // As it stands in the IR, however it was written.
  return storeTuning(spec, (*made)->schedule);
}

bool Engine::State::forgetTuning(const KernelSpec &spec) {
  return disk->remove(tunedKeyOf(keyOf(spec)));
}

//===----------------------------------------------------------------------===//
// Public calls
//===----------------------------------------------------------------------===//

static Expected<KernelSpec> parseTunable(std::string_view text) {
  Expected<KernelSpec> spec = parseKernelSpec(text);
  if (!spec)
    return spec;
  if (Expected<void> ok = checkTunable(*spec); !ok)
    return ok.takeError();
  return spec;
}

static Error noCache() {
  return invalidArgument("cacheDirectory: off, expected a directory for what is found");
}

Expected<TuningResult> Engine::tune(std::string_view spec, const TuningOptions &options,
                                    const TuningWatch &watch) try {
  Expected<KernelSpec> parsed = parseTunable(spec);
  if (!parsed)
    return parsed.takeError();
  // Not a NaN, either.
  if (!(options.seconds > 0))
    return invalidArgument(fmt::format("seconds: {}, expected more than 0", options.seconds));
  if (options.store && !state->disk)
    return noCache();
  return state->tune(*parsed, options, watch);
} catch (...) {
  return outOfMemory();
}

Expected<std::string> Engine::useSchedule(std::string_view spec, std::string_view schedule) try {
  Expected<KernelSpec> parsed = parseTunable(spec);
  if (!parsed)
    return parsed.takeError();
  if (schedule.empty())
    return invalidArgument("schedule: '', expected one such as #norma.schedule<rows, vector = 8, "
                           "unroll = 2>");
  if (!state->disk)
    return noCache();
  return state->useSchedule(*parsed, schedule);
} catch (...) {
  return outOfMemory();
}

Expected<bool> Engine::forgetTuning(std::string_view spec) try {
  Expected<KernelSpec> parsed = parseTunable(spec);
  if (!parsed)
    return parsed.takeError();
  if (!state->disk)
    return noCache();
  return state->forgetTuning(*parsed);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
