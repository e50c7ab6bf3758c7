//===- AllocationFailure.h - Allocations that fail on request ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AllocationFailure.cpp replaces operator new and operator delete of the program and of
// the libraries it loads. Only the thread that asks for a failure sees one.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_ALLOCATIONFAILURE_H
#define NORMA_UNITTESTS_RUNTIME_ALLOCATIONFAILURE_H

#include "norma/Support/Error.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

namespace norma::test {

/// Allocations of this thread that were not freed by it.
int64_t liveAllocations();

/// While it lives, the n-th allocation of this thread fails; n = 1 is the next one.
class FailingAllocation {
public:
  explicit FailingAllocation(int64_t n);
  FailingAllocation(const FailingAllocation &) = delete;
  FailingAllocation &operator=(const FailingAllocation &) = delete;
  ~FailingAllocation() { stop(); }

  /// Lets all succeed from now on. Whether one has failed.
  bool stop();
};

/// Runs `run(subject)` on subjects that `prepare()` makes, and lets its first allocation
/// fail, then only the second, and so on, until none is left to fail. Expects every run
/// to return success, or that memory ran out and nothing changed: `look(subject)`, a
/// string, tells whether it did. Nothing may be thrown, and nothing leak.
template <typename Prepare, typename Run, typename Look>
void expectAllFailuresSurvived(Prepare prepare, Run run, Look look) {
  {
    // What is made once, and kept, is not counted.
    auto subject = prepare();
    (void)look(subject);
    const auto result = run(subject);
    ASSERT_TRUE(result) << result.error().message();
  }
  int64_t failures = 0;
  for (int64_t n = 1;; ++n) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    const int64_t live = liveAllocations();
    bool hasFailed = false;
    {
      auto subject = prepare();
      const std::string before = look(subject);
      std::optional<ErrorCode> code;
      try {
        FailingAllocation failing(n);
        const auto result = run(subject);
        hasFailed = failing.stop();
        if (!result)
          code = result.error().code();
      } catch (const std::exception &exception) {
        FAIL() << "threw " << exception.what();
      }
      if (code) {
        ++failures;
        EXPECT_TRUE(hasFailed);
        EXPECT_EQ(*code, ErrorCode::ResourceExhausted);
        EXPECT_EQ(look(subject), before);
      }
    }
    EXPECT_EQ(liveAllocations(), live);
    if (!hasFailed)
      break;
    if (testing::Test::HasFailure())
      return;
  }
  EXPECT_GT(failures, 0) << "nothing was allocated";
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_ALLOCATIONFAILURE_H
