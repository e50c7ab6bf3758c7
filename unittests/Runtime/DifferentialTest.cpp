//===- DifferentialTest.cpp - Kernels against the f64 reference -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random calls of the engine, compared with the reference by the contract. Three
// environment variables make it longer or repeat a part of it:
//
//   NORMA_DIFFERENTIAL_CASES     calls of each kind
//   NORMA_DIFFERENTIAL_SEED      the seed of the first call; the next has the next
//   NORMA_DIFFERENTIAL_ELEMENTS  the most elements of a tensor
//
// A failure names its seed, so that CASES=1 and SEED=<it> runs that call alone.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <limits>
#include <unistd.h>

using namespace norma;
using namespace norma::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

constexpr Arrangement kOutputArrangements[] = {
    Arrangement::Contiguous, Arrangement::Contiguous, Arrangement::Permuted, Arrangement::Sliced,
    Arrangement::Stepped,    Arrangement::Reversed,   Arrangement::Mixed};
constexpr Arrangement kInputArrangements[] = {
    Arrangement::Contiguous, Arrangement::Contiguous, Arrangement::Contiguous,
    Arrangement::Permuted,   Arrangement::Sliced,     Arrangement::Stepped,
    Arrangement::Reversed,   Arrangement::Broadcast,  Arrangement::Mixed};
constexpr DType kOutputDTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16};

/// What is running now, for the handler below.
char currentCase[2048];

/// A kernel that leaves its memory ends here: says in which call.
extern "C" void reportCrash(int) {
  const ssize_t written = write(STDERR_FILENO, currentCase, std::strlen(currentCase));
  _exit(written < 0 ? 2 : 1);
}

class Differential : public ::testing::Test {
protected:
  static constexpr int64_t kCasesPerEngine = 500;

