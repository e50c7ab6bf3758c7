//===- EngineBlocked.cpp - Reduce, then map -------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One thread reduces and maps a block of kept indices before it takes the next, or while it
// reduces that, and reads the data a second time from its cache, as far as it holds a block. Where
// that gains less than to share out every block, the whole is reduced, then mapped from its end.
//
//===----------------------------------------------------------------------===//

#include "BlockedPlan.h"
#include "Pace.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>
#include <functional>

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

static CoefficientArrays coefficientArrays(RoundedValues &values, int64_t first, DType compute) {
  return {compute, values.at(0, first), values.at(1, first), values.at(2, first)};
}

Expected<Statistics> Engine::State::momentsThenAffine(const Tensor &x,
                                                      std::span<const int64_t> kept,
                                                      const MomentsOptions &options,
                                                      const WriteCoefficients &write, DType compute,
                                                      const Tensor &y, Statistics memory) {
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  const Dims shape = keptShape(x.shape, kept);
  if (x.size() > 0) {
    const BlockedCall blocked({x, y}, *operands, kept, options.nan, compute);
    const auto findMoments = [&] {
      return outcomeOf(momentsCall(x, kept, options.nan, *operands));
    };
    const auto findMap = [&] { return outcomeOf(affineCall(x, kept, {}, compute, y)); };
    Expected<std::shared_ptr<const BlockedPlan>> plan =
        blockedPlan(blocked, {std::ref(findMoments), std::ref(findMap)});
    if (!plan)
      return plan.takeError();
    if ((*plan)->hasBlocks()) {
      Statistics all = resized(std::move(memory), shape);
      const Spare<RoundedValues>::Loan values = (*plan)->coefficients();
      values->resize(3, all.size(), compute);
      // Where the sums were not accurate enough.
      const auto repair = [&](const BlockKernels &prepared, KeptRange block) -> Expected<void> {
        const auto [begin, end] = block;
        if (!isMarked(std::span(all.m2).subspan(size_t(begin), size_t(end - begin))))
          return {};
        Expected<std::shared_ptr<Kernel::State>> exact =
            kernel(exactly(prepared.reduce.kernelSpec()));
        if (!exact)
          return exact.takeError();
        prepared.reduce.run(
            **exact, blocked, begin,
            {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
        return {};
      };
      const auto reduce = [&](const BlockKernels &prepared, KeptRange block) {
        const int64_t begin = block.begin;
        prepared.reduce.run(
            blocked, begin,
            {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
        return repair(prepared, block);
      };
      const auto map = [&](const BlockKernels &prepared, KeptRange block,
                           std::optional<KeptRange> next) -> Expected<void> {
        const auto [begin, end] = block;
        const CoefficientArrays made = coefficientArrays(*values, begin, compute);
        if (Expected<void> ok = write(begin, end, all, made); !ok)
          return ok;
        if (!next) {
          prepared.map.run(blocked, begin, {made.center, made.scale, made.shift});
          return {};
        }
        const int64_t other = next->begin;
        prepared.mapAndReduce->run(blocked, begin,
                                   {made.center, made.scale, made.shift, all.count.data() + other,
                                    all.mean.data() + other, all.m2.data() + other},
                                   other);
        return repair(prepared, *next);
      };
      if (Expected<void> done = (*plan)->run(*pool, {std::ref(reduce), std::ref(map)}); !done)
        return done.takeError();
      return all;
    }
  }

  // Kept indices may be there without any data.
  Pace unwatched;
  Expected<Statistics> all = x.size() == 0
                                 ? Expected<Statistics>(Statistics::zeros(shape))
                                 : moments(x, kept, options.nan, *operands, *pool, unwatched);
  if (!all || all->size() == 0)
    return all;
  RoundedValues values;
  values.resize(3, all->size(), compute);
  if (Expected<void> ok = write(0, all->size(), *all, coefficientArrays(values, 0, compute)); !ok)
    return ok.takeError().within(nameOf(0, all->size()));
  if (x.size() > 0) {
    Expected<KernelCall> prepared = affineCall(x, kept, {}, compute, y);
    if (!prepared)
      return prepared.takeError();
    map(std::move(*prepared), std::move(values), BlockOrder::Backwards);
  }
  return all;
}

Expected<Statistics> Engine::momentsThenAffine(const Tensor &x, std::span<const int64_t> kept,
                                               const MomentsOptions &options,
                                               const MakeCoefficients &coefficients, DType compute,
                                               const Tensor &y, Statistics memory) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (Expected<void> ok = checkAffine(x, kept, {}, compute, y); !ok)
    return ok.takeError();
  const auto write = [&](int64_t begin, int64_t end, const Statistics &all,
                         const CoefficientArrays &into) -> Expected<void> {
    const Coefficients made = coefficients(begin, end, all);
    if (Expected<void> ok = checkCoefficients(made, Dims{end - begin}); !ok)
      return ok;
    storeCoefficients(made, end - begin, into);
    return {};
  };
  return state->momentsThenAffine(x, kept, options, write, compute, y, std::move(memory));
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// The sums of a gradient, then dx
//===----------------------------------------------------------------------===//

static GradientCoefficientArrays gradientArrays(RoundedValues &values, int64_t first,
                                                DType compute) {
  return {compute, values.at(0, first), values.at(1, first), values.at(2, first),
          values.at(3, first)};
}

Expected<GradientSums> Engine::State::gradientSumsThenMap(const Tensor &x, const Tensor &dy,
                                                          std::span<const int64_t> kept,
                                                          std::span<const double> center,
                                                          const MomentsOptions &options,
                                                          const WriteGradientCoefficients &write,
                                                          DType compute, const Tensor &dx) {
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  const auto size = int64_t(center.size());
  const auto zeros = [&] {
    return GradientSums{keptShape(x.shape, kept), std::vector<double>(center.size()),
                        std::vector<double>(center.size())};
  };
  if (x.size() > 0) {
    const BlockedCall blocked({x, dy, dx}, *operands, kept, NanPolicy::Propagate, compute);
    const auto findSums = [&] { return outcomeOf(gradientSumsCall(x, dy, kept, *operands)); };
    const auto findMap = [&] {
      return outcomeOf(gradientMapCall(x, dy, kept, compute, dx, *operands));
    };
    Expected<std::shared_ptr<const BlockedPlan>> plan =
        blockedPlan(blocked, {std::ref(findSums), std::ref(findMap)});
    if (!plan)
      return plan.takeError();
    if ((*plan)->hasBlocks()) {
      GradientSums all = zeros();
      const Spare<RoundedValues>::Loan values = (*plan)->coefficients();
      values->resize(4, size, compute);
      const auto reduce = [&](const BlockKernels &prepared, KeptRange block) -> Expected<void> {
        const int64_t begin = block.begin;
        prepared.reduce.run(
            blocked, begin,
            {center.data() + begin, all.sum.data() + begin, all.dot.data() + begin});
        return {};
      };
      const auto map = [&](const BlockKernels &prepared, KeptRange block,
                           std::optional<KeptRange> next) -> Expected<void> {
        const auto [begin, end] = block;
        const GradientCoefficientArrays made = gradientArrays(*values, begin, compute);
        if (Expected<void> ok = write(begin, end, all, made); !ok)
          return ok;
        if (!next) {
          prepared.map.run(blocked, begin, {made.center, made.slope, made.offset, made.scale});
          return {};
        }
        const int64_t other = next->begin;
        prepared.mapAndReduce->run(blocked, begin,
                                   {made.center, made.slope, made.offset, made.scale,
                                    center.data() + other, all.sum.data() + other,
                                    all.dot.data() + other},
                                   other);
        return {};
      };
      if (Expected<void> done = (*plan)->run(*pool, {std::ref(reduce), std::ref(map)}); !done)
        return done.takeError();
      return all;
    }
  }

  Expected<GradientSums> all = x.size() == 0 ? Expected<GradientSums>(zeros())
                                             : gradientSums(x, dy, kept, center, *operands);
  if (!all || size == 0)
    return all;
  RoundedValues values;
  values.resize(4, size, compute);
  if (Expected<void> ok = write(0, size, *all, gradientArrays(values, 0, compute)); !ok)
    return ok.takeError().within(nameOf(0, size));
  if (x.size() > 0) {
    Expected<KernelCall> prepared = gradientMapCall(x, dy, kept, compute, dx, *operands);
    if (!prepared)
      return prepared.takeError();
    map(std::move(*prepared), std::move(values), BlockOrder::Backwards);
  }
  return all;
}

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
  const auto write = [&](int64_t begin, int64_t end, const GradientSums &all,
                         const GradientCoefficientArrays &into) -> Expected<void> {
    const GradientCoefficients made = coefficients(begin, end, all);
    if (Expected<void> ok = checkGradientCoefficients(made, Dims{end - begin}); !ok)
      return ok;
    storeCoefficients(made, into);
    return {};
  };
  return state->gradientSumsThenMap(x, dy, kept, center, options, write, compute, dx);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
