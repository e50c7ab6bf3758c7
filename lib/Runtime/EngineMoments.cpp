//===- EngineMoments.cpp - Statistics, in parallel blocks -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

#include <fmt/format.h>

namespace norma {

Expected<KernelCall> Engine::State::momentsCall(const Tensor &x, std::span<const int64_t> kept,
                                                NanPolicy nan, const Operands &operands) {
  Problem problem = makeProblem({x}, operands, kept);
  KernelSpec spec = specOf(KernelFamily::Moments, problem, operands);
  spec.nan = nan;
  return call(std::move(problem), spec);
}

/// Statistics of the whole call, in the caller's order of kept indices.
static Statistics run(const KernelCall &call, const Dims &shape, const ThreadPool &threads) {
  Statistics result = reduceBlocks(
      call, threads, Statistics::zeros({call.problem.keptSize()}),
      [&](const Block &block, Statistics &into) {
        KernelArguments arguments;
        call.pushTensor(arguments, block, 0);
        call.pushOperands(arguments, block);
        for (std::vector<double> *values : {&into.count, &into.mean, &into.m2})
          arguments.push(values->data() + block.firstKept, block.slice.kept,
                         block.slice.keptStrides);
        arguments.call(*call.kernel->code);
      },
      [](Statistics &into, const Statistics &from) {
        // Shapes are equal, which is all that can go wrong.
        (void)mergeStatistics(into, from).hasValue();
      });
  result.shape = shape;
  if (!call.problem.keptInOrder)
    for (std::vector<double> *values : {&result.count, &result.mean, &result.m2})
      *values = call.problem.fromKernelOrder(*values);
  return result;
}

Expected<Statistics> Engine::State::moments(const Tensor &x, std::span<const int64_t> kept,
                                            NanPolicy nan, const Operands &operands,
                                            const ThreadPool &threads) {
  Expected<KernelCall> prepared = momentsCall(x, kept, nan, operands);
  if (!prepared)
    return prepared.takeError();
  const CallTimer timer(*prepared->kernel, uint64_t(x.size()) * sizeOf(x.dtype));
  return run(*prepared, keptShape(x.shape, kept), threads);
}

Expected<Kernel> Engine::momentsKernel(const Tensor &x, std::span<const int64_t> kept,
                                       const MomentsOptions &options) {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  Expected<KernelCall> call = state->momentsCall(x, kept, options.nan, *operands);
  if (!call)
    return call.takeError();
  return Kernel(std::move(call->kernel));
}

Expected<Statistics> Engine::moments(const Tensor &x, std::span<const int64_t> kept,
                                     const MomentsOptions &options) {
  return moments(std::span(&x, 1), kept, options);
}

Expected<Statistics> Engine::moments(std::span<const Tensor> batches, std::span<const int64_t> kept,
                                     const MomentsOptions &options) {
  if (batches.empty())
    return invalidArgument("batches: none given, expected at least one");
  if (batches.size() > 1 && (options.mask || options.weights))
    return invalidArgument("mask and weights: given for several batches, expected one batch");
  for (const Tensor &batch : batches) {
    if (Expected<void> ok = checkMoments(batch, kept, options); !ok)
      return ok.takeError();
    Dims expected = batches.front().shape;
    if (!expected.empty() && batch.rank() > 0)
      expected[0] = batch.shape[0];
    if (!(batch.shape == expected) || batch.dtype != batches.front().dtype)
      return invalidArgument(
          fmt::format("batches: {} of {} beside {} of {}, expected the same but for axis 0",
                      toString(batch.shape), norma::toString(batch.dtype),
                      toString(batches.front().shape), norma::toString(batches.front().dtype)));
  }
  if (std::find(kept.begin(), kept.end(), 0) != kept.end())
    for (const Tensor &batch : batches)
      if (batch.shape[0] != batches.front().shape[0])
        return invalidArgument(
            fmt::format("batches: axis 0 is kept and has extents {} and {}, expected equal ones",
                        batch.shape[0], batches.front().shape[0]));

  const Dims shape = keptShape(batches.front().shape, kept);
  Expected<int64_t> size = numElements(shape);
  if (!size)
    return size.takeError();
  Statistics result = Statistics::zeros(shape);

  if (batches.size() == 1) {
    if (batches[0].size() == 0)
      return result;
    Expected<OwnedOperands> operands = OwnedOperands::create(options, batches[0].shape);
    if (!operands)
      return operands.takeError();
    return state->moments(batches[0], kept, options.nan, *operands, *state->pool);
  }

  std::vector<KernelCall> calls;
  uint64_t bytes = 0;
  for (const Tensor &batch : batches) {
    if (batch.size() == 0)
      continue;
    Expected<KernelCall> call = state->momentsCall(batch, kept, options.nan, {});
    if (!call)
      return call.takeError();
    bytes += uint64_t(batch.size()) * sizeOf(batch.dtype);
    calls.push_back(std::move(*call));
  }
  if (calls.empty())
    return result;
  const CallTimer timer(*calls[0].kernel, bytes);
  // Small batches: one task each, merged in order.
  std::vector<Statistics> parts(calls.size());
  state->pool->forEach(int64_t(calls.size()),
                       [&](int64_t i) { parts[i] = run(calls[i], shape, *state->pool); });
  for (const Statistics &part : parts)
    if (Expected<void> merged = mergeStatistics(result, part); !merged)
      return merged.takeError();
  return result;
}

} // namespace norma
