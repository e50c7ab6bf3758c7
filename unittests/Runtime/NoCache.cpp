//===- NoCache.cpp - Tests leave the user's cache alone -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tests of kernels are to compile them, and not to find what an earlier run of the
// tests compiled. Those of the cache name a directory of their own.
//
//===----------------------------------------------------------------------===//

#include <gtest/gtest.h>

#include <cstdlib>

namespace {

class NoCache : public testing::Environment {
public:
  void SetUp() override { ::setenv("NORMA_CACHE_DIR", "off", 1); }
};

const testing::Environment *const noCache = testing::AddGlobalTestEnvironment(new NoCache);

} // namespace
