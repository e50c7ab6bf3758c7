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

Expected<ReductionCall> Engine::State::gradientSumsCall(const Tensor &x, const Tensor &dy,
                                                        std::span<const int64_t> kept,
                                                        const Operands &operands) {
  return reductionCall({.family = KernelFamily::GradSums, .dy = dy.dtype},
                       makeProblem({x, dy}, operands, kept), operands, keptShape(x.shape, kept));
}

Expected<GradientSums> Engine::State::gradientSums(const Tensor &x, const Tensor &dy,
                                                   std::span<const int64_t> kept,
                                                   std::span<const double> center,
                                                   const Operands &operands) {
  Expected<ReductionCall> prepared = gradientSumsCall(x, dy, kept, operands);
  if (!prepared)
    return prepared.takeError();
  return gradientSums(*prepared, prepared->call, center, *pool);
}

GradientSums Engine::State::gradientSums(const ReductionCall &prepared, const KernelCall &call,
                                         std::span<const double> center, const ThreadPool &threads,
                                         std::vector<GradientSums> *memory) {
  const Problem &problem = call.problem;
  CallTimer timer(*call.kernel, uint64_t(problem.bytes()));
  prepared.shareOut(timer);
  std::vector<double> inKernelOrder;
  if (!problem.keptInOrder)
    inKernelOrder = problem.toKernelOrder(center);
  const std::span<const double> centers =
      problem.keptInOrder ? center : std::span<const double>(inKernelOrder);
  const ReductionCode code(prepared);
  Reduction sums(
      prepared, call, memory ? std::move(*memory) : std::vector<GradientSums>(),
      [&](GradientSums &room) {
        room.shape = prepared.shape;
        room.sum.resize(center.size());
        room.dot.resize(center.size());
      },
      [&](const Block &block, GradientSums &into) {
        KernelArguments arguments;
        call.pushTensor(arguments, block, 0);
        call.pushTensor(arguments, block, 1);
        arguments.push(centers.data() + block.firstKept, block.slice.kept, block.slice.keptStrides);
        call.pushOperands(arguments, block);
        for (std::vector<double> *values : {&into.sum, &into.dot})
          arguments.push(values->data() + block.firstKept, block.slice.kept,
                         block.slice.keptStrides);
        arguments.call(code.of(block));
      },
      AddSums{});
  Pace unwatched;
  sums.work(threads, unwatched);
  GradientSums result = sums.take();
  if (memory)
    *memory = sums.takeMemory();
  if (!problem.keptInOrder)
    for (std::vector<double> *values : {&result.sum, &result.dot})
      *values = problem.fromKernelOrder(*values);
  return result;
}

Expected<GradientSums> Engine::gradientSums(const Tensor &x, const Tensor &dy,
                                            std::span<const int64_t> kept,
                                            std::span<const double> center,
                                            const MomentsOptions &options) try {
  if (Expected<void> ok = checkGradientSums(x, dy, kept, center, options); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return GradientSums{keptShape(x.shape, kept), std::vector<double>(center.size()),
                        std::vector<double>(center.size())};
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
