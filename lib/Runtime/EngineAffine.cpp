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

Expected<KernelCall> Engine::State::affineCall(const Tensor &x, std::span<const int64_t> kept,
                                               const Coefficients &coefficients, DType compute,
                                               const Tensor &y) {
  Problem problem = makeProblem({x, y}, {}, kept);
  KernelSpec spec = specOf(KernelFamily::Affine, problem, {});
  spec.out = y.dtype;
  spec.compute = compute;
  spec.center = !coefficients.center.empty();
  spec.scale = !coefficients.scale.empty();
  spec.shift = !coefficients.shift.empty();
  spec.streaming = writesPastCaches(problem, spec.layout);
  return call(std::move(problem), spec);
}

Expected<void> Engine::State::affine(const Tensor &x, std::span<const int64_t> kept,
                                     const Coefficients &coefficients, DType compute,
                                     const Tensor &y, const ThreadPool &threads, BlockOrder order) {
  Expected<KernelCall> prepared = affineCall(x, kept, coefficients, compute, y);
  if (!prepared)
    return prepared.takeError();
  const CallTimer timer(prepared->kernel);
  const Problem &problem = prepared->problem;
  const std::vector<std::byte> buffers[] = {rounded(problem, coefficients.center, compute),
                                            rounded(problem, coefficients.scale, compute),
                                            rounded(problem, coefficients.shift, compute)};
  runMap(*prepared, buffers, compute, threads, order);
  timer.stop(uint64_t(x.size()) * (sizeOf(x.dtype) + sizeOf(y.dtype)));
  return {};
}

Expected<Kernel> Engine::affineKernel(const Tensor &x, std::span<const int64_t> kept,
                                      const Coefficients &coefficients, DType compute,
                                      const Tensor &y) try {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  Expected<KernelCall> call = state->affineCall(x, kept, coefficients, compute, y);
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
  return state->affine(x, kept, coefficients, compute, y, state->pool, BlockOrder::Forwards);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
