//===- EngineGradient.cpp - Gradient kernels, in parallel blocks ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reduction.h"

#include "norma/Support/OutOfMemory.h"

namespace norma {

namespace {

/// Adds the sums of a later block.
struct AddSums {
  static constexpr int64_t kElements = 64, kLeastForTwo = 128;

  void operator()(GradientSums &into, const GradientSums &from) const {
    for (size_t i = 0; i < into.sum.size(); ++i) {
      into.sum[i] += from.sum[i];
      into.dot[i] += from.dot[i];
    }
  }
};

} // namespace

static GradientSums zeroSums(const Dims &shape, int64_t size) {
  return {shape, std::vector<double>(size), std::vector<double>(size)};
}

Expected<KernelCall> Engine::State::gradientSumsCall(const Tensor &x, const Tensor &dy,
                                                     std::span<const int64_t> kept,
                                                     const Operands &operands) {
  Problem problem = makeProblem({x, dy}, operands, kept);
  KernelSpec spec = specOf({.family = KernelFamily::GradSums, .dy = dy.dtype}, problem, operands);
  setStreaming(spec, problem);
  return call(std::move(problem), spec);
}

Expected<GradientSums> Engine::State::gradientSums(const Tensor &x, const Tensor &dy,
                                                   std::span<const int64_t> kept,
                                                   std::span<const double> center,
                                                   const Operands &operands) {
  Expected<KernelCall> call = gradientSumsCall(x, dy, kept, operands);
  if (!call)
    return call.takeError();

  const CallTimer timer(*call->kernel, uint64_t(x.size()) * (sizeOf(x.dtype) + sizeOf(dy.dtype)));
  GradientSums result =
      gradientSums(*call, keptShape(x.shape, kept), call->problem.toKernelOrder(center), *pool);
  if (!call->problem.keptInOrder)
    for (std::vector<double> *values : {&result.sum, &result.dot})
      *values = call->problem.fromKernelOrder(*values);
  return result;
}

GradientSums Engine::State::gradientSums(const KernelCall &call, const Dims &shape,
                                         std::span<const double> centers,
                                         const ThreadPool &threads) {
  const EntryPoint entry = call.entry();
  Reduction sums(
      call, [&] { return zeroSums(shape, int64_t(centers.size())); },
      [&](const Block &block, GradientSums &into) {
        KernelArguments arguments;
        call.pushTensor(arguments, block, 0);
        call.pushTensor(arguments, block, 1);
        arguments.push(centers.data() + block.firstKept, block.slice.kept, block.slice.keptStrides);
        call.pushOperands(arguments, block);
        for (std::vector<double> *values : {&into.sum, &into.dot})
          arguments.push(values->data() + block.firstKept, block.slice.kept,
                         block.slice.keptStrides);
        arguments.call(entry);
      },
      AddSums{});
  Pace unwatched;
  sums.work(threads, unwatched);
  return sums.take();
}

Expected<GradientSums> Engine::gradientSums(const Tensor &x, const Tensor &dy,
                                            std::span<const int64_t> kept,
                                            std::span<const double> center,
                                            const MomentsOptions &options) try {
  if (Expected<void> ok = checkGradientSums(x, dy, kept, center, options); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return zeroSums(keptShape(x.shape, kept), int64_t(center.size()));
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  return state->gradientSums(x, dy, kept, center, *operands);
} catch (...) {
  return outOfMemory();
}

Expected<KernelCall> Engine::State::gradientMapCall(const Tensor &x, const Tensor &dy,
                                                    std::span<const int64_t> kept, DType compute,
                                                    const Tensor &dx, const Operands &operands) {
  Problem problem = makeProblem({x, dy, dx}, operands, kept);
  KernelSpec spec =
      specOf({.family = KernelFamily::GradMap, .out = dx.dtype, .compute = compute, .dy = dy.dtype},
             problem, operands);
  setStreaming(spec, problem);
  return call(std::move(problem), spec);
}

Expected<void> Engine::gradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                                   const GradientCoefficients &coefficients, DType compute,
                                   const Tensor &dx, const MomentsOptions &options) try {
  if (Expected<void> ok = checkGradientMap(x, dy, kept, coefficients, compute, dx, options); !ok)
    return ok;
  if (x.size() == 0)
    return {};
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  Expected<KernelCall> call = state->gradientMapCall(x, dy, kept, compute, dx, *operands);
  if (!call)
    return call.takeError();
  state->map(
      std::move(*call),
      {{coefficients.center, coefficients.slope, coefficients.offset, coefficients.scale}, compute},
      BlockOrder::Forwards);
  return {};
} catch (...) {
  return outOfMemory();
}

} // namespace norma
