//===- MemoryCacheTest.cpp - Every key is made once -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cache/MemoryCache.h"

#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <thread>

namespace norma::test {
namespace {

using Cache = MemoryCache<int, std::string>;
using Result = Expected<std::shared_ptr<std::string>>;

Result make(int key) { return std::make_shared<std::string>(std::to_string(key)); }

/// A value that must not be made again.
Result fail() { return Error(ErrorCode::Internal, "made"); }

std::string get(Cache &cache, int key) {
  Result value = cache.get(key, [&] { return make(key); });
  return value ? **value : value.error().message();
}

bool holds(Cache &cache, int key) {
  for (const auto &value : cache.values())
    if (*value == std::to_string(key))
      return true;
  return false;
}

template <typename Body>
void inThreads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&body, i] { body(i); });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(MemoryCacheTest, FindsWhatWasMade) {
  Cache cache(100);
  for (int key = 0; key < 100; ++key)
    EXPECT_EQ(get(cache, key), std::to_string(key));
  EXPECT_EQ(cache.hits(), 0u);
  for (int key = 0; key < 100; ++key) {
    Result value = cache.get(key, fail);
    ASSERT_TRUE(value) << key;
    EXPECT_EQ(**value, std::to_string(key));
  }
  EXPECT_EQ(cache.hits(), 100u);
  ASSERT_EQ(cache.values().size(), 100u);
  for (int key = 0; key < 100; ++key)
    EXPECT_EQ(*cache.values()[size_t(key)], std::to_string(key));
}

TEST(MemoryCacheTest, ManyThreadsMakeOneValue) {
  constexpr int kThreads = 64;
  Cache cache(4);
  std::atomic<int> makes{0};
  std::latch start(kThreads);
  std::vector<std::shared_ptr<std::string>> values(kThreads);
  inThreads(kThreads, [&](int i) {
    start.arrive_and_wait();
    Result value = cache.get(7, [&] {
      ++makes;
      return make(7);
    });
    if (value)
      values[size_t(i)] = *value;
  });
  EXPECT_EQ(makes, 1);
  EXPECT_EQ(cache.hits(), uint64_t(kThreads - 1));
  for (const auto &value : values)
    EXPECT_EQ(value, values[0]);
  EXPECT_EQ(*values[0], "7");
}

TEST(MemoryCacheTest, FailuresAreNotRemembered) {
  Cache cache(4);
  for (int i = 0; i < 2; ++i) {
    Result failed = cache.get(1, fail);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "made");
  }
  EXPECT_TRUE(cache.values().empty());
  EXPECT_EQ(get(cache, 1), "1");
}

TEST(MemoryCacheTest, FailuresReachThoseWhoWait) {
  Cache cache(4);
  std::latch begun(1);
  std::atomic<int> makes{0}, failures{0};
  inThreads(8, [&](int i) {
    if (i > 0)
      begun.wait();
    // Whoever comes after the failure makes, and fails, again.
    Result value = cache.get(1, [&] {
      if (makes++ == 0)
        begun.count_down();
      return fail();
    });
    failures += !value;
  });
  EXPECT_EQ(failures, 8);
  EXPECT_GE(makes, 1);
}

TEST(MemoryCacheTest, DifferentKeysAreMadeAtTheSameTime) {
  Cache cache(4);
  std::latch both(2);
  // Each make ends when the other one has begun.
  inThreads(2, [&](int i) {
    (void)cache
        .get(i,
             [&] {
               both.arrive_and_wait();
               return make(i);
             })
        .hasValue();
  });
  EXPECT_EQ(cache.values().size(), 2u);
}

TEST(MemoryCacheTest, TheLeastRecentlyUsedGoes) {
  Cache cache(3);
  for (int key : {1, 2, 3})
    get(cache, key);
  get(cache, 1);
  get(cache, 4);
  EXPECT_FALSE(holds(cache, 2));
  get(cache, 3);
  get(cache, 5);
  EXPECT_FALSE(holds(cache, 1));
  for (int key : {3, 4, 5})
    EXPECT_TRUE(holds(cache, key)) << key;
  // It is made again, in place of the oldest.
  EXPECT_EQ(get(cache, 2), "2");
  EXPECT_FALSE(holds(cache, 4));
  EXPECT_EQ(cache.values().size(), 3u);
}

TEST(MemoryCacheTest, HandlesKeepWhatTheCacheDoesNot) {
  Cache cache(1);
  Result handle = cache.get(1, [] { return make(1); });
  std::weak_ptr<std::string> second;
  {
    Result value = cache.get(2, [] { return make(2); });
    ASSERT_TRUE(value);
    second = *value;
  }
  EXPECT_FALSE(second.expired());
  get(cache, 3);
  // Nobody holds it: it is gone at once.
  EXPECT_TRUE(second.expired());
  ASSERT_TRUE(handle);
  EXPECT_EQ(**handle, "1");
  EXPECT_EQ(handle->use_count(), 1);
}

TEST(MemoryCacheTest, AtLeastOneIsKept) {
  Cache cache(0);
  get(cache, 1);
  EXPECT_TRUE(cache.get(1, fail));
  get(cache, 2);
  EXPECT_EQ(cache.values().size(), 1u);
}

/// A value that counts how many of its kind there are, and says when it is gone.
struct Counted {
  explicit Counted(int key) : key(key) { ++alive; }
  Counted(const Counted &) = delete;
  Counted &operator=(const Counted &) = delete;
  ~Counted() {
    key = -1;
    --alive;
  }
  int key;
  static inline std::atomic<int> alive{0};
};

TEST(MemoryCacheTest, ThreadsHitMissAndEvictAtOnce) {
  constexpr int kThreads = 8, kCapacity = 8;
  {
    MemoryCache<int, Counted> cache(kCapacity);
    std::atomic<int> wrong{0}, most{0};
    inThreads(kThreads, [&](int i) {
      uint32_t random = uint32_t(i) + 1;
      for (int step = 0; step < 20'000; ++step) {
        random = random * 1664525 + 1013904223;
        // Mostly a few keys that stay, at times one that drives another out.
        const int key = random >> 28 ? int(random >> 20 & 3) : int(random >> 10 & 63);
        Expected<std::shared_ptr<Counted>> value =
            cache.get(key, [&]() -> Expected<std::shared_ptr<Counted>> {
              if (random >> 5 & 1)
                return Error(ErrorCode::Internal, "not this time");
              return std::make_shared<Counted>(key);
            });
        wrong += value && (*value)->key != key;
        most = std::max(most.load(), Counted::alive.load());
      }
    });
    EXPECT_EQ(wrong, 0);
    // Those in the cache, those that readers held when they went, those in flight.
    EXPECT_LE(most, kCapacity + 2 * kThreads);
    EXPECT_LE(cache.values().size(), size_t(kCapacity));
    EXPECT_LE(Counted::alive, kCapacity + kThreads);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(MemoryCacheTest, MoreThreadsThanHazards) {
  Cache cache(2);
  std::latch start(100);
  std::atomic<int> wrong{0};
  inThreads(100, [&](int i) {
    start.arrive_and_wait();
    for (int step = 0; step < 200; ++step)
      wrong += get(cache, (i + step) % 4) != std::to_string((i + step) % 4);
  });
  EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace norma::test
