//===- BackgroundQueueTest.cpp - Work that nobody waits for ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/BackgroundQueue.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <vector>

namespace norma::test {
namespace {

TEST(BackgroundQueueTest, RunsTasksInOrderOnOneThread) {
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  BackgroundQueue queue;
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(queue.push([&, i](const std::stop_token &) {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    }));
  queue.finish();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(order[size_t(i)], i);
    EXPECT_EQ(threads[size_t(i)], threads[0]);
  }
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(BackgroundQueueTest, WithoutTasksThereIsNothingToWaitFor) {
  BackgroundQueue queue;
  queue.finish();
}

TEST(BackgroundQueueTest, TasksMayPushTasks) {
  BackgroundQueue queue;
  int runs = 0;
  std::latch pushed(1);
  queue.push([&](const std::stop_token &) {
    queue.push([&](const std::stop_token &) { ++runs; });
    pushed.count_down();
  });
  pushed.wait();
  queue.finish();
  EXPECT_EQ(runs, 1);
}

TEST(BackgroundQueueTest, TheEndDropsWhatWasNotBegunAndWaitsForTheRest) {
  int begun = 0;
  bool ended = false;
  const auto held = std::make_shared<int>(0);
  {
    BackgroundQueue queue;
    std::latch running(1);
    queue.push([&](const std::stop_token &stop) {
      ++begun;
      running.count_down();
      // Ends because the queue does.
      std::latch stopped(1);
      const std::stop_callback callback(stop, [&] { stopped.count_down(); });
      stopped.wait();
      ended = true;
    });
    for (int i = 0; i < 3; ++i)
      queue.push([&, held](const std::stop_token &) { ++begun; });
    running.wait();
    EXPECT_EQ(held.use_count(), 4);
  }
  EXPECT_EQ(begun, 1);
  EXPECT_TRUE(ended);
  EXPECT_EQ(held.use_count(), 1);
}

} // namespace
} // namespace norma::test
