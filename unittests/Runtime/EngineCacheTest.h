//===- EngineCacheTest.h - Engines that share a cache -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_ENGINECACHETEST_H
#define NORMA_UNITTESTS_RUNTIME_ENGINECACHETEST_H

#include "CacheTest.h"

#include "norma/Runtime/Engine.h"
#include "norma/Runtime/KernelCache.h"

namespace norma::test {

class EngineCacheTest : public CacheTest {
protected:
  std::shared_ptr<Engine> engineOf(EngineOptions options = {}) {
    if (!options.cacheDirectory)
      options.cacheDirectory = directory();
    options.threads = 1;
    options.log = log();
    Expected<std::shared_ptr<Engine>> engine = Engine::create(options);
    EXPECT_TRUE(io::test::succeeded(engine));
    return engine ? *engine : nullptr;
  }

  /// The bits of the statistics of some rows of `features` values.
  static std::vector<double> moments(Engine &engine, int64_t features = 13) {
    std::vector<float> data(size_t(100 * features));
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = float(i * 37 % 101) / 7; // Nothing that would need a second kernel.
    Expected<Statistics> result =
        engine.moments(Tensor(data.data(), DType::F32, {100, features}), Dims{1});
    EXPECT_TRUE(io::test::succeeded(result));
    std::vector<double> bits;
    if (result)
      for (const auto &values : {result->count, result->mean, result->m2})
        bits.insert(bits.end(), values.begin(), values.end());
    return bits;
  }

  static std::string onlyFileIn(const std::string &path) {
    Expected<std::vector<StoredKernel>> kernels = listKernelCache(path);
    EXPECT_TRUE(kernels && kernels->size() == 1);
    return path + "/" + kernels->at(0).file;
  }
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_ENGINECACHETEST_H
