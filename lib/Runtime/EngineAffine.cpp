//===- EngineAffine.cpp - Maps, in parallel blocks ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

namespace norma {

static CoefficientKinds kindsOf(const Coefficients &coefficients) {
  return {!coefficients.center.empty(), !coefficients.scale.empty(), !coefficients.shift.empty()};
}

Expected<KernelCall> Engine::State::affineCall(const Tensor &x, std::span<const int64_t> kept,
                                               CoefficientKinds kinds, DType compute,
                                               const Tensor &y) {
  Problem problem = makeProblem({x, y}, {}, kept);
  KernelSpec spec = specOf({.family = KernelFamily::Affine,
                            .center = kinds.center,
                            .scale = kinds.scale,
                            .shift = kinds.shift,
                            .out = y.dtype,
                            .compute = compute},
                           problem, {});
  setStreaming(spec, problem);
  return call(std::move(problem), spec);
}

static RoundedValues roundedValues(const Coefficients &coefficients, DType compute) {
  return {{coefficients.center, coefficients.scale, coefficients.shift}, compute};
}

RoundedValues Engine::State::map(KernelCall prepared, RoundedValues coefficients,
                                 BlockOrder order) const {
  MapCall map(std::move(prepared), std::move(coefficients));
  const CallTimer timer(*map.kernelCall().kernel, uint64_t(map.bytes()));
  map.run(*pool, order);
  return map.takeCoefficients();
}

Expected<Kernel> Engine::affineKernel(const Tensor &x, std::span<const int64_t> kept,
                                      const Coefficients &coefficients, DType compute,
                                      const Tensor &y) try {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  Expected<KernelCall> call = state->affineCall(x, kept, kindsOf(coefficients), compute, y);
  if (!call)
    return call.takeError();
  return Kernel(std::move(call->kernel));
} catch (...) {
  return outOfMemory();
}

Expected<void> Engine::affine(const Tensor &x, std::span<const int64_t> kept,
                              const Coefficients &coefficients, DType compute,
                              const Tensor &y) try {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok;
  if (x.size() == 0)
    return {};
  Expected<KernelCall> call = state->affineCall(x, kept, kindsOf(coefficients), compute, y);
  if (!call)
    return call.takeError();
  state->map(std::move(*call), roundedValues(coefficients, compute), BlockOrder::Forwards);
  return {};
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

struct AffinePlan::State {
  /// Absent where there are no elements.
  std::optional<MapCall> map;
  std::shared_ptr<const ThreadPool> pool;
  ByteRange x, y;
  /// Elements at the same address are the same elements.
  bool mayBeInPlace = false;
  /// What the address of y must be a multiple of.
  uintptr_t alignment = 1;
};

Expected<AffinePlan> Engine::planAffine(const Tensor &x, std::span<const int64_t> kept,
                                        const Coefficients &coefficients, DType compute,
                                        const Tensor &y) try {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok.takeError();
  auto plan = std::make_shared<AffinePlan::State>();
  if (x.size() == 0)
    return AffinePlan(std::move(plan));
  Expected<KernelCall> call = state->affineCall(x, kept, kindsOf(coefficients), compute, y);
  if (!call)
    return call.takeError();
  if (call->writesPastCaches)
    plan->alignment = kStreamingAlignment;
  plan->map.emplace(std::move(*call), roundedValues(coefficients, compute));
  plan->pool = state->pool;
  plan->x = byteRange(x);
  plan->y = byteRange(y);
  plan->mayBeInPlace = x.dtype == y.dtype && haveSameStrides(x, y);
  return AffinePlan(std::move(plan));
} catch (...) {
  return outOfMemory();
}

Expected<void> AffinePlan::run(const void *x, void *y) const {
  const State &plan = *state;
  if (!plan.map)
    return {};
  if (!x || !y)
    return invalidArgument(
        fmt::format("{}: null, expected the address of a tensor", x ? "y" : "x"));
  if (!(x == y && plan.mayBeInPlace) && overlap(x, plan.x, y, plan.y))
    return invalidArgument("y: overlaps x; expected x itself, where both have one dtype and the "
                           "same strides, or memory of its own");
  if (reinterpret_cast<uintptr_t>(y) % plan.alignment != 0)
    return invalidArgument(fmt::format("y: at address {}, expected a multiple of {}, as it was "
                                       "when the plan was made",
                                       y, plan.alignment));
  const CallTimer timer(*plan.map->kernelCall().kernel, uint64_t(plan.map->bytes()));
  plan.map->run(static_cast<char *>(const_cast<void *>(x)), static_cast<char *>(y), *plan.pool,
                BlockOrder::Forwards);
  return {};
}

} // namespace norma
