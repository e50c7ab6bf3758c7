//===- SpareTest.cpp - Memory that is used again --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Spare.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

using namespace norma;

namespace {

using Spares = Spare<std::vector<int>>;

TEST(Spare, GivesTheLastOneThatWasGivenUp) {
  Spares spares;
  const int *first = nullptr;
  {
    const Spares::Loan loan = spares.take();
    EXPECT_TRUE(loan->empty());
    loan->assign({1, 2, 3});
    first = loan->data();
  }
  const Spares::Loan again = spares.take();
  EXPECT_EQ(again->data(), first);
  EXPECT_EQ(*again, (std::vector{1, 2, 3}));
  EXPECT_TRUE(spares.take()->empty()) << "that one is in use";
}

TEST(Spare, ThreadsHaveTheirOwn) {
  Spares spares;
  const auto work = [&](int id) {
    for (int i = 0; i < 1000; ++i) {
      const Spares::Loan loan = spares.take();
      loan->assign(16, id);
      EXPECT_EQ(*loan, std::vector(16, id));
    }
  };
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id)
    threads.emplace_back(work, id);
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace
