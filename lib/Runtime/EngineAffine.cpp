//===- EngineAffine.cpp - Maps, in parallel blocks ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <tuple>

namespace norma {

/// The bytes a tensor reaches: [first, last) addresses.
static std::pair<uintptr_t, uintptr_t> addressRange(const Tensor &tensor) {
  int64_t low = 0, high = 0;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const int64_t reach = (tensor.shape[axis] - 1) * tensor.strides[axis];
    (reach < 0 ? low : high) += reach;
  }
  const auto base = reinterpret_cast<uintptr_t>(tensor.data);
  const int64_t bytes = int64_t(sizeOf(tensor.dtype));
  return {base + uintptr_t(low * bytes), base + uintptr_t((high + 1) * bytes)};
}

/// Whether every element of an output has memory of its own: strides, sorted, step
/// over each other.
static bool isInjective(const Tensor &tensor) {
  std::vector<std::pair<int64_t, int64_t>> axes;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    if (tensor.shape[axis] > 1)
      axes.emplace_back(std::llabs(tensor.strides[axis]), tensor.shape[axis]);
  std::sort(axes.begin(), axes.end());
  int64_t reach = 0;
  for (auto [stride, extent] : axes) {
    if (stride <= reach)
      return false;
    reach += stride * (extent - 1);
  }
  return true;
}

static Expected<void> checkAffine(const Tensor &x, std::span<const int64_t> kept,
                                  const Coefficients &coefficients, DType compute,
                                  const Tensor &y) {
  if (Expected<void> ok = checkTensor(x, "x"); !ok)
    return ok;
  if (Expected<void> ok = checkTensor(y, "y"); !ok)
    return ok;
  if (!(x.shape == y.shape))
    return invalidArgument(fmt::format("y: shape {}, expected {}, the shape of x",
                                       toString(y.shape), toString(x.shape)));
  if (!isFloat(y.dtype))
    return invalidArgument(
        fmt::format("y: dtype {}, expected f32, f64, f16 or bf16", toString(y.dtype)));
  if (compute != DType::F32 && compute != DType::F64)
    return invalidArgument(
        fmt::format("compute: dtype {}, expected f32 or f64", toString(compute)));
  if (Expected<void> ok = checkKept(kept, x.rank()); !ok)
    return ok;
  Dims expected = keptShape(x.shape, kept);
  Expected<int64_t> size = numElements(expected);
  if (!size)
    return size.takeError();
  for (const auto &[name, values] :
       {std::pair("center", &coefficients.center), std::pair("scale", &coefficients.scale),
        std::pair("shift", &coefficients.shift)})
    if (!values->empty() && int64_t(values->size()) != *size)
      return invalidArgument(fmt::format("{}: {} values, expected {} for kept extents {}", name,
                                         values->size(), *size, toString(expected)));
  if (x.size() == 0)
    return {};
  if (!isInjective(y))
    return invalidArgument(
        fmt::format("y: strides {} make elements share memory", toString(y.strides)));
  const bool same = x.data == y.data && x.dtype == y.dtype && x.strides == y.strides;
  auto [xBegin, xEnd] = addressRange(x);
  auto [yBegin, yEnd] = addressRange(y);
  if (!same && xBegin < yEnd && yBegin < xEnd)
    return invalidArgument("y: overlaps x; expected x itself (same dtype and strides) or memory "
                           "of its own");
  return {};
}

/// One coefficient in the compute type, in the order of the kernel.
static std::vector<std::byte> rounded(const Problem &problem, const std::vector<double> &values,
                                      DType compute) {
  const std::vector<double> ordered = problem.toKernelOrder(values);
  std::vector<std::byte> bytes(ordered.size() * sizeOf(compute));
  for (size_t i = 0; i < ordered.size(); ++i)
    storeFromDouble(ordered[i], bytes.data() + i * sizeOf(compute), compute);
  return bytes;
}

/// Output larger than this does not stay in the caches that matter, and is written
/// past them.
static constexpr int64_t kStreamingBytes = int64_t(32) << 20;

static KernelSpec affineSpec(const Problem &problem, const Coefficients &coefficients,
                             DType compute) {
  const GroupedTensor &x = problem.tensors[0], &y = problem.tensors[1];
  KernelSpec spec;
  spec.family = KernelFamily::Affine;
  spec.kinds = problem.kinds;
  spec.extents = problem.extents;
  spec.extents[0] = kDynamic;
  spec.layout = problem.layout();
  spec.data = x.dtype;
  spec.out = y.dtype;
  spec.compute = compute;
  spec.center = !coefficients.center.empty();
  spec.scale = !coefficients.scale.empty();
  spec.shift = !coefficients.shift.empty();
  const int64_t bytes = problem.size() * int64_t(sizeOf(y.dtype));
  spec.streaming = x.data != y.data && bytes > kStreamingBytes &&
                   spec.layout == Layout::Contiguous &&
                   reinterpret_cast<uintptr_t>(y.data) % 64 == 0;
  return spec;
}

Expected<Kernel> Engine::affineKernel(const Tensor &x, std::span<const int64_t> kept,
                                      const Coefficients &coefficients, DType compute,
                                      const Tensor &y) {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  const Tensor tensors[] = {x, y};
  Expected<std::shared_ptr<Kernel::State>> kernel =
      state->kernel(affineSpec(makeProblem(tensors, 2, kept), coefficients, compute));
  if (!kernel)
    return kernel.takeError();
  return Kernel(std::move(*kernel));
}

Expected<void> Engine::affine(const Tensor &x, std::span<const int64_t> kept,
                              const Coefficients &coefficients, DType compute, const Tensor &y) {
  if (Expected<void> ok = checkAffine(x, kept, coefficients, compute, y); !ok)
    return ok;
  if (x.size() == 0)
    return {};
  const Tensor tensors[] = {x, y};
  const Problem problem = makeProblem(tensors, 2, kept);
  Expected<std::shared_ptr<Kernel::State>> kernel =
      state->kernel(affineSpec(problem, coefficients, compute));
  if (!kernel)
    return kernel.takeError();
  // The time of the call, not of the compilation that may have come first.
  const auto start = std::chrono::steady_clock::now();

  std::vector<std::byte> buffers[] = {rounded(problem, coefficients.center, compute),
                                      rounded(problem, coefficients.scale, compute),
                                      rounded(problem, coefficients.shift, compute)};
  const int64_t outer = problem.outer();
  const int64_t block = (*kernel)->block ? (*kernel)->block : outer;
  const int64_t blocks = (outer + block - 1) / block;
  state->pool.forEach(blocks, [&](int64_t b) {
    const int64_t begin = b * block;
    const Slice slice = problem.slice(begin, std::min(outer, begin + block));
    // Where the outermost axis is kept, a block has coefficients of its own.
    const int64_t firstKept = begin * problem.keptPerOuter();
    const auto &[in, out] = std::tie(problem.tensors[0], problem.tensors[1]);
    KernelArguments arguments;
    arguments.push(in.at(begin), slice.extents, in.strides);
    for (std::vector<std::byte> &buffer : buffers)
      if (!buffer.empty())
        arguments.push(buffer.data() + firstKept * int64_t(sizeOf(compute)), slice.kept,
                       slice.keptStrides);
    arguments.push(out.at(begin), slice.extents, out.strides);
    arguments.call(*(*kernel)->code);
  });
  const auto elapsed = std::chrono::steady_clock::now() - start;
  (*kernel)->count(uint64_t(x.size()) * (sizeOf(x.dtype) + sizeOf(y.dtype)),
                   uint64_t(std::chrono::nanoseconds(elapsed).count()));
  return {};
}

} // namespace norma
