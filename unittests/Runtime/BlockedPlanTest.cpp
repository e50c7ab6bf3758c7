//===- BlockedPlanTest.cpp - What blocked calls keep ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

using namespace norma;
using namespace norma::test;

namespace {

enum class Place : uint8_t { Apart, Unaligned, OverX, OverDy };

/// A call, and how it differs from a plain one.
struct Call {
  const char *name;
  bool isGradient = false;
  Dims shape = {8, 6, 10, 10}, kept = {1};
  DType x = DType::F32, out = DType::F32, compute = DType::F32;
  Place place = Place::Apart;
  bool isTransposed = false, hasMask = false, hasWeights = false;
  NanPolicy nan = NanPolicy::Propagate;
  int64_t seed = 1;
};

/// Where nothing in `memory` follows an input closely, as addresses are compared: whether a result
/// does decides how it is written.
char *placeApart(const Array &memory, std::initializer_list<const char *> inputs) {
  constexpr uintptr_t kPage = 4096, kStep = 64;
  char *place = memory.as<char>();
  const auto follows = [&](const char *input) {
    return (reinterpret_cast<uintptr_t>(place) - reinterpret_cast<uintptr_t>(input)) % kPage <
           kPage / 4;
  };
  while (std::any_of(inputs.begin(), inputs.end(), follows))
    place += kStep;
  return place;
}

/// All that a call gave, as numbers.
std::vector<double> resultsOf(Engine &engine, const Call &c) {
  const auto dataOf = [&](DType dtype, int64_t seed) {
    return arrayOf(dtype, c.shape, [=](int64_t i) {
      return i == 77 && seed < 3 ? std::numeric_limits<double>::quiet_NaN()
                                 : double((i * 31 + seed) % 53) / 8;
    });
  };
  const Array x = dataOf(c.x, c.seed), dy = dataOf(c.out, c.seed + 4);
  const Array mask =
      arrayOf(DType::Bool, {c.shape[0]}, [](int64_t i) { return double(i % 3 != 0); });
  const Array weights = arrayOf(DType::F64, {c.shape[0]}, [](int64_t i) { return double(i) / 4; });
  MomentsOptions options{.nan = c.nan};
  if (c.hasMask)
    options.mask = mask.view();
  if (c.hasWeights)
    options.weights = weights.view();

  const Array own = *Array::create(DType::U8, {int64_t(x.view().size() * 8 + 8192)});
  Tensor data = x, beside = dy;
  Tensor out(placeApart(own, {x.as<char>(), dy.as<char>()}), c.out, c.shape);
  if (c.place == Place::Unaligned)
    out.data = static_cast<char *>(out.data) + sizeOf(c.out);
  if (c.place == Place::OverX)
    out = x;
  if (c.place == Place::OverDy)
    out = dy;
  if (c.isTransposed)
    for (Tensor *tensor : {&data, &out, &beside}) {
      std::swap(tensor->shape[0], tensor->shape[3]);
      std::swap(tensor->strides[0], tensor->strides[3]);
    }

  std::vector<double> results;
  const size_t size = size_t(*numElements(keptShape(data.shape, c.kept)));
  if (c.isGradient) {
    const std::vector<double> center(size, 2);
    const auto make = [&](int64_t begin, int64_t end, const GradientSums &sums) {
      const auto part = [&](const std::vector<double> &all) {
        return std::vector<double>(all.begin() + begin, all.begin() + end);
      };
      return GradientCoefficients{
          {end - begin}, part(center), part(sums.dot), part(sums.sum), part(center)};
    };
    Expected<GradientSums> sums =
        engine.gradientSumsThenMap(data, beside, c.kept, center, options, make, c.compute, out);
    EXPECT_TRUE(sums.hasValue()) << c.name;
    results = sums->sum;
    results.insert(results.end(), sums->dot.begin(), sums->dot.end());
  } else {
    const auto make = [&](int64_t begin, int64_t end, const Statistics &all) {
      return Coefficients{
          {end - begin}, {all.mean.begin() + begin, all.mean.begin() + end}, {}, {}};
    };
    Expected<Statistics> all =
        engine.momentsThenAffine(data, c.kept, options, make, c.compute, out);
    EXPECT_TRUE(all.hasValue()) << c.name;
    results = all->count;
    for (const std::vector<double> *values : {&all->mean, &all->m2})
      results.insert(results.end(), values->begin(), values->end());
  }
  for (int64_t i = 0; i < x.view().size(); ++i)
    results.push_back(
        loadAsDouble(static_cast<char *>(out.data) + i * int64_t(sizeOf(c.out)), c.out));
  return results;
}

/// Calls that differ from the first one in one thing each.
std::vector<Call> callsApart(bool isGradient) {
  std::vector<Call> calls = {
      {.name = "plain"},
      {.name = "another shape", .shape = {9, 6, 10, 10}},
      {.name = "other axes of the same extent", .shape = {8, 6, 10, 10}, .kept = {2}},
      {.name = "other axes of the same extent, too", .shape = {8, 6, 10, 10}, .kept = {3}},
      {.name = "several axes", .kept = {1, 2}},
      {.name = "f16", .x = DType::F16},
      {.name = "to f16", .out = DType::F16},
      {.name = "in f64", .compute = DType::F64},
      {.name = "unaligned", .place = Place::Unaligned},
      {.name = "over x", .place = Place::OverX},
      {.name = "strides", .isTransposed = true},
      {.name = "mask", .hasMask = true},
      {.name = "weights", .hasWeights = true},
      {.name = "both", .hasMask = true, .hasWeights = true},
      {.name = "NaN left out", .nan = NanPolicy::Omit},
      {.name = "other data", .seed = 2},
      // Kept axes that are not next to each other are no blocks.
      {.name = "the whole", .kept = {0, 2}},
      {.name = "the whole, mask", .kept = {0, 2}, .hasMask = true},
      {.name = "the whole, both", .kept = {0, 2}, .hasMask = true, .hasWeights = true},
      {.name = "the whole, over x", .kept = {0, 2}, .place = Place::OverX},
      {.name = "the whole, in another order", .kept = {0, 3}, .isTransposed = true},
      {.name = "the whole, in parts", .shape = {200, 10, 10, 30}, .kept = {3}},
  };
  if (isGradient)
    calls.push_back({.name = "over dy", .place = Place::OverDy});
  for (Call &call : calls)
    call.isGradient = isGradient;
  return calls;
}

} // namespace

