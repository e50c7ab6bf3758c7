//===- EngineMoments.cpp - Reductions, in parallel blocks merged in a fixed order -===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The outermost axis is cut into blocks whose bounds depend on the shape and the
// schedule alone. Consecutive blocks make a task, whose statistics are merged in
// order; the tasks' statistics are merged in a tree. So the bits are the same for
// any number of threads.
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include <chrono>
#include <cmath>
#include <fmt/format.h>

namespace norma {

/// Tasks at most; enough for the cores of a large machine, few enough that their
/// statistics stay small next to the data.
static constexpr int64_t kTasks = 64;

/// A contiguous copy of `tensor` in another dtype, one value at a time; `convert`
/// may refuse a value.
static Expected<Array>
converted(const Tensor &tensor, DType dtype,
          const std::function<Expected<void>(double, const Dims &index, void *out)> &convert) {
  Expected<Array> copy = Array::create(dtype, tensor.shape);
  if (!copy)
    return copy;
  Dims index;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    index.push_back(0);
  const int64_t size = tensor.size(), bytes = int64_t(sizeOf(tensor.dtype));
  char *out = copy->as<char>();
  for (int64_t i = 0; i < size; ++i, out += sizeOf(dtype)) {
    int64_t offset = 0;
    for (int axis = 0; axis < tensor.rank(); ++axis)
      offset += index[axis] * tensor.strides[axis];
    const char *address = static_cast<const char *>(tensor.data) + offset * bytes;
    if (Expected<void> ok = convert(loadAsDouble(address, tensor.dtype), index, out); !ok)
      return ok.takeError();
    for (int axis = tensor.rank() - 1; axis >= 0 && ++index[axis] == tensor.shape[axis]; --axis)
      index[axis] = 0;
  }
  return copy;
}

/// Kernels read masks as bytes, 0 or not.
static Expected<Array> maskAsBytes(const Tensor &mask) {
  return converted(mask, DType::U8, [](double value, const Dims &, void *out) -> Expected<void> {
    *static_cast<uint8_t *>(out) = value != 0;
    return {};
  });
}

/// Weights must be finite and not negative; all are looked at before anything is
/// computed.
static Expected<Array> weightsAsF64(const Tensor &weights) {
  return converted(
      weights, DType::F64, [](double value, const Dims &index, void *out) -> Expected<void> {
        if (!(value >= 0) || std::isinf(value))
          return invalidArgument(
              fmt::format("weights: value {} at index {}, expected a finite number not below 0",
                          value, toString(index)));
        *static_cast<double *>(out) = value;
        return {};
      });
}

namespace {

/// A checked call: its kernel and its tensors in axis form.
struct MomentsCall {
  Problem problem;
  std::shared_ptr<Kernel::State> kernel;
  /// Mask and weights in the type of the kernel.
  Array mask, weights;

