//===- SoakJobs.cpp - Calls of the runtime whose results are known --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SoakJobs.h"

#include "RandomTensor.h"

#include "norma/Runtime/BatchNorm.h"
#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>

namespace norma::test {

namespace {

constexpr DType kDTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8,
                             DType::U8,  DType::I16, DType::U16, DType::I32,  DType::I64};
constexpr DType kFloats[] = {DType::F32, DType::F64, DType::F16, DType::BF16};
constexpr Arrangement kArrangements[] = {Arrangement::Contiguous, Arrangement::Contiguous,
                                         Arrangement::Permuted,   Arrangement::Sliced,
                                         Arrangement::Stepped,    Arrangement::Reversed};

/// What a job is given and what it returns.
class Work {
public:
  Work(uint64_t seed, std::shared_ptr<Engine> toUse, std::string folder, const std::string &suffix)
      : random(seed), engine(std::move(toUse)),
        path(fmt::format("{}/{}-{}", folder, seed, suffix)) {
    // One axis at least, so that layers have something to keep.
    do
      shape = randomShape(random, 4, 4'000);
    while (shape.empty() || *numElements(shape) == 0);
    kept = randomKept(random, shape.size());
    data = random.pick(kDTypes);
    arrangement = random.pick(kArrangements);
  }

  std::unique_ptr<RandomTensor> tensor(DType dtype) {
    auto made = std::make_unique<RandomTensor>(random, dtype, shape, arrangement, false);
    forEachIndex(shape, [&](const Dims &index) {
      storeValue(3 + 2 * random.normal(), addressOf(made->view(), index), dtype);
    });
    return made;
  }

  /// The channels of coefficients that are not trivial.
  std::vector<double> perKept(double low, double high) {
    std::vector<double> values;
    for (int64_t i = 0; i < *numElements(keptShape()); ++i)
      values.push_back(random.between(low, high));
    return values;
  }

  Dims keptShape() const {
    Dims extents;
    for (int64_t axis : kept)
      extents.push_back(shape[int(axis)]);
    return extents;
  }

  DType compute() const { return data == DType::F64 ? DType::F64 : DType::F32; }

  void add(const std::vector<double> &values) {
    result.append(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(double));
  }
  void add(const Statistics &statistics) {
    add(statistics.count);
    add(statistics.mean);
    add(statistics.m2);
  }
  void add(const Tensor &tensor) {
    forEachIndex(tensor.shape, [&](const Dims &index) {
      result.append(addressOf(tensor, index), sizeOf(tensor.dtype));
    });
  }
  /// The error of a call that fails, with the code and message it always has.
  template <typename T>
  Expected<void> addFailure(const Expected<T> &failed) {
    if (failed)
      return Error(ErrorCode::Internal, "succeeded, expected an error");
    result += failed.error().message();
    return {};
  }

  Random random;
  std::shared_ptr<Engine> engine;
  std::string path;
  Dims shape, kept;
  DType data;
  Arrangement arrangement;
  std::string result;
};

/// Adds what a call returned, or passes its error on.
template <typename T>
Expected<void> addTo(Work &work, const Expected<T> &returned) {
  if (!returned)
    return returned.error();
  work.add(*returned);
  return {};
}

Expected<void> moments(Work &work) {
  const auto x = work.tensor(work.data);
  const auto mask = work.tensor(DType::Bool), weights = work.tensor(DType::F32);
  MomentsOptions options;
  if (work.random.chance(0.3))
    options.nan = NanPolicy::Omit;
  if (work.random.chance(0.3))
    options.mask = mask->view();
  std::vector<float> ones(size_t(work.shape[0]), 0.5f);
  if (work.random.chance(0.3))
    options.weights = Tensor(ones.data(), DType::F32, {work.shape[0]});
  return addTo(work, work.engine->moments(x->view(), work.kept, options));
}

Expected<void> affine(Work &work) {
  const auto x = work.tensor(work.data), y = work.tensor(work.random.pick(kFloats));
  Coefficients coefficients{work.keptShape(), work.perKept(-1, 1), work.perKept(0.5, 2), {}};
  if (work.random.chance(0.5))
    coefficients.shift = work.perKept(-1, 1);
  Expected<void> done =
      work.engine->affine(x->view(), work.kept, coefficients, work.compute(), y->view());
  if (done)
    work.add(y->view());
  return done;
}

Expected<void> gradients(Work &work) {
  const auto x = work.tensor(work.data), dy = work.tensor(work.random.pick(kFloats)),
             dx = work.tensor(work.random.pick(kFloats));
  const std::vector<double> center = work.perKept(2, 4);
  Expected<GradientSums> sums = work.engine->gradientSums(x->view(), dy->view(), work.kept, center);
  if (!sums)
    return sums.takeError();
  work.add(sums->sum);
  work.add(sums->dot);
  const GradientCoefficients coefficients{work.keptShape(), center, work.perKept(-1, 1),
                                          work.perKept(-1, 1), work.perKept(0.5, 2)};
  Expected<void> done = work.engine->gradientMap(x->view(), dy->view(), work.kept, coefficients,
                                                 work.compute(), dx->view());
  if (done)
    work.add(dx->view());
  return done;
}

Expected<void> reduceThenMap(Work &work) {
  const auto x = work.tensor(work.data), y = work.tensor(work.random.pick(kFloats));
  auto standardize = [](int64_t begin, int64_t end, const Statistics &statistics) {
    Coefficients coefficients{{end - begin}, {}, {}, {}};
    const auto mean = statistics.mean.begin();
    coefficients.center.assign(mean + begin, mean + end);
    for (int64_t i = begin; i < end; ++i)
      coefficients.scale.push_back(1 / std::sqrt(statistics.variance(i) + 1e-3));
    return coefficients;
  };
  Expected<Statistics> statistics = work.engine->momentsThenAffine(
      x->view(), work.kept, {}, standardize, work.compute(), y->view());
  if (statistics)
    work.add(y->view());
  return addTo(work, statistics);
}

/// Learns, saves, loads and applies, with an engine of its own in between.
Expected<void> normalizationLayer(Work &work) {
  const auto x = work.tensor(work.data);
  NormalizationOptions options;
  options.axis = work.kept;
  Expected<Normalization> layer = Normalization::create(work.engine, options);
  if (!layer)
    return layer.takeError();
  if (Expected<void> done = layer->adapt(x->view()); !done)
    return done;
  if (Expected<void> done = layer->save(work.path); !done)
    return done;
  Expected<std::shared_ptr<Engine>> other = Engine::create(
      {.threads = 1,
       .cacheDirectory =
           work.engine->cacheDirectory().empty() ? "off" : work.engine->cacheDirectory()});
  if (!other)
    return other.takeError();
  Expected<Normalization> loaded = Normalization::load(*other, work.path);
  std::filesystem::remove(work.path);
  if (!loaded)
    return loaded.takeError();
  other->reset();
  work.add(loaded->statistics());
  Expected<Array> y = loaded->apply(x->view());
  if (!y)
    return y.takeError();
  work.add(y->view());
  return {};
}

Expected<void> batchNormalizationLayer(Work &work) {
  const auto x = work.tensor(DType::F32), y = work.tensor(DType::F32), dy = work.tensor(DType::F32);
  BatchNormalizationOptions options = BatchNormalizationOptions::kerasV2();
  // The layer keeps something always.
  options.axis = work.kept.empty() ? Dims{0} : work.kept;
  options.fused = false;
  Expected<BatchNormalization> layer = BatchNormalization::create(work.engine, options);
  if (!layer)
    return layer.takeError();
  Expected<SavedForward> saved = layer->train(x->view(), y->view());
  if (!saved)
    return saved.takeError();
  work.add(y->view());
  Expected<BatchNormGradients> gradient =
      layer->gradient(*saved, x->view(), dy->view(), dy->view());
  if (!gradient)
    return gradient.takeError();
  work.add(gradient->gamma);
  work.add(dy->view());
  if (Expected<void> done = layer->save(work.path); !done)
    return done;
  Expected<BatchNormalization> loaded = BatchNormalization::load(work.engine, work.path);
  std::filesystem::remove(work.path);
  if (!loaded)
    return loaded.takeError();
  Expected<void> applied = loaded->apply(x->view(), y->view());
  if (applied)
    work.add(y->view());
  return applied;
}

Expected<void> program(Work &work) {
  const int64_t rows = 1 + work.random.below(50), features = 1 + work.random.below(20);
  const std::string source =
      fmt::format("func.func @f(%x: tensor<?x{0}xf32>) -> tensor<?x{0}xf32> {{\n"
                  "  %mean = arith.constant dense<{1:.1f}> : tensor<{0}xf64>\n"
                  "  %variance = arith.constant dense<0.25> : tensor<{0}xf64>\n"
                  "  %y = norma.normalize %x, %mean, %variance kept [1]\n"
                  "      : tensor<?x{0}xf32>, tensor<{0}xf64>, tensor<{0}xf64>\n"
                  "  return %y : tensor<?x{0}xf32>\n}}\n",
                  features, double(work.random.below(4)));
  Expected<Program> compiled = work.engine->compile(source, {});
  if (!compiled)
    return compiled.takeError();
  // The code outlives the engine, where this was its last user.
  work.engine.reset();
  work.shape = Dims{rows, features};
  const auto x = work.tensor(DType::F32);
  const Tensor inputs[] = {x->view()};
  Expected<std::vector<Array>> results = compiled->run(inputs);
  if (!results)
    return results.takeError();
  work.add(results->at(0).view());
  return {};
}

/// Calls that are refused before anything is done, and one that does not compile.
Expected<void> errors(Work &work) {
  const auto x = work.tensor(work.data);
  if (Expected<void> ok = work.addFailure(work.engine->moments(x->view(), Dims{7})); !ok)
    return ok;
  if (Expected<void> ok = work.addFailure(work.engine->compile("func.func @f(", {})); !ok)
    return ok;
  return work.addFailure(Normalization::load(work.engine, "/proc/norma"));
}

struct Kind {
  const char *name;
  Expected<void> (*run)(Work &);
};
constexpr std::array<Kind, 10> kKinds{{{"moments", moments},
                                       {"affine", affine},
                                       {"gradients", gradients},
                                       {"reduce then map", reduceThenMap},
                                       {"moments", moments},
                                       {"affine", affine},
                                       {"Normalization", normalizationLayer},
                                       {"BatchNormalization", batchNormalizationLayer},
                                       {"program", program},
                                       {"errors", errors}}};

const Kind &kindOf(uint64_t number) { return kKinds[number % kKinds.size()]; }

} // namespace

std::string SoakJob::describe() const {
  const Work work(number, nullptr, {}, {});
  return fmt::format("{} {} {} kept {} {}", kindOf(number).name, toString(work.data),
                     norma::toString(work.shape), norma::toString(work.kept),
                     toString(work.arrangement));
}

Expected<std::string> SoakJob::run(const std::shared_ptr<Engine> &engine, const std::string &folder,
                                   const std::string &suffix) const {
  Work work(number, engine, folder, suffix);
  if (Expected<void> done = kindOf(number).run(work); !done)
    return done.takeError();
  return std::move(work.result);
}

} // namespace norma::test
