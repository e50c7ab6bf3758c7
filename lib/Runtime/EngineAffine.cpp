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