  /// Runs the kernel on [begin, end) of the outermost axis; the pointers hold as
  /// many values as the range has kept indices.
  void run(int64_t begin, int64_t end, double *count, double *mean, double *m2) const {
    const Slice slice = problem.slice(begin, end);
    KernelArguments arguments;
    for (size_t t = 0; t < problem.tensors.size(); ++t) {
      Dims sizes = slice.extents;
      for (int group = 0; t > 0 && group < sizes.size(); ++group)
        if (problem.repeats(t) >> group & 1)
          sizes[group] = 1;
      arguments.push(problem.tensors[t].at(begin), sizes, problem.tensors[t].strides);
    }
    for (double *output : {count, mean, m2})
      arguments.push(output, slice.kept, slice.keptStrides);
    arguments.call(*kernel->code);
  }
};

} // namespace

static Expected<MomentsCall> prepare(
    const Tensor &x, std::span<const int64_t> kept, const MomentsOptions &options,
    const std::function<Expected<std::shared_ptr<Kernel::State>>(const KernelSpec &)> &kernelOf) {
  MomentsCall call;
  std::vector<Tensor> tensors{x};
  auto addOperand = [&](const std::optional<Tensor> &operand, std::string_view name, Array &owner,
                        Expected<Array> (*convert)(const Tensor &)) -> Expected<void> {
    if (!operand)
      return {};
    Expected<Array> copy = convert(*operand);
    if (!copy)
      return copy.takeError();
    owner = std::move(*copy);
    Expected<Tensor> view = broadcastFromLeft(owner.view(), x.shape, name);
    if (!view)
      return view.takeError();
    tensors.push_back(*view);
    return {};
  };
  if (Expected<void> ok = addOperand(options.mask, "mask", call.mask, maskAsBytes); !ok)
    return ok.takeError();
  if (Expected<void> ok = addOperand(options.weights, "weights", call.weights, weightsAsF64); !ok)
    return ok.takeError();
  call.problem = makeProblem(tensors, 1, kept);
  KernelSpec spec;
  spec.family = KernelFamily::Moments;
  spec.kinds = call.problem.kinds;
  spec.extents = call.problem.extents;
  spec.extents[0] = kDynamic;
  spec.layout = call.problem.layout();
  if (tensors.size() > 1 && spec.layout == Layout::Contiguous)
    spec.layout = Layout::UnitInner;
  spec.data = x.dtype;
  spec.nan = options.nan;
  size_t next = 1;
  if (options.mask) {
    spec.mask = DType::U8;
    spec.maskRepeats = call.problem.repeats(next++);
  }
  if (options.weights) {
    spec.weights = DType::F64;
    spec.weightsRepeats = call.problem.repeats(next++);
  }
  Expected<std::shared_ptr<Kernel::State>> kernel = kernelOf(spec);
  if (!kernel)
    return kernel.takeError();
  call.kernel = std::move(*kernel);
  return call;
}

/// Statistics of the whole call, in the kernel's order of kept indices.
static Statistics runBlocks(const MomentsCall &call, const ThreadPool &pool) {
  const int64_t outer = call.problem.outer();
  const int64_t block = call.kernel->block ? call.kernel->block : outer;
  const int64_t blocks = (outer + block - 1) / block;
  const Dims flat{call.problem.keptSize()};

  if (call.problem.outerKept()) {
    // Blocks have kept indices of their own: nothing to merge.
    Statistics result = Statistics::zeros(flat);
    const int64_t inner = call.problem.keptPerOuter();
    pool.forEach(blocks, [&](int64_t b) {
      const int64_t begin = b * block, end = std::min(outer, begin + block);
      call.run(begin, end, &result.count[begin * inner], &result.mean[begin * inner],
               &result.m2[begin * inner]);
    });
    return result;
  }

  const int64_t tasks = std::min(blocks, kTasks);
  std::vector<Statistics> parts(tasks);
  pool.forEach(tasks, [&](int64_t t) {
    Statistics sum = Statistics::zeros(flat), part;
    for (int64_t b = blocks * t / tasks; b < blocks * (t + 1) / tasks; ++b) {
      const int64_t begin = b * block, end = std::min(outer, begin + block);
      Statistics &target = b == blocks * t / tasks ? sum : part;
      if (&target == &part && part.count.empty())
        part = Statistics::zeros(flat);
      call.run(begin, end, target.count.data(), target.mean.data(), target.m2.data());
      if (&target == &part)
        (void)mergeStatistics(sum, part).hasValue();
    }
    parts[t] = std::move(sum);
  });
  for (int64_t stride = 1; stride < tasks; stride *= 2)
    for (int64_t t = 0; t + stride < tasks; t += 2 * stride)
      (void)mergeStatistics(parts[t], parts[t + stride]).hasValue();
  return std::move(parts[0]);
}

Expected<Kernel> Engine::momentsKernel(const Tensor &x, std::span<const int64_t> kept,
                                       const MomentsOptions &options) {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  Expected<MomentsCall> call =
      prepare(x, kept, options, [&](const KernelSpec &spec) { return state->kernel(spec); });
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

  std::vector<MomentsCall> calls;
  uint64_t bytes = 0;
  for (const Tensor &batch : batches) {
    if (batch.size() == 0)
      continue;
    Expected<MomentsCall> call =
        prepare(batch, kept, options, [&](const KernelSpec &spec) { return state->kernel(spec); });
    if (!call)
      return call.takeError();
    bytes += uint64_t(batch.size()) * sizeOf(batch.dtype);
    calls.push_back(std::move(*call));
  }
  if (calls.empty())
    return result;
  // The time of the call, not of the compilation that may have come first.
  const auto start = std::chrono::steady_clock::now();
  auto toCaller = [&](const MomentsCall &call, Statistics part) {
    part.shape = shape;
    if (!call.problem.keptInOrder)
      for (std::vector<double> *values : {&part.count, &part.mean, &part.m2})
        *values = call.problem.fromKernelOrder(*values);
    return part;
  };
  if (calls.size() == 1) {
    result = toCaller(calls[0], runBlocks(calls[0], state->pool));
  } else {
    // Small batches: one task each, merged in order.
    std::vector<Statistics> parts(calls.size());
    state->pool.forEach(int64_t(calls.size()), [&](int64_t i) {
      parts[i] = toCaller(calls[i], runBlocks(calls[i], state->pool));
    });
    for (const Statistics &part : parts)
      if (Expected<void> merged = mergeStatistics(result, part); !merged)
        return merged.takeError();
  }
  const auto elapsed = std::chrono::steady_clock::now() - start;
  calls[0].kernel->count(bytes, uint64_t(std::chrono::nanoseconds(elapsed).count()));
  return result;
}

} // namespace norma