TEST(BlockedPlan, CallsApartHaveTheirOwn) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 1});
  for (int round = 0; round < 2; ++round)
    for (bool isGradient : {false, true})
      for (const Call &call : callsApart(isGradient)) {
        const std::shared_ptr<Engine> fresh = engineWith({.threads = 1});
        EXPECT_TRUE(haveSameNumbers(resultsOf(*engine, call), resultsOf(*fresh, call)))
            << call.name << ", gradient " << isGradient << ", round " << round;
      }
}

TEST(BlockedPlan, IsUsedAgainOnOtherData) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 1});
  for (bool isGradient : {false, true})
    for (const Dims &kept : {Dims{1}, Dims{0, 2}}) {
      const Call first{.name = "first", .isGradient = isGradient, .kept = kept, .hasMask = true};
      Call again = first;
      again.name = "again";
      again.seed = 5;
      (void)resultsOf(*engine, first);
      // Its kernels are not even looked for.
      const EngineStats before = engine->stats();
      const std::vector<double> results = resultsOf(*engine, again);
      EXPECT_EQ(engine->stats().memoryHits, before.memoryHits);
      EXPECT_EQ(engine->stats().misses, before.misses);
      EXPECT_TRUE(haveSameNumbers(results, resultsOf(*engineWith({.threads = 1}), again)))
          << toString(kept) << ", gradient " << isGradient;
    }
}

TEST(BlockedPlan, RunsBetterCodeOnceThereIsSome) {
  const std::shared_ptr<Engine> engine =
      engineWith({.threads = 1, .cacheDirectory = "off", .compilePolicy = CompilePolicy::Tiered});
  const Call call{.name = "tiered"};
  const std::vector<double> quickly = resultsOf(*engine, call);
  engine->finishCompiling();
  EXPECT_TRUE(haveSameNumbers(resultsOf(*engine, call), quickly));
  for (const KernelInfo &kernel : engine->kernels()) {
    EXPECT_EQ(kernel.tier, KernelTier::Optimized);
    EXPECT_EQ(kernel.calls, 2u);
  }
}
