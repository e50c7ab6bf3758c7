//===- Arguments.cpp - What every implementation checks -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Arguments.h"

#include "norma/Support/AxisForm.h"
#include "norma/Support/OutOfMemory.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>

namespace norma {

Expected<void> checkKept(std::span<const int64_t> kept, int rank) try {
  int64_t previous = -1;
  for (int64_t axis : kept) {
    if (axis < 0 || axis >= rank)
      return invalidArgument(
          fmt::format("kept: {} is out of range, expected axes in [0, {})", axis, rank));
    if (axis <= previous)
      return invalidArgument(
          fmt::format("kept: {}, expected ascending axes, each once", toString(kept)));
    previous = axis;
  }
  return {};
} catch (...) {
  return outOfMemory();
}

ByteRange byteRange(const Tensor &tensor) {
  int64_t low = 0, high = 0;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const int64_t reach = (tensor.shape[axis] - 1) * tensor.strides[axis];
    (reach < 0 ? low : high) += reach;
  }
  const int64_t bytes = int64_t(sizeOf(tensor.dtype));
  return {uintptr_t(low * bytes), uintptr_t((high + 1) * bytes)};
}

bool overlap(const void *a, ByteRange ofA, const void *b, ByteRange ofB) {
  const auto atA = reinterpret_cast<uintptr_t>(a), atB = reinterpret_cast<uintptr_t>(b);
  return atA + ofA.begin < atB + ofB.end && atB + ofB.begin < atA + ofA.end;
}

bool haveSameStrides(const Tensor &x, const Tensor &y) {
  for (int axis = 0; axis < x.rank(); ++axis)
    if (x.shape[axis] > 1 && x.strides[axis] != y.strides[axis])
      return false;
  return true;
}

static bool isInjective(const Tensor &tensor) {
  std::array<std::pair<int64_t, int64_t>, kMaxRank> axes;
  size_t count = 0;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    if (tensor.shape[axis] > 1)
      axes[count++] = {std::llabs(tensor.strides[axis]), tensor.shape[axis]};
  std::sort(axes.begin(), axes.begin() + count);
  int64_t reach = 0;
  for (auto [stride, extent] : std::span(axes.data(), count)) {
    if (stride <= reach)
      return false;
    reach += stride * (extent - 1);
  }
  return true;
}

/// The same elements at the same addresses.
static bool isSame(const Tensor &x, const Tensor &y) {
  return x.data == y.data && x.dtype == y.dtype && haveSameStrides(x, y);
}

/// A tensor that goes through the kernel beside x: a float type, and x's shape.
static Expected<void> checkCompanion(const Tensor &tensor, std::string_view name, const Tensor &x) {
  if (Expected<void> ok = checkTensor(tensor, name); !ok)
    return ok;
  if (!isFloat(tensor.dtype))
    return invalidArgument(
        fmt::format("{}: dtype {}, expected f32, f64, f16 or bf16", name, toString(tensor.dtype)));
  if (!(tensor.shape == x.shape))
    return invalidArgument(fmt::format("{}: shape {}, expected {}, the shape of x", name,
                                       toString(tensor.shape), toString(x.shape)));
  return {};
}

/// Every element of a result has memory of its own.
static Expected<void> checkInjective(const Tensor &out, std::string_view name) {
  if (out.size() == 0 || isInjective(out))
    return {};
  return invalidArgument(
      fmt::format("{}: strides {} make elements share memory", name, toString(out.strides)));
}

/// Neither the same elements nor disjoint: a result would overwrite what is still to
/// be read.
static bool overlapsPartly(const Tensor &in, const Tensor &out) {
  if (in.size() == 0 || isSame(in, out))
    return false;
  return overlap(in.data, byteRange(in), out.data, byteRange(out));
}

