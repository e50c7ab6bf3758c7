//===- Reference.cpp - The f64 oracle -------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/Reference.h"
#include "norma/Support/Arguments.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace norma::reference {

namespace {

/// An element, exactly: long double holds every int64 on the machines norma is
/// tested on, double does not.
long double loadExactly(const void *address, DType dtype) {
  if (dtype != DType::I64)
    return loadAsDouble(address, dtype);
  int64_t value;
  std::memcpy(&value, address, sizeof(value));
  return static_cast<long double>(value);
}

char *addressOf(const Tensor &tensor, int64_t offset) {
  return static_cast<char *>(tensor.data) + offset * int64_t(sizeOf(tensor.dtype));
}

/// Calls visit(offsets) for every index of `shape` in row-major order, where
/// offsets[k] is the sum of index times strides[k].
template <size_t N, typename Visit>
void forEachIndex(std::span<const int64_t> shape, const std::array<Dims, N> &strides, Visit visit) {
  for (int64_t extent : shape)
    if (extent == 0)
      return;
  const int rank = int(shape.size());
  std::array<int64_t, kMaxRank> index{};
  std::array<int64_t, N> offsets{};
  while (true) {
    visit(std::as_const(offsets));
    int axis = rank - 1;
    for (; axis >= 0; --axis) {
      const bool carry = ++index[axis] == shape[axis];
      const int64_t step = carry ? 1 - shape[axis] : 1;
      for (size_t k = 0; k < N; ++k)
        offsets[k] += step * strides[k][axis];
      if (!carry)
        break;
      index[axis] = 0;
    }
    if (axis < 0)
      return;
  }
}

/// Strides that lead from an index of the tensor to the flat index of its kept
/// axes.
Dims keptStrides(std::span<const int64_t> shape, std::span<const int64_t> kept) {
  const Dims dense = contiguousStrides(keptShape(shape, kept));
  Dims result;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    result.push_back(0);
  for (size_t i = 0; i < kept.size(); ++i)
    result[int(kept[i])] = dense[int(i)];
  return result;
}

/// Neumaier's compensated sum: A. Neumaier, "Rundungsfehleranalyse einiger
/// Verfahren zur Summation endlicher Summen", 1974.
class Sum {
public:
  void add(long double value) {
    const long double next = total + value;
    lost += std::fabs(total) >= std::fabs(value) ? (total - next) + value : (value - next) + total;
    total = next;
  }
  /// What was lost on the way to an infinity is not a number.
  long double value() const { return std::isfinite(total) ? total + lost : total; }

private:
  long double total = 0, lost = 0;
};

/// An index of `shape` from its position in row-major order.
Dims unflatten(int64_t position, std::span<const int64_t> shape) {
  Dims index{shape};
  for (int axis = index.size() - 1; axis >= 0; --axis) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}

Expected<void> checkWeights(const Tensor &weights) {
  int64_t position = 0, badPosition = -1;
  double bad = 0;
  forEachIndex<1>(weights.shape, {weights.strides}, [&](const auto &offsets) {
    const double value = loadAsDouble(addressOf(weights, offsets[0]), weights.dtype);
    if (badPosition < 0 && !(value >= 0 && std::isfinite(value))) {
      badPosition = position;
      bad = value;
    }
    ++position;
  });
  if (badPosition < 0)
    return {};
  return invalidArgument(fmt::format("weights: the value at {} is {}; expected a finite number, 0 "
                                     "or more",
                                     toString(unflatten(badPosition, weights.shape)), bad));
}

/// The elements of a moments pass that take part, with their weights.
class Elements {
public:
  static Expected<Elements> create(const Tensor &x, std::span<const int64_t> kept,
                                   const MomentsOptions &options) {
    Elements result;
    result.x = x;
    result.kept = keptStrides(x.shape, kept);
    result.omitNaN = options.nan == NanPolicy::Omit;
    const auto attach = [&](const std::optional<Tensor> &from, const char *name,
                            std::optional<Tensor> &to) -> Expected<void> {
      if (!from)
        return {};
      if (Expected<void> valid = checkTensor(*from, name); !valid)
        return valid;
      Expected<Tensor> view = broadcastFromLeft(*from, x.shape, name);
      if (!view)
        return view.takeError();
      to = *view;
      return {};
    };
    if (Expected<void> done = attach(options.mask, "mask", result.mask); !done)
      return done.takeError();
    if (Expected<void> done = attach(options.weights, "weights", result.weights); !done)
      return done.takeError();
    if (options.weights)
      if (Expected<void> valid = checkWeights(*options.weights); !valid)
        return valid.takeError();
    return result;
  }

