//===- EngineCacheTest.cpp - Engines that share compiled kernels ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCacheTest.h"

#include <thread>

namespace norma::test {
namespace {

TEST_F(EngineCacheTest, TheSecondEngineCompilesNothing) {
  const std::shared_ptr<Engine> first = engineOf(), second = engineOf();
  EXPECT_EQ(first->cacheDirectory(), std::filesystem::path(directory()).lexically_normal());
  const std::vector<double> expected = moments(*first);
  EXPECT_EQ(moments(*first), expected);
  EngineStats stats = first->stats();
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.compiles, 1u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_EQ(stats.diskHits, 0u);
  EXPECT_EQ(stats.memoryHits, 1u);
  EXPECT_GT(stats.compileMilliseconds, 0);
  EXPECT_GT(stats.loadMilliseconds, 0);
  EXPECT_GT(stats.objectBytes, 0u);

  EXPECT_EQ(moments(*second), expected);
  EXPECT_EQ(moments(*second), expected);
  EXPECT_EQ(second->stats().misses, 0u);
  EXPECT_EQ(second->stats().compiles, 0u);
  EXPECT_EQ(second->stats().diskHits, 1u);
  EXPECT_EQ(second->stats().memoryHits, 1u);
  EXPECT_EQ(second->stats().compileMilliseconds, 0);
  EXPECT_EQ(second->stats().objectBytes, stats.objectBytes);

  const KernelInfo made = first->kernels().at(0), loaded = second->kernels().at(0);
  EXPECT_EQ(made.source, KernelSource::Compiler);
  EXPECT_EQ(loaded.source, KernelSource::Disk);
  EXPECT_EQ(loaded.key, made.key);
  EXPECT_EQ(loaded.schedule, made.schedule);
  EXPECT_EQ(loaded.family, made.family);
  EXPECT_EQ(loaded.axisForm, made.axisForm);
  EXPECT_EQ(loaded.lowerMilliseconds, made.lowerMilliseconds);
  EXPECT_EQ(loaded.codegenMilliseconds, made.codegenMilliseconds);
  EXPECT_GT(loaded.loadMilliseconds, 0);
  EXPECT_TRUE(messages.empty()) << messages[0];
}

TEST_F(EngineCacheTest, KeysHoldEverything) {
  const std::shared_ptr<Engine> engine = engineOf();
  moments(*engine);
  const std::string key = engine->kernels().at(0).key;
  for (const std::string &part :
       {std::string("moments;RK[?x13];f32;contiguous;nan=propagate;"),
        "cpu=" + engine->targetCpu() + ";", std::string(";target="), std::string(";norma=0.1.0+"),
        std::string(";llvm=22."), std::string(";format=1")})
    EXPECT_NE(key.find(part), std::string::npos) << key;
  EXPECT_EQ(listKernelCache(directory())->at(0).key, key);
}

TEST_F(EngineCacheTest, ObjectsDoNotDependOnWhatWasCompiledBefore) {
  const std::shared_ptr<Engine> one = engineOf({.cacheDirectory = in("one")}),
                                other = engineOf({.cacheDirectory = in("other")});
  moments(*one, 13);
  moments(*other, 5);
  moments(*other, 13);
  const std::string name = CacheDirectory::nameOf(one->kernels().at(0).key);
  Expected<CacheEntry> a = decodeCacheEntry(slurp(in("one/" + name))),
                       b = decodeCacheEntry(slurp(in("other/" + name)));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->object, b->object);
  EXPECT_EQ(a->symbol, b->symbol);
}

TEST_F(EngineCacheTest, DamagedKernelsAreCompiledAndReplaced) {
  const std::vector<double> expected = moments(*engineOf());
  const std::string file = onlyFileIn(directory()), whole = slurp(file);
  std::string damaged = whole;
  damaged[whole.size() - 100] ^= 1;
  spill(file, damaged);
  const std::shared_ptr<Engine> second = engineOf();
  EXPECT_EQ(moments(*second), expected);
  EXPECT_EQ(second->stats().compiles, 1u);
  EXPECT_EQ(second->stats().diskHits, 0u);
  // At the first look, and when its turn has come.
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_NE(messages[0].find("checksum"), std::string::npos) << messages[0];
  messages.clear();
  EXPECT_EQ(slurp(file).size(), whole.size());
  const std::shared_ptr<Engine> third = engineOf();
  EXPECT_EQ(moments(*third), expected);
  EXPECT_EQ(third->stats().compiles, 0u);
  EXPECT_TRUE(messages.empty());
}

TEST_F(EngineCacheTest, WhatDoesNotLinkIsCompiled) {
  const std::vector<double> expected = moments(*engineOf());
  const std::string file = onlyFileIn(directory());
  Expected<CacheEntry> entry = decodeCacheEntry(slurp(file));
  ASSERT_TRUE(entry);
  for (const char *object : {"", "no object at all"}) {
    entry->object = object;
    Expected<std::string> bytes = encodeCacheEntry(*entry);
    ASSERT_TRUE(bytes);
    spill(file, *bytes);
    const std::shared_ptr<Engine> engine = engineOf();
    EXPECT_EQ(moments(*engine), expected);
    EXPECT_EQ(engine->stats().compiles, 1u);
    ASSERT_FALSE(messages.empty());
    EXPECT_NE(messages[0].find("linking a kernel"), std::string::npos) << messages[0];
    messages.clear();
  }
  EXPECT_EQ(moments(*engineOf()), expected);
  EXPECT_TRUE(messages.empty());
}

TEST_F(EngineCacheTest, ProcessorsHaveTheirOwnKernels) {
  const std::shared_ptr<Engine> host = engineOf();
  moments(*host);
  Expected<std::shared_ptr<Engine>> older =
      Engine::create({.targetCpu = "x86-64", .cacheDirectory = directory()});
  if (!older)
    GTEST_SKIP() << older.error().message();
  moments(**older);
  EXPECT_EQ((*older)->stats().diskHits, 0u);
  EXPECT_EQ(listKernelCache(directory())->size(), 2u);
}

TEST_F(EngineCacheTest, OffKeepsNothing) {
  const std::shared_ptr<Engine> engine = engineOf({.cacheDirectory = "off"});
  EXPECT_EQ(engine->cacheDirectory(), "");
  moments(*engine);
  EXPECT_EQ(engine->stats().misses, 1u);
  EXPECT_TRUE(entries().empty());
  // What NoCache.cpp asked for.
  EXPECT_EQ((*Engine::create({.threads = 1}))->cacheDirectory(), "");
}

TEST_F(EngineCacheTest, WorksWhereNothingCanBeKept) {
  const std::vector<double> expected = moments(*engineOf({.cacheDirectory = "off"}));
  {
    io::test::FileSizeLimit limit(1000);
    EXPECT_EQ(moments(*engineOf()), expected);
    expectMessage("File too large");
  }
  EXPECT_TRUE(listKernelCache(directory())->empty());
  EXPECT_EQ(moments(*engineOf({.cacheDirectory = "/proc/norma"})), expected);
  expectMessage("/proc/norma");
  ASSERT_EQ(::chmod(directory().c_str(), 0777), 0);
  const std::shared_ptr<Engine> engine = engineOf();
  EXPECT_EQ(moments(*engine), expected);
  moments(*engine, 5);
  expectMessage("others may write it");
}

TEST_F(EngineCacheTest, MemoryHasABound) {
  const std::shared_ptr<Engine> engine = engineOf({.cachedKernels = 1});
  const std::vector<double> expected = moments(*engine, 13);
  std::vector<float> data(26);
  Expected<Kernel> handle =
      engine->momentsKernel(Tensor(data.data(), DType::F32, {2, 13}), Dims{1});
  ASSERT_TRUE(io::test::succeeded(handle));
  const std::string key = handle->info().key;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(moments(*engine, 13), expected);
    moments(*engine, 5);
    EXPECT_EQ(engine->kernels().size(), 1u);
  }
  EXPECT_EQ(handle->info().key, key);
  // Evicted kernels come back from the disk.
  EXPECT_EQ(engine->stats().misses, 2u);
  EXPECT_EQ(engine->stats().diskHits, 2u);
  EXPECT_EQ(engine->stats().memoryHits, 2u);
}