  void SetUp() override {
    elements = setting("NORMA_DIFFERENTIAL_ELEMENTS", 20'000);
    firstSeed = setting("NORMA_DIFFERENTIAL_SEED", 20'240'601);
    cases = setting("NORMA_DIFFERENTIAL_CASES", 250);
    previousHandler = std::signal(SIGSEGV, reportCrash);
  }
  void TearDown() override { std::signal(SIGSEGV, previousHandler); }

  /// Calls body(random) for every case; stops after a number of failures.
  template <typename Body>
  void forEachCase(Body body) {
    int failures = 0;
    for (int64_t i = 0; i < cases && failures < 20; ++i) {
      if (i % kCasesPerEngine == 0) {
        Expected<std::shared_ptr<Engine>> created = Engine::create({.threads = 2});
        ASSERT_TRUE(created) << created.error().message();
        engine = *created;
      }
      Random random{uint64_t(firstSeed + i)};
      std::string spec = fmt::format("NORMA_DIFFERENTIAL_SEED={}: ", firstSeed + i);
      std::string problem = body(random, spec);
      if (!problem.empty()) {
        ++failures;
        ADD_FAILURE() << spec << "\n  " << problem;
      }
    }
  }

  static void announce(const std::string &spec) {
    std::snprintf(currentCase, sizeof(currentCase), "the memory of a tensor was left: %s\n",
                  spec.c_str());
  }

  std::shared_ptr<Engine> engine;
  int64_t elements = 0, firstSeed = 0, cases = 0;
  void (*previousHandler)(int) = nullptr;
};

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// One distribution per kept index, fit for the dtype.
void fillChannels(Random &random, const Tensor &x, const Dims &kept) {
  struct Channel {
    double mean, deviation;
  };
  std::vector<Channel> channels(size_t(*numElements(keptShape(x.shape, kept))));
  // Magnitudes whose squares leave the range of f32 are for the types that hold them.
  const bool wide = x.dtype == DType::F32 || x.dtype == DType::F64 || x.dtype == DType::BF16;
  const double scale = wide ? random.pick({1.0, 1.0, 1.0, 1.0, 1e25, 1e-25}) : 1.0;
  const double limit = x.dtype == DType::F16 ? 1e4 : 1e9;
  for (Channel &channel : channels) {
    channel.deviation = random.chance(0.1) ? 0 : std::pow(10, random.between(-3, 3));
    const double ratio = random.chance(0.3) ? 0 : std::pow(10, random.between(-1, 5));
    channel.mean = (random.chance(0.5) ? -1 : 1) * ratio * std::max(channel.deviation, 1e-3);
    channel.mean = std::clamp(channel.mean, -limit, limit);
  }
  forEachIndex(x.shape, [&](const Dims &index) {
    const Channel &channel = channels[size_t(keptPosition(index, x.shape, kept))];
    storeValue(scale * (channel.mean + channel.deviation * random.normal()), addressOf(x, index),
               x.dtype);
  });
}

/// Integers of the whole range of their type.
void fillBits(Random &random, const Tensor &x) {
  forEachIndex(x.shape, [&](const Dims &index) {
    const uint64_t bits = random.bits();
    if (x.dtype == DType::Bool)
      storeValue(double(bits & 1), addressOf(x, index), x.dtype);
    else
      std::memcpy(addressOf(x, index), &bits, sizeOf(x.dtype));
  });
}

void scatter(Random &random, const Tensor &x, double value, double probability) {
  forEachIndex(x.shape, [&](const Dims &index) {
    if (random.chance(probability))
      storeFromDouble(value, addressOf(x, index), x.dtype);
  });
}

/// The tensors of a call of moments, and its description.
struct MomentsCase {
  Dims kept;
  std::unique_ptr<RandomTensor> x, mask, weights;
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
    if (random.chance(0.25)) {
      mask = operand(random, random.pick(kAllDTypes), "mask");
      const double keep = random.pick({0.1, 0.5, 0.95});
      forEachIndex(mask->view().shape, [&](const Dims &index) {
        storeValue(random.chance(keep) ? 1 : 0, addressOf(mask->view(), index), mask->view().dtype);
      });
      options.mask = mask->view();
    }
    if (random.chance(0.25)) {
      weights = operand(random, random.pick(kAllDTypes), "weights");
      forEachIndex(weights->view().shape, [&](const Dims &index) {
        const double weight = random.chance(0.1) ? 0 : random.between(0.01, 4);
        storeValue(weight, addressOf(weights->view(), index), weights->view().dtype);
      });
      options.weights = weights->view();
    }
  }

private:
  std::unique_ptr<RandomTensor> operand(Random &random, DType dtype, const char *name) {
    const Dims shape = randomBroadcastShape(random, x->view().shape);
    auto tensor = std::make_unique<RandomTensor>(
        random, dtype, shape, random.pick(kInputArrangements), random.chance(0.2));
    text += fmt::format(", {} {}", name, tensor->describe());
    return tensor;
  }
};

TEST_F(Differential, Moments) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    MomentsCase test(random, elements);
    spec += test.text;
    announce(spec);
    Expected<Statistics> actual = engine->moments(test.x->view(), test.kept, test.options);
    if (!actual)
      return actual.error().message();
    Expected<Statistics> again = engine->moments(test.x->view(), test.kept, test.options);
    if (!again)
      return again.error().message();
    if (!haveSameBits(*actual, *again))
      return "the second run gives other bits";
    return differenceOfMoments(test.x->view(), test.kept, test.options, *actual);
  });
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

void fillValues(Random &random, const Tensor &x, double magnitude) {
  if (!isFloat(x.dtype) && random.chance(0.5))
    return fillBits(random, x);
  const bool special = isFloat(x.dtype) && random.chance(0.4);
  forEachIndex(x.shape, [&](const Dims &index) {
    double value = magnitude * random.normal();
    if (special && random.chance(0.05))
      value = random.pick({kInfinity, -kInfinity, kNotANumber, 0.0, -0.0});
    storeValue(value, addressOf(x, index), x.dtype);
  });
}

TEST_F(Differential, Affine) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    const Dims shape = randomShape(random, 6, elements);
    const Dims kept = randomKept(random, shape.size());
    const DType in = random.pick(kAllDTypes), out = random.pick(kOutputDTypes);
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
    if (!y.gapsAreAsIn(before))
      return "bytes outside of the elements of y changed";
    if (!inPlace && x.snapshot() != source)
      return "x changed";
    return differenceOfAffine(*given, kept, coefficients, compute, y.view());
  });
}

} // namespace
