//===- GradientDifferentialTest.cpp - Gradient kernels on random cases ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Differential.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::test;

namespace {

class GradientDifferential : public Differential {};

/// Where an element is left out, its data may be anything.
void poison(Random &random, const Tensor &x, const MomentsOptions &options) {
  if (!isFloat(x.dtype) || !(options.mask || options.weights))
    return;
  const Tensor left =
      *broadcastFromLeft(options.mask ? *options.mask : *options.weights, x.shape, "operand");
  const double value = random.pick({kNotANumber, kInfinity, -kInfinity});
  forEachIndex(x.shape, [&](const Dims &index) {
    if (valueAt(left, index) == 0 && random.chance(0.5))
      storeFromDouble(value, addressOf(x, index), x.dtype);
  });
}

/// The tensors that both calls have, and their description.
struct GradientCase {
  Dims shape, kept;
  std::unique_ptr<RandomTensor> x, dy;
  std::unique_ptr<RandomOperands> operands;
  MomentsOptions options;
  std::string text;

  GradientCase(Random &random, int64_t elements)
      : shape(randomShape(random, 6, elements)), kept(randomKept(random, shape.size())) {
    const bool overwrite = random.chance(0.3);
    x = tensor(random, random.pick(kAllDTypes), overwrite);
    dy = tensor(random, random.pick(kFloatDTypes), overwrite);
    operands = std::make_unique<RandomOperands>(random, x->view());
    options.mask = operands->mask();
    options.weights = operands->weights();
    // It is not looked at.
    options.nan = random.pick({NanPolicy::Propagate, NanPolicy::Omit});
    text = fmt::format("{}, dy {}, kept {}{}", x->describe(), dy->describe(), norma::toString(kept),
                       operands->describe());
  }

  int64_t keptSize() const { return *numElements(keptShape(shape, kept)); }

private:
  std::unique_ptr<RandomTensor> tensor(Random &random, DType dtype, bool overwrite) const {
    return std::make_unique<RandomTensor>(random, dtype, shape,
                                          overwrite ? random.pick(kOutputArrangements)
                                                    : random.pick(kInputArrangements),
                                          random.chance(0.2));
  }
};

TEST_F(GradientDifferential, Sums) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    GradientCase test(random, elements);
    const Tensor &x = test.x->view(), &dy = test.dy->view();
    if (!isFloat(x.dtype) && random.chance(0.5))
      fillBits(random, x);
    else
      fillChannels(random, x, test.kept);
    fillValues(random, dy, std::pow(10, random.between(-3, 3)));
    poison(random, x, test.options);
    // The statistics' mean, some other number, or one that f32 does not hold.
    Expected<Statistics> statistics = reference::moments(x, test.kept, {.nan = NanPolicy::Omit});
    if (!statistics)
      return statistics.error().message();
    std::vector<double> center = statistics->mean;
    for (double &value : center)
      if (!std::isfinite(value) || random.chance(0.1))
        value = random.pick({0.0, 1.1, -12'345.678});
    spec += "gradient sums of " + test.text;
    announce(spec);

    Expected<GradientSums> actual = engine->gradientSums(x, dy, test.kept, center, test.options);
    if (!actual)
      return actual.error().message();
    engine->finishCompiling();
    Expected<GradientSums> again = engine->gradientSums(x, dy, test.kept, center, test.options);
    if (!again)
      return again.error().message();
    if (!haveSameNumbers(actual->sum, again->sum) || !haveSameNumbers(actual->dot, again->dot))
      return "the best code gives other bits than the quick one";
    return differenceOfGradientSums(x, dy, test.kept, center, test.options, *actual);
  });
}

GradientCoefficients randomCoefficients(Random &random, const GradientCase &test,
                                        double magnitude) {
  GradientCoefficients result{keptShape(test.shape, test.kept), {}, {}, {}, {}};
  const int64_t size = test.keptSize();
  const auto draw = [&](std::vector<double> &values, double scale) {
    for (int64_t i = 0; i < size; ++i)
      values.push_back(random.chance(0.02) ? 0 : scale * random.normal());
  };
  draw(result.center, magnitude);
  draw(result.slope, std::pow(10, random.between(-3, 3)) / magnitude);
  draw(result.offset, std::pow(10, random.between(-3, 3)));
  draw(result.scale, std::pow(10, random.between(-3, 3)));
  return result;
}

TEST_F(GradientDifferential, Map) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    GradientCase test(random, elements);
    const Tensor &x = test.x->view(), &dy = test.dy->view();
    const DType compute = random.chance(0.65) ? DType::F32 : DType::F64;
    const double magnitude = isFloat(x.dtype) ? std::pow(10, random.between(-3, 3)) : 100;
    const GradientCoefficients coefficients = randomCoefficients(random, test, magnitude);
    fillValues(random, x, magnitude);
    fillValues(random, dy, std::pow(10, random.between(-3, 3)));
    poison(random, x, test.options);

    // The result goes over x, over dy, or to a place of its own.
    RandomTensor other(random, random.pick(kFloatDTypes), test.shape,
                       random.pick(kOutputArrangements), random.chance(0.2));
    const auto fits = [](const RandomTensor &in) {
      return isFloat(in.view().dtype) && !in.repeats();
    };
    const RandomTensor *out = &other;
    if (random.chance(0.3) && fits(*test.x))
      out = test.x.get();
    else if (random.chance(0.4) && fits(*test.dy))
      out = test.dy.get();
    spec += fmt::format("gradient map of {}, in {}, to {}", test.text, norma::toString(compute),
                        out == test.x.get()    ? "x"
                        : out == test.dy.get() ? "dy"
                                               : other.describe());
    announce(spec);

    Expected<Array> data = Array::copyOf(x), gradient = Array::copyOf(dy);
    if (!data || !gradient)
      return "out of memory";
    const std::vector<std::byte> before = out->snapshot(), xBefore = test.x->snapshot(),
                                 dyBefore = test.dy->snapshot();
    Expected<void> done =
        engine->gradientMap(x, dy, test.kept, coefficients, compute, out->view(), test.options);
    if (!done)
      return done.error().message();
    const std::vector<std::byte> quick = out->snapshot();
    out->restore(before);
    engine->finishCompiling();
    if (!engine->gradientMap(x, dy, test.kept, coefficients, compute, out->view(), test.options) ||
        !out->hasSameNumbersAs(quick))
      return "the best code gives other bits than the quick one";
    if (!out->gapsAreAsIn(before))
      return "bytes outside of the elements of dx changed";
    if (out != test.x.get() && test.x->snapshot() != xBefore)
      return "x changed";
    if (out != test.dy.get() && test.dy->snapshot() != dyBefore)
      return "dy changed";
    return differenceOfGradientMap(*data, *gradient, test.kept, coefficients, compute, test.options,
                                   out->view());
  });
}

} // namespace
