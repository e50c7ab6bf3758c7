//===- EngineWatchTest.cpp - Watching and stopping a call -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <algorithm>
#include <bit>
#include <gmock/gmock.h>
#include <numeric>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;

namespace {

class EngineWatch : public EngineTest {
protected:
  /// Of so many rows, not the same everywhere.
  static Array rows(int64_t count) {
    return arrayOf(DType::F32, {count, 3}, [](int64_t i) { return double(i % 1013) * 0.1; });
  }

  /// Stops at report `last`.
  CallWatch watch(int64_t last = INT64_MAX) {
    reports.clear();
    CallWatch result;
    result.interval = std::chrono::nanoseconds(0);
    result.progress = [this, last](int64_t elements) {
      EXPECT_GE(elements, reports.empty() ? 0 : reports.back());
      reports.push_back(elements);
      return int64_t(reports.size()) < last;
    };
    return result;
  }

  std::vector<int64_t> reports;
};

TEST_F(EngineWatch, OneTensor) {
  const Array x = rows(300'000);
  const Statistics alone = moments(x, {1});
  Expected<Statistics> watched = shared()->moments(x, Dims{1}, {}, watch());
  ASSERT_TRUE(watched);
  EXPECT_TRUE(haveSameBits(*watched, alone));
  EXPECT_GE(reports.size(), 2u);
  EXPECT_EQ(reports.back(), 900'000);

  Expected<Statistics> stopped = shared()->moments(x, Dims{1}, {}, watch(1));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::Cancelled);
  EXPECT_THAT(stopped.error().message(), HasSubstr("of 900000 elements"));
}

TEST_F(EngineWatch, SeveralTensors) {
  const Array a = rows(90'000), b = rows(1), c = rows(0), d = rows(150'000);
  const std::vector<Tensor> batches{a, b, c, d};
  Expected<Statistics> alone = shared()->moments(batches, Dims{1});
  ASSERT_TRUE(alone);
  Expected<Statistics> watched = shared()->moments(batches, Dims{1}, {}, watch());
  ASSERT_TRUE(watched);
  EXPECT_TRUE(haveSameBits(*watched, *alone));
  EXPECT_GE(reports.size(), 2u);
  EXPECT_EQ(reports.back(), 3 * 240'001);
  EXPECT_THAT(messageOf(shared()->moments(batches, Dims{1}, {}, watch(1))),
              HasSubstr("stopped by its progress callback after"));
}

// Two, four or eight threads have as many rows each, and what is left and taken up again, or done
// by some threads, is merged as if it were not.
TEST_F(EngineWatch, BlocksAreEqualShares) {
  const Expected<std::shared_ptr<Engine>> alone =
      Engine::create({.threads = 1, .cacheDirectory = "off"});
  const Expected<std::shared_ptr<Engine>> three =
      Engine::create({.threads = 3, .cacheDirectory = "off"});
  ASSERT_TRUE(alone && three);
  // What one block takes, and then some.
  for (int64_t count : {400, 784, 1100, 1568, 3000, 4700, 9000}) {
    SCOPED_TRACE(count);
    const Array x = arrayOf(DType::F32, {count, 512}, [](int64_t i) { return double(i % 1009); });
    const Expected<Statistics> whole = (*alone)->moments(x, Dims{1});
    const Expected<Statistics> watched = (*alone)->moments(x, Dims{1}, {}, watch());
    ASSERT_TRUE(whole && watched);
    EXPECT_TRUE(haveSameBits(*watched, *whole));
    std::vector<int64_t> blocks(reports.size());
    std::adjacent_difference(reports.begin(), reports.end(), blocks.begin());
    std::erase(blocks, 0);
    const auto [least, most] = std::minmax_element(blocks.begin(), blocks.end());
    EXPECT_LE(double(*most), double(*least) * 1.3);
    const size_t number = blocks.size();
    EXPECT_TRUE(number <= 8 ? std::has_single_bit(number) : number % 8 == 0) << number;

    const Expected<Statistics> byThree = (*three)->moments(x, Dims{1}, {}, watch());
    ASSERT_TRUE(byThree);
    EXPECT_TRUE(haveSameBits(*byThree, *whole));
  }
}

TEST_F(EngineWatch, KeptOutermostAxis) {
  const Array x = arrayOf(DType::F32, {300, 4000}, [](int64_t i) { return double(i % 101); });
  const Statistics alone = moments(x, {0});
  Expected<Statistics> watched = shared()->moments(x, Dims{0}, {}, watch());
  ASSERT_TRUE(watched);
  EXPECT_TRUE(haveSameBits(*watched, alone));
  EXPECT_GE(reports.size(), 2u);
  EXPECT_EQ(reports.back(), 1'200'000);
}

TEST_F(EngineWatch, TheConversionOfWeightsCanBeStopped) {
  const Array x = rows(300'000);
  const Array weights = arrayOf(DType::F32, {300'000, 3}, [](int64_t) { return 1.0; });
  EXPECT_EQ(messageOf(shared()->moments(x, Dims{1}, {.weights = weights.view()}, watch(2))),
            "stopped by its progress callback after 0 of 900000 elements");
}

TEST_F(EngineWatch, StopRequests) {
  const Array x = rows(300'000);
  std::stop_source source;
  CallWatch stoppable;
  stoppable.stop = source.get_token();
  EXPECT_TRUE(shared()->moments(x, Dims{1}, {}, stoppable));
  // From within the first report, which wants to go on.
  CallWatch watched = watch();
  watched.stop = source.get_token();
  watched.progress = [&](int64_t) { return source.request_stop(); };
  Expected<Statistics> stopped = shared()->moments(x, Dims{1}, {}, watched);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::Cancelled);
  EXPECT_THAT(stopped.error().message(), HasSubstr("stopped by a request after"));
  EXPECT_EQ(messageOf(shared()->moments(x, Dims{1}, {}, stoppable)),
            "stopped by a request after 0 of 900000 elements");
}

TEST_F(EngineWatch, NothingToWatch) {
  const Array none = rows(0);
  EXPECT_TRUE(shared()->moments(none, Dims{1}, {}, watch()));
  EXPECT_TRUE(reports.empty());
}

} // namespace
