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
#include "Marks.h"
#include "Pace.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>
#include <functional>

namespace norma {

static std::string nameOf(int64_t begin, int64_t end) {
  return fmt::format("kept indices [{}, {})", begin, end);
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

Expected<Statistics> Engine::State::momentsThenAffineInBlocks(const BlockedPlan &plan,
                                                              const BlockedCall &call,
                                                              const Dims &shape,
                                                              const WriteCoefficients &write,
                                                              Statistics memory) {
  Statistics all = resized(std::move(memory), shape);
  const auto loan = plan.memory();
  RoundedValues &values = loan->coefficients;
  values.resize(3, all.size(), call.compute);
  // Where the sums were not accurate enough.
  const auto repair = [&](const BlockKernels &prepared, KeptRange block) -> Expected<void> {
    const auto [begin, end] = block;
    const auto again = [&] {
      prepared.reduce.run(
          call, begin, {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
    };
    if (!mustBeExact(std::span(all.m2).subspan(size_t(begin), size_t(end - begin)), again))
      return {};
    Expected<std::shared_ptr<Kernel::State>> exact = kernel(exactly(prepared.reduce.kernelSpec()));
    if (!exact)
      return exact.takeError();
    prepared.reduce.run(**exact, call, begin,
                        {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
    return {};
  };
  const auto reduce = [&](const BlockKernels &prepared, KeptRange block) {
    const int64_t begin = block.begin;
    prepared.reduce.run(call, begin,
                        {all.count.data() + begin, all.mean.data() + begin, all.m2.data() + begin});
    return repair(prepared, block);
  };
  const auto map = [&](const BlockKernels &prepared, KeptRange block,
                       std::optional<KeptRange> next) -> Expected<void> {
    const auto [begin, end] = block;
    const CoefficientArrays made = coefficientArrays(values, begin, call.compute);
    if (Expected<void> ok = write(begin, end, all, made); !ok)
      return ok;
    if (!next) {
      prepared.map.run(call, begin, {made.center, made.scale, made.shift});
      return {};
    }
    const int64_t other = next->begin;
    prepared.mapAndReduce->run(call, begin,
                               {made.center, made.scale, made.shift, all.count.data() + other,
                                all.mean.data() + other, all.m2.data() + other},
                               other);
    return repair(prepared, *next);
  };
  if (Expected<void> done = plan.run(*pool, {std::ref(reduce), std::ref(map)}); !done)
    return done.takeError();
  return all;
}

Expected<Statistics> Engine::State::momentsThenAffineOfWhole(const BlockedPlan &plan,
                                                             const BlockedCall &call,
                                                             const WriteCoefficients &write,
                                                             Statistics memory) {
  const WholeCalls &calls = *plan.whole();
  const auto loan = plan.memory();
  loan->statistics.resize(std::max<size_t>(loan->statistics.size(), 1));
  loan->statistics[0] = std::move(memory);
  Pace unwatched;
  const KernelCall reduction = calls.reduction.call.on(call.reduced());
  Expected<Statistics> all =
      moments(calls.reduction, reduction, static_cast<char *>(call.tensors[0].data), *pool,
              unwatched, &loan->statistics);
  if (!all)
    return all;
  RoundedValues &values = loan->coefficients;
  values.resize(3, all->size(), call.compute);
  if (Expected<void> ok = write(0, all->size(), *all, coefficientArrays(values, 0, call.compute));
      !ok)
    return ok.takeError().within(nameOf(0, all->size()));
  values = this->map(calls.map.on(call.tensors), std::move(values), BlockOrder::Backwards);
  return all;
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
  // Kept indices may be there without any data.
  if (x.size() == 0) {
    Statistics none = Statistics::zeros(shape);
    RoundedValues values;
    values.resize(3, none.size(), compute);
    if (none.size() > 0)
      if (Expected<void> ok = write(0, none.size(), none, coefficientArrays(values, 0, compute));
          !ok)
        return ok.takeError().within(nameOf(0, none.size()));
    return none;
  }
  const BlockedCall call({x, y}, *operands, kept, options.nan, compute);
  const auto findMoments = [&] { return momentsCall(x, kept, options.nan, *operands); };
  const auto findMap = [&] { return affineCall(x, kept, {}, compute, y); };
  Expected<std::shared_ptr<const BlockedPlan>> plan =
      blockedPlan(call, {std::ref(findMoments), std::ref(findMap)});
  if (!plan)
    return plan.takeError();
  return (*plan)->whole()
             ? momentsThenAffineOfWhole(**plan, call, write, std::move(memory))
             : momentsThenAffineInBlocks(**plan, call, shape, write, std::move(memory));
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

static GradientSums zeroSums(const Dims &shape, size_t size) {
  return {shape, std::vector<double>(size), std::vector<double>(size)};
}

Expected<GradientSums>
Engine::State::gradientSumsThenMapInBlocks(const BlockedPlan &plan, const BlockedCall &call,
                                           const Dims &shape, std::span<const double> center,
                                           const WriteGradientCoefficients &write) {
  GradientSums all = zeroSums(shape, center.size());
  const auto loan = plan.memory();
  RoundedValues &values = loan->coefficients;
  values.resize(4, int64_t(center.size()), call.compute);
  const auto reduce = [&](const BlockKernels &prepared, KeptRange block) -> Expected<void> {
    const int64_t begin = block.begin;
    prepared.reduce.run(call, begin,
                        {center.data() + begin, all.sum.data() + begin, all.dot.data() + begin});
    return {};
  };
  const auto map = [&](const BlockKernels &prepared, KeptRange block,
                       std::optional<KeptRange> next) -> Expected<void> {
    const auto [begin, end] = block;
    const GradientCoefficientArrays made = gradientArrays(values, begin, call.compute);
    if (Expected<void> ok = write(begin, end, all, made); !ok)
      return ok;
    if (!next) {
      prepared.map.run(call, begin, {made.center, made.slope, made.offset, made.scale});
      return {};
    }
    const int64_t other = next->begin;
    prepared.mapAndReduce->run(call, begin,
                               {made.center, made.slope, made.offset, made.scale,
                                center.data() + other, all.sum.data() + other,
                                all.dot.data() + other},
                               other);
    return {};
  };
  if (Expected<void> done = plan.run(*pool, {std::ref(reduce), std::ref(map)}); !done)
    return done.takeError();
  return all;
}

Expected<GradientSums>
Engine::State::gradientSumsThenMapOfWhole(const BlockedPlan &plan, const BlockedCall &call,
                                          std::span<const double> center,
                                          const WriteGradientCoefficients &write) {
  const WholeCalls &calls = *plan.whole();
  const auto loan = plan.memory();
  const KernelCall reduction = calls.reduction.call.on(call.reduced());
  GradientSums all = gradientSums(calls.reduction, reduction, center, *pool, &loan->sums);
  RoundedValues &values = loan->coefficients;
  const auto size = int64_t(center.size());
  values.resize(4, size, call.compute);
  if (Expected<void> ok = write(0, size, all, gradientArrays(values, 0, call.compute)); !ok)
    return ok.takeError().within(nameOf(0, size));
  values = this->map(calls.map.on(call.tensors), std::move(values), BlockOrder::Backwards);
  return all;
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
  const Dims shape = keptShape(x.shape, kept);
  if (x.size() == 0) {
    GradientSums none = zeroSums(shape, center.size());
    RoundedValues values;
    const auto size = int64_t(center.size());
    values.resize(4, size, compute);
    if (size > 0)
      if (Expected<void> ok = write(0, size, none, gradientArrays(values, 0, compute)); !ok)
        return ok.takeError().within(nameOf(0, size));
    return none;
  }
  const BlockedCall call({x, dy, dx}, *operands, kept, NanPolicy::Propagate, compute);
  const auto findSums = [&] { return gradientSumsCall(x, dy, kept, *operands); };
  const auto findMap = [&] { return gradientMapCall(x, dy, kept, compute, dx, *operands); };
  Expected<std::shared_ptr<const BlockedPlan>> plan =
      blockedPlan(call, {std::ref(findSums), std::ref(findMap)});
  if (!plan)
    return plan.takeError();
  return (*plan)->whole() ? gradientSumsThenMapOfWhole(**plan, call, center, write)
                          : gradientSumsThenMapInBlocks(**plan, call, shape, center, write);
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
