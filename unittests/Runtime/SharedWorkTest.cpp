//===- SharedWorkTest.cpp - Tasks that threads share out ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/SharedWork.h"
#include "Runtime/EngineImpl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <thread>

using namespace norma;

namespace {

/// Helpers as threads of their own.
struct Team {
  explicit Team(int threads) : work(threads) {}
  ~Team() { work.stop(); }

  bool run(int64_t count, const SharedWork::Body &body,
           SharedWork::Effort effort = SharedWork::Effort::Unknown) {
    return work.tryRun(count, effort, body, [this](int id) {
      ++woken;
      threads.emplace_back([this, id] { work.help(id); });
    });
  }

  SharedWork work;
  std::atomic<int> woken{0};
  // Joined first.
  std::vector<std::jthread> threads;
};

/// Calls until helpers take part: those in quick succession bring them.
void callUntilHelped(Team &team) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> helped = false;
  while (!helped)
    ASSERT_TRUE(team.run(8, [&](int64_t) {
      if (std::this_thread::get_id() != caller)
        helped = true;
      std::this_thread::yield();
    }));
}

} // namespace

TEST(SharedWork, EveryTaskRunsOnce) {
  for (int threads : {1, 2, 5}) {
    Team team(threads);
    for (int64_t count : {0, 1, 2, 3, 7, 100})
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
        ASSERT_TRUE(team.run(count, [&](int64_t i) { ++runs[size_t(i)]; }));
        EXPECT_TRUE(std::all_of(runs.begin(), runs.end(), [](auto &n) { return n == 1; }));
      }
  }
}

TEST(SharedWork, OneCallWakesNobodyForLittle) {
  // A thread may have to wait for a processor, but not again and again.
  int woken = 1;
  for (int round = 0; round < 1'000 && woken > 0; ++round) {
    Team team(3);
    ASSERT_TRUE(team.run(3, [](int64_t) {}));
    woken = team.woken;
  }
  EXPECT_EQ(woken, 0);
}

TEST(SharedWork, OneCallWakesHelpersForMuch) {
  Team team(3);
  ASSERT_TRUE(
      team.run(100, [](int64_t) { std::this_thread::sleep_for(std::chrono::microseconds(100)); }));
  EXPECT_EQ(team.woken, 2);
}

TEST(SharedWork, LargeTasksAreSharedFromTheFirstOn) {
  Team team(2);
  // Each waits for the other.
  std::atomic<int> begun = 0;
  ASSERT_TRUE(team.run(
      2,
      [&](int64_t) {
        ++begun;
        while (begun < 2)
          std::this_thread::yield();
      },
      SharedWork::Effort::Large));
  EXPECT_EQ(team.woken, 1);
}

TEST(SharedWork, HelpersComeForBursts) {
  Team team(2);
  callUntilHelped(team);
  EXPECT_GE(team.woken, 1);
}

TEST(SharedWork, WhatATaskThrowsGoesToTheCaller) {
  Team team(3);
  for (int round = 0; round < 50; ++round) {
    callUntilHelped(team);
    EXPECT_THROW(team.run(12,
                          [&](int64_t i) {
                            if (i % 4 == round % 4)
                              throw std::runtime_error("a task");
                          }),
                 std::runtime_error);
    // The next call is as any other.
    std::atomic<int64_t> sum = 0;
    ASSERT_TRUE(team.run(10, [&](int64_t i) { sum += i; }));
    EXPECT_EQ(sum, 45);
  }
}

TEST(SharedWork, CallsMayHaveAnyNumberOfTasks) {
  // A helper may come from a call that had more of them, or failed.
  Team team(5);
  for (int round = 0; round < 3'000; ++round) {
    const int64_t count = round * 7 % 11, failing = round * 5 % 23;
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    bool thrown = false;
    try {
      ASSERT_TRUE(team.run(
          count,
          [&](int64_t i) {
            ++runs[size_t(i)];
            if (i == failing)
              throw std::runtime_error("a task");
          },
          SharedWork::Effort::Large));
    } catch (const std::runtime_error &) {
      thrown = true;
    }
    EXPECT_EQ(thrown, failing < count);
    for (const std::atomic<int> &n : runs)
      EXPECT_TRUE(n == 1 || (thrown && n == 0));
  }
}

TEST(SharedWork, WorksAloneWhereNobodyCanBeWoken) {
  SharedWork work(4);
  std::atomic<int64_t> sum = 0;
  for (int round = 0; round < 20; ++round)
    ASSERT_TRUE(work.tryRun(
        10, SharedWork::Effort::Unknown, [&](int64_t i) { sum += i; },
        [](int) { throw std::bad_alloc(); }));
  EXPECT_EQ(sum, 900);
}

TEST(SharedWork, HasOneCallAtATime) {
  Team team(2);
  bool inner = true;
  ASSERT_TRUE(team.run(1, [&](int64_t) { inner = team.run(1, [](int64_t) { FAIL(); }); }));
  EXPECT_FALSE(inner);
}

TEST(ThreadPool, CallsFromManyThreadsAndFromTasks) {
  const ThreadPool pool(4);
  std::atomic<int64_t> sum = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller)
      callers.emplace_back([&] {
        for (int round = 0; round < 200; ++round)
          pool.forEach(5, 0,
                       [&](int64_t i) { pool.forEach(3, 0, [&](int64_t j) { sum += i * j; }); });
      });
  }
  EXPECT_EQ(sum, 4 * 200 * 10 * 3);
}

TEST(ThreadPool, MayGoWhileHelpersWatch) {
  for (int round = 0; round < 100; ++round) {
    const ThreadPool pool(4);
    std::atomic<int64_t> sum = 0;
    for (int call = 0; call < 5; ++call)
      pool.forEach(6, 0, [&](int64_t i) { sum += i; });
    EXPECT_EQ(sum, 75);
  }
}