Expected<void> checkOutput(const Tensor &x, const Tensor &y) try {
  if (Expected<void> ok = checkCompanion(y, "y", x); !ok)
    return ok;
  if (Expected<void> ok = checkInjective(y, "y"); !ok)
    return ok;
  if (overlapsPartly(x, y))
    return invalidArgument("y: overlaps x; expected x itself (same dtype and strides) or memory "
                           "of its own");
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> checkMoments(const Tensor &x, std::span<const int64_t> kept,
                            const MomentsOptions &options) try {
  if (Expected<void> ok = checkTensor(x, "x"); !ok)
    return ok;
  for (const auto &[operand, name] :
       {std::pair(&options.mask, "mask"), std::pair(&options.weights, "weights")}) {
    if (!*operand)
      continue;
    if (Expected<void> ok = checkTensor(**operand, name); !ok)
      return ok;
    if (Expected<Tensor> fits = broadcastFromLeft(**operand, x.shape, name); !fits)
      return fits.takeError();
  }
  return checkKept(kept, x.rank());
} catch (...) {
  return outOfMemory();
}

static Expected<void> checkCompute(DType compute) {
  if (compute == DType::F32 || compute == DType::F64)
    return {};
  return invalidArgument(fmt::format("compute: dtype {}, expected f32 or f64", toString(compute)));
}

/// One value per kept index.
static Expected<void> checkPerKept(std::span<const double> values, std::string_view name,
                                   const Dims &kept) {
  Expected<int64_t> size = numElements(kept);
  if (!size)
    return size.takeError();
  if (int64_t(values.size()) == *size)
    return {};
  return invalidArgument(fmt::format("{}: {} values, expected {} for kept extents {}", name,
                                     values.size(), *size, toString(kept)));
}

static Expected<void> checkCoefficientShape(const Dims &shape, const Dims &kept) {
  if (shape == kept)
    return {};
  return invalidArgument(fmt::format("coefficients: shape {}, expected the kept extents {}",
                                     toString(shape), toString(kept)));
}

Expected<void> checkCoefficients(const Coefficients &coefficients, const Dims &kept) try {
  for (const auto &[name, values] :
       {std::pair("center", &coefficients.center), std::pair("scale", &coefficients.scale),
        std::pair("shift", &coefficients.shift)}) {
    if (values->empty())
      continue;
    if (Expected<void> ok = checkPerKept(*values, name, kept); !ok)
      return ok;
    if (Expected<void> ok = checkCoefficientShape(coefficients.shape, kept); !ok)
      return ok;
  }
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> checkAffine(const Tensor &x, std::span<const int64_t> kept,
                           const Coefficients &coefficients, DType compute, const Tensor &y) try {
  if (Expected<void> ok = checkTensor(x, "x"); !ok)
    return ok;
  if (Expected<void> ok = checkOutput(x, y); !ok)
    return ok;
  if (Expected<void> ok = checkCompute(compute); !ok)
    return ok;
  if (Expected<void> ok = checkKept(kept, x.rank()); !ok)
    return ok;
  return checkCoefficients(coefficients, keptShape(x.shape, kept));
} catch (...) {
  return outOfMemory();
}

Expected<void> checkGradientSums(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                                 std::span<const double> center,
                                 const MomentsOptions &options) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok;
  if (Expected<void> ok = checkCompanion(dy, "dy", x); !ok)
    return ok;
  return checkPerKept(center, "center", keptShape(x.shape, kept));
} catch (...) {
  return outOfMemory();
}

Expected<void> checkGradientCoefficients(const GradientCoefficients &coefficients,
                                         const Dims &kept) try {
  for (const auto &[name, values] :
       {std::pair("center", &coefficients.center), std::pair("slope", &coefficients.slope),
        std::pair("offset", &coefficients.offset), std::pair("scale", &coefficients.scale)})
    if (Expected<void> ok = checkPerKept(*values, name, kept); !ok)
      return ok;
  return checkCoefficientShape(coefficients.shape, kept);
} catch (...) {
  return outOfMemory();
}

Expected<void> checkGradientTensors(const Tensor &x, const Tensor &dy,
                                    std::span<const int64_t> kept, DType compute, const Tensor &dx,
                                    const MomentsOptions &options) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok;
  if (Expected<void> ok = checkCompanion(dy, "dy", x); !ok)
    return ok;
  if (Expected<void> ok = checkCompanion(dx, "dx", x); !ok)
    return ok;
  if (Expected<void> ok = checkInjective(dx, "dx"); !ok)
    return ok;
  for (const auto &[in, name] : {std::pair(&x, "x"), std::pair(&dy, "dy")})
    if (overlapsPartly(*in, dx))
      return invalidArgument(fmt::format("dx: overlaps {}; expected x or dy itself (same dtype and "
                                         "strides) or memory of its own",
                                         name));
  return checkCompute(compute);
} catch (...) {
  return outOfMemory();
}

Expected<void> checkGradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                                const GradientCoefficients &coefficients, DType compute,
                                const Tensor &dx, const MomentsOptions &options) {
  if (Expected<void> ok = checkGradientTensors(x, dy, kept, compute, dx, options); !ok)
    return ok;
  return checkGradientCoefficients(coefficients, keptShape(x.shape, kept));
}

} // namespace norma