TEST_F(EngineCacheTest, FailuresAreCountedAndNotKept) {
  const std::shared_ptr<Engine> engine = engineOf();
  for (int i = 0; i < 2; ++i)
    EXPECT_FALSE(engine->compile("no program", {}));
  EXPECT_EQ(engine->stats().compiles, 2u);
  EXPECT_EQ(engine->stats().failures, 2u);
  ASSERT_TRUE(engine->compile(
      "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }", {}));
  EXPECT_EQ(engine->stats().compiles, 3u);
  EXPECT_EQ(engine->stats().failures, 2u);
  // Programs are not kept.
  EXPECT_FALSE(std::filesystem::exists(directory()));
}

TEST_F(EngineCacheTest, WhoWaitedTakesWhatTheOtherStored) {
  const std::shared_ptr<Engine> elsewhere = engineOf({.cacheDirectory = in("elsewhere")});
  const std::vector<double> expected = moments(*elsewhere);
  const std::string key = elsewhere->kernels().at(0).key;
  Expected<CacheDirectory> other = CacheDirectory::open(directory(), /*create=*/true);
  ASSERT_TRUE(io::test::succeeded(other));
  const std::shared_ptr<Engine> engine = engineOf();
  {
    // Another process has its turn, and stores the kernel before that ends.
    std::optional<io::Descriptor> turn(other->lock(key, 0));
    ASSERT_GE(turn->get(), 0);
    std::thread thread([&] { EXPECT_EQ(moments(*engine), expected); });
    std::filesystem::rename(in("elsewhere/" + CacheDirectory::nameOf(key)), fileOf(key));
    turn.reset();
    thread.join();
  }
  EXPECT_EQ(engine->stats().compiles, 0u);
  EXPECT_EQ(engine->stats().diskHits, 1u);
}