  /// Calls visit(kept index, value, weight).
  template <typename Visit>
  void visit(Visit visit) const {
    Dims none;
    for (int axis = 0; axis < x.rank(); ++axis)
      none.push_back(0);
    const std::array<Dims, 4> strides = {x.strides, kept, mask ? mask->strides : none,
                                         weights ? weights->strides : none};
    forEachIndex<4>(x.shape, strides, [&](const auto &offsets) {
      if (mask && loadAsDouble(addressOf(*mask, offsets[2]), mask->dtype) == 0)
        return;
      const long double weight =
          weights ? loadExactly(addressOf(*weights, offsets[3]), weights->dtype) : 1;
      if (weight == 0)
        return;
      const long double value = loadExactly(addressOf(x, offsets[0]), x.dtype);
      if (omitNaN && std::isnan(value))
        return;
      visit(offsets[1], value, weight);
    });
  }

private:
  Tensor x;
  Dims kept;
  std::optional<Tensor> mask, weights;
  bool omitNaN = false;
};

} // namespace

Expected<Statistics> moments(const Tensor &x, std::span<const int64_t> kept,
                             const MomentsOptions &options) {
  if (Expected<void> valid = checkMoments(x, kept, options); !valid)
    return valid.takeError();
  Expected<Elements> elements = Elements::create(x, kept, options);
  if (!elements)
    return elements.takeError();

  Statistics result = Statistics::zeros(keptShape(x.shape, kept));
  const size_t size = size_t(result.size());
  std::vector<Sum> count(size), sum(size);
  elements->visit([&](int64_t i, long double value, long double weight) {
    count[i].add(weight);
    sum[i].add(weight * value);
  });
  for (size_t i = 0; i < size; ++i) {
    result.count[i] = double(count[i].value());
    result.mean[i] = result.count[i] == 0 ? 0 : double(sum[i].value() / count[i].value());
  }

  // The second sum corrects for the rounding of the mean (the "corrected two-pass
  // algorithm" of Chan, Golub and LeVeque, 1983).
  std::vector<Sum> squares(size), deviations(size);
  elements->visit([&](int64_t i, long double value, long double weight) {
    const long double deviation = value - result.mean[i];
    squares[i].add(weight * deviation * deviation);
    deviations[i].add(weight * deviation);
  });
  for (size_t i = 0; i < size; ++i) {
    if (result.count[i] == 0)
      continue;
    const long double rest = deviations[i].value();
    const double m2 = double(squares[i].value() - rest * rest / count[i].value());
    result.m2[i] = m2 < 0 ? 0 : m2;
  }
  return result;
}

Expected<void> affine(const Tensor &x, std::span<const int64_t> kept,
                      const Coefficients &coefficients, DType compute, const Tensor &y) {
  if (Expected<void> valid = checkAffine(x, kept, coefficients, compute, y); !valid)
    return valid;
  const auto round = [&](long double value) {
    return compute == DType::F32 ? double(float(value)) : double(value);
  };
  std::array<std::vector<double>, 3> rounded;
  const std::vector<double> *given[] = {&coefficients.center, &coefficients.scale,
                                        &coefficients.shift};
  for (int part = 0; part < 3; ++part)
    for (double value : *given[part])
      rounded[part].push_back(round(value));

  const auto &[center, scale, shift] = rounded;
  const std::array<Dims, 3> strides = {x.strides, y.strides, keptStrides(x.shape, kept)};
  forEachIndex<3>(x.shape, strides,
                  [&, &center = center, &scale = scale, &shift = shift](const auto &offsets) {
                    const int64_t i = offsets[2];
                    long double value = round(loadExactly(addressOf(x, offsets[0]), x.dtype));
                    // What is absent is left out, so that -0 stays -0 in an identity.
                    if (!center.empty())
                      value -= center[i];
                    if (!scale.empty())
                      value *= scale[i];
                    if (!shift.empty())
                      value += shift[i];
                    storeFromDouble(round(value), addressOf(y, offsets[1]), y.dtype);
                  });
  return {};
}

} // namespace norma::reference
