//===- DifferentialTest.cpp - Kernels against the f64 reference -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Differential.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::test;

namespace {

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// The tensors of a call of moments, and its description.
struct MomentsCase {
  Dims kept;
  std::unique_ptr<RandomTensor> x;
  std::unique_ptr<RandomOperands> operands;
  MomentsOptions options;
  std::string text;

  MomentsCase(Random &random, int64_t elements) {
    const Dims shape = randomShape(random, 6, elements);
    kept = randomKept(random, shape.size());
    const DType dtype = random.pick(kAllDTypes);
    x = std::make_unique<RandomTensor>(random, dtype, shape, random.pick(kInputArrangements),
                                       random.chance(0.2));
    text = fmt::format("moments of {}, kept {}", x->describe(), norma::toString(kept));
    if (!isFloat(dtype) && random.chance(0.5))
      fillBits(random, x->view());
    else
      fillChannels(random, x->view(), kept);
    if (isFloat(dtype)) {
      if (random.chance(0.5))
        options.nan = NanPolicy::Omit;
      if (random.chance(options.nan == NanPolicy::Omit ? 0.7 : 0.1))
        scatter(random, x->view(), kNotANumber, random.pick({0.001, 0.1, 0.9}));
      if (random.chance(0.1))
        scatter(random, x->view(), random.chance(0.5) ? kInfinity : -kInfinity, 0.01);
    }
    text += fmt::format(", nan {}", norma::toString(options.nan));
    operands = std::make_unique<RandomOperands>(random, x->view());
    options.mask = operands->mask();
    options.weights = operands->weights();
    text += operands->describe();
  }
};

class MomentsDifferential : public Differential {
protected:
  void compareMoments() {
    forEachCase([&](Random &random, std::string &spec) -> std::string {
      MomentsCase test(random, elements);
      spec += test.text;
      announce(spec);
      Expected<Statistics> actual = engine->moments(test.x->view(), test.kept, test.options);
      if (!actual)
        return actual.error().message();
      engine->finishCompiling();
      Expected<Statistics> again = engine->moments(test.x->view(), test.kept, test.options);
      if (!again)
        return again.error().message();
      if (!haveSameNumbers(actual->count, again->count) ||
          !haveSameNumbers(actual->mean, again->mean) || !haveSameNumbers(actual->m2, again->m2))
        return "the best code gives other bits than the quick one";
      return differenceOfMoments(test.x->view(), test.kept, test.options, *actual);
    });
  }
};

TEST_F(MomentsDifferential, Moments) { compareMoments(); }

/// Of some elements, around a pivot that was one of them, or far enough from the mean.
TEST_F(MomentsDifferential, MomentsThatWereNotNear) {
  elements = 20'000;
  for (const int64_t seed : {784'051, 787'067, 788'512}) {
    onlyCase(seed);
    compareMoments();
  }
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

/// How large the data and the coefficients of a map are.
struct Magnitude {
  double data, scale, shift;
};

Magnitude randomMagnitude(Random &random, DType in, DType out) {
  if (isFloat(in) && in != DType::F16) {
    // Results that are subnormal in f32 and bf16, and results next to infinity.
    if (random.chance(0.15))
      return {1e-39, 1, 1e-39};
    if (random.chance(0.1))
      return {1e37, 1, 1e36};
  }
  // Subnormal results in f16.
  if (out == DType::F16 && random.chance(0.2))
    return {1, 1e-6, 1e-6};
  const double data = isFloat(in) ? std::pow(10, random.between(-3, 3)) : 100;
  return {data, std::pow(10, random.between(-3, 3)), data};
}

Coefficients randomCoefficients(Random &random, const Tensor &x, const Dims &kept,
                                const Magnitude &magnitude) {
  Coefficients result;
  result.shape = keptShape(x.shape, kept);
  const int64_t size = *numElements(result.shape);
  const auto draw = [&](std::vector<double> &values, double scale) {
    if (random.chance(0.3))
      return;
    for (int64_t i = 0; i < size; ++i)
      values.push_back(random.chance(0.02) ? 0 : scale * random.normal());
  };
  draw(result.center, magnitude.data);
  draw(result.scale, magnitude.scale);
  draw(result.shift, magnitude.shift);
  return result;
}

TEST_F(Differential, Affine) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    const Dims shape = randomShape(random, 6, elements);
    const Dims kept = randomKept(random, shape.size());
    const DType in = random.pick(kAllDTypes), out = random.pick(kFloatDTypes);
    const DType compute = random.chance(0.65) ? DType::F32 : DType::F64;
    const bool inPlace = isFloat(in) && random.chance(0.3);
    RandomTensor x(random, in, shape,
                   inPlace ? random.pick(kOutputArrangements) : random.pick(kInputArrangements),
                   random.chance(0.2));
    RandomTensor other(random, out, shape, random.pick(kOutputArrangements), random.chance(0.2));
    const RandomTensor &y = inPlace ? x : other;
    const Magnitude magnitude = randomMagnitude(random, in, y.view().dtype);
    const Coefficients coefficients = randomCoefficients(random, x.view(), kept, magnitude);
    fillValues(random, x.view(), magnitude.data);
    spec +=
        fmt::format("affine of {}, kept {}, {} center {} scale {} shift {} in {}, to {}",
                    x.describe(), norma::toString(kept), magnitude.data, coefficients.center.size(),
                    coefficients.scale.size(), coefficients.shift.size(), norma::toString(compute),
                    inPlace ? "itself" : y.describe());
    announce(spec);

    Expected<Array> given = Array::copyOf(x.view());
    if (!given)
      return given.error().message();
    const std::vector<std::byte> before = y.snapshot(), source = x.snapshot();
    Expected<void> done = engine->affine(x.view(), kept, coefficients, compute, y.view());
    if (!done)
      return done.error().message();
    const std::vector<std::byte> quick = y.snapshot();
    y.restore(before);
    engine->finishCompiling();
    if (!engine->affine(x.view(), kept, coefficients, compute, y.view()) ||
        !y.hasSameNumbersAs(quick))
      return "the best code gives other bits than the quick one";
    if (!y.gapsAreAsIn(before))
      return "bytes outside of the elements of y changed";
    if (!inPlace && x.snapshot() != source)
      return "x changed";
    return differenceOfAffine(*given, kept, coefficients, compute, y.view());
  });
}

} // namespace
