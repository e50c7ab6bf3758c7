//===- EngineBlocked.cpp - Reduce, then map -------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One thread reduces and maps a block of kept indices before it takes the next, or while it
// reduces that, and reads the data a second time from its cache. Where no block fits in the cache,
// the whole is reduced, then mapped from its end.
//
//===----------------------------------------------------------------------===//

#include "BlockedCall.h"
#include "Pace.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

namespace norma {

static std::string nameOf(int64_t begin, int64_t end) {
  return fmt::format("kept indices [{}, {})", begin, end);
}

/// Whether there is a kernel: the engine remembers which.
template <typename Call>
static Expected<void> outcomeOf(Expected<Call> found) {
  if (!found)
    return found.takeError();
  return {};
}

//===----------------------------------------------------------------------===//
// Statistics, then y
//===----------------------------------------------------------------------===//

/// For values of every kept index, which are all written before they are read.
static Statistics resized(Statistics memory, const Dims &shape) {
  const auto size = size_t(*numElements(shape));
  for (std::vector<double> *values : {&memory.count, &memory.mean, &memory.m2})
    values->resize(size);
  memory.shape = shape;
  return memory;
}

/// One number for each of `size` kept indices, where there are none yet.
static void fillAbsent(std::vector<double> &values, int64_t size, double value) {
  if (values.empty())
    values.assign(size_t(size), value);
}

/// Coefficients for kernels that were made before it was known which there are.
static Expected<Coefficients> completed(Coefficients made, int64_t size) {
  if (Expected<void> ok = checkCoefficients(made, Dims{size}); !ok)
    return ok.takeError();
  fillAbsent(made.center, size, 0);
  fillAbsent(made.scale, size, 1);
  fillAbsent(made.shift, size, 0);
  return made;
}

Expected<Statistics> Engine::momentsThenAffine(const Tensor &x, std::span<const int64_t> kept,
                                               const MomentsOptions &options,
                                               const MakeCoefficients &coefficients, DType compute,
                                               const Tensor &y, Statistics memory) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (Expected<void> ok = checkAffine(x, kept, {}, compute, y); !ok)
    return ok.takeError();
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  const Dims shape = keptShape(x.shape, kept);
  if (x.size() > 0) {
    const BlockedCall call({x, y}, *operands, kept, options.nan, compute);
    Expected<std::shared_ptr<const BlockedPlan>> plan = state->blockedPlan(
        call, {[&] { return outcomeOf(state->momentsCall(x, kept, options.nan, *operands)); },
               [&] { return outcomeOf(state->affineCall(x, kept, {}, compute, y)); }});
    if (!plan)
      return plan.takeError();
    if ((*plan)->hasBlocks()) {
      Statistics all = resized(std::move(memory), shape);
      // Where the sums were not accurate enough.
      const auto repair = [&](const BlockKernels &kernels, KeptRange block) -> Expected<void> {
        const auto [begin, end] = block;
        if (!isMarked(std::span(all.m2).subspan(size_t(begin), size_t(end - begin))))
          return {};
        Expected<std::shared_ptr<Kernel::State>> exact =
            state->kernel(exactly(kernels.reduce.kernelSpec()));
        if (!exact)
          return exact.takeError();
        kernels.reduce.run(
            **exact, call, begin,
            {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
        return {};
      };
      const auto reduce = [&](const BlockKernels &kernels, KeptRange block) {
        const int64_t begin = block.begin;
        kernels.reduce.run(
            call, begin,
            {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
        return repair(kernels, block);
      };
      const auto map = [&](const BlockKernels &kernels, KeptRange block,
                           std::optional<KeptRange> next) -> Expected<void> {
        const auto [begin, end] = block;
        Expected<Coefficients> made = completed(coefficients(begin, end, all), end - begin);
        if (!made)
          return made.takeError();
        const RoundedValues values({made->center, made->scale, made->shift}, compute);
        if (!next) {
          kernels.map.run(call, begin, {values.at(0), values.at(1), values.at(2)});
          return {};
        }
        const int64_t other = next->begin;
        kernels.mapAndReduce->run(call, begin,
                                  {values.at(0), values.at(1), values.at(2),
                                   all.count.data() + other, all.mean.data() + other,
                                   all.m2.data() + other},
                                  other);
        return repair(kernels, *next);
      };
      if (Expected<void> done = (*plan)->run(*state->pool, {reduce, map}); !done)
        return done.takeError();
      return all;
    }
  }

  // Kept indices may be there without any data.
  Pace unwatched;
  Expected<Statistics> all =
      x.size() == 0 ? Expected<Statistics>(Statistics::zeros(shape))
                    : state->moments(x, kept, options.nan, *operands, *state->pool, unwatched);
  if (!all || all->size() == 0)
    return all;
  Expected<Coefficients> made = completed(coefficients(0, all->size(), *all), all->size());
  if (!made)
    return made.takeError().within(nameOf(0, all->size()));
  if (x.size() > 0) {
    made->shape = shape;
    if (Expected<void> done =
            state->affine(x, kept, *made, compute, y, *state->pool, BlockOrder::Backwards);
        !done)
      return done.takeError();
  }
  return all;
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// The sums of a gradient, then dx
//===----------------------------------------------------------------------===//

Expected<GradientSums> Engine::gradientSumsThenMap(const Tensor &x, const Tensor &dy,
                                                   std::span<const int64_t> kept,
                                                   std::span<const double> center,
                                                   const MomentsOptions &options,
                                                   const MakeGradientCoefficients &coefficients,
                                                   DType compute, const Tensor &dx) try {
  if (Expected<void> ok = checkGradientSums(x, dy, kept, center, options); !ok)
    return ok.takeError();
  if (Expected<void> ok = checkGradientTensors(x, dy, kept, compute, dx, options); !ok)
    return ok.takeError();
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  const auto size = int64_t(center.size());
  const auto zeros = [&] {
    return GradientSums{keptShape(x.shape, kept), std::vector<double>(center.size()),
                        std::vector<double>(center.size())};
  };
  if (x.size() > 0) {
    const BlockedCall call({x, dy, dx}, *operands, kept, NanPolicy::Propagate, compute);
    Expected<std::shared_ptr<const BlockedPlan>> plan = state->blockedPlan(
        call,
        {[&] { return outcomeOf(state->gradientSumsCall(x, dy, kept, *operands)); },
         [&] { return outcomeOf(state->gradientMapCall(x, dy, kept, compute, dx, *operands)); }});
    if (!plan)
      return plan.takeError();
    if ((*plan)->hasBlocks()) {
      GradientSums all = zeros();
      const auto reduce = [&](const BlockKernels &kernels, KeptRange block) -> Expected<void> {
        const int64_t begin = block.begin;
        kernels.reduce.run(call, begin,
                           {center.data() + begin, all.sum.data() + begin, all.dot.data() + begin});
        return {};
      };
      const auto map = [&](const BlockKernels &kernels, KeptRange block,
                           std::optional<KeptRange> next) -> Expected<void> {
        const auto [begin, end] = block;
        const GradientCoefficients made = coefficients(begin, end, all);
        if (Expected<void> ok = checkGradientCoefficients(made, Dims{end - begin}); !ok)
          return ok;
        const RoundedValues values({made.center, made.slope, made.offset, made.scale}, compute);
        if (!next) {
          kernels.map.run(call, begin, {values.at(0), values.at(1), values.at(2), values.at(3)});
          return {};
        }
        const int64_t other = next->begin;
        kernels.mapAndReduce->run(call, begin,
                                  {values.at(0), values.at(1), values.at(2), values.at(3),
                                   center.data() + other, all.sum.data() + other,
                                   all.dot.data() + other},
                                  other);
        return {};
      };
      if (Expected<void> done = (*plan)->run(*state->pool, {reduce, map}); !done)
        return done.takeError();
      return all;
    }
  }

  Expected<GradientSums> all = x.size() == 0 ? Expected<GradientSums>(zeros())
                                             : state->gradientSums(x, dy, kept, center, *operands);
  if (!all || size == 0)
    return all;
  GradientCoefficients made = coefficients(0, size, *all);
  if (Expected<void> ok = checkGradientCoefficients(made, Dims{size}); !ok)
    return ok.takeError().within(nameOf(0, size));
  if (x.size() > 0)
    if (Expected<void> done =
            state->gradientMap(x, dy, kept, made, compute, dx, *operands, BlockOrder::Backwards);
        !done)
      return done.takeError();
  return all;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