TEST_F(EngineCacheTest, TheEnvironmentNamesTheDirectory) {
  auto directoryWith = [](const char *own, const char *caches, const char *home) {
    for (auto [name, value] : {std::pair("NORMA_CACHE_DIR", own),
                               std::pair("XDG_CACHE_HOME", caches), std::pair("HOME", home)})
      value ? ::setenv(name, value, 1) : ::unsetenv(name);
    return *kernelCacheDirectory();
  };
  EXPECT_EQ(directoryWith("/own", "/caches", "/home/me"), "/own");
  EXPECT_EQ(directoryWith("off", "/caches", "/home/me"), "");
  EXPECT_EQ(directoryWith("", "/caches", "/home/me"), "/caches/norma");
  EXPECT_EQ(directoryWith(nullptr, "relative", "/home/me"), "/home/me/.cache/norma");
  EXPECT_EQ(directoryWith(nullptr, "", "/home/me/"), "/home/me/.cache/norma");
  EXPECT_EQ(directoryWith(nullptr, nullptr, "relative"), "");
  EXPECT_EQ(directoryWith(nullptr, nullptr, nullptr), "");
  EXPECT_EQ(directoryWith("/own", nullptr, nullptr), "/own");
  EXPECT_EQ(*kernelCacheDirectory("off"), "");
  EXPECT_EQ(*kernelCacheDirectory("/mine/./a/../b//"), "/mine/b");
  EXPECT_EQ(*kernelCacheDirectory("mine"), std::filesystem::current_path() / "mine");
  ::setenv("NORMA_CACHE_DIR", "off", 1);
}

TEST_F(EngineCacheTest, OptionsAreChecked) {
  EXPECT_TRUE(io::test::failsWith(Engine::create({.cacheDirectory = ""}),
                                  ErrorCode::InvalidArgument,
                                  {"cacheDirectory: '', expected a directory, or 'off'"}));
  EXPECT_TRUE(io::test::failsWith(Engine::create({.cachedKernels = 0}), ErrorCode::InvalidArgument,
                                  {"cachedKernels: 0, expected at least 1"}));
}

} // namespace
} // namespace norma::test
