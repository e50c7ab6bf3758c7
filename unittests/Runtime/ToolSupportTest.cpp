//===- ToolSupportTest.cpp - Debuggers and profilers see kernels ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTest.h"

#include "Runtime/KernelSpec.h"
#include "norma/Runtime/Engine.h"

#include <dlfcn.h>
#include <set>
#include <unistd.h>

namespace norma::test {
namespace {

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

TEST(KernelNameTest, NamesSayWhatAKernelIs) {
  KernelSpec affine;
  affine.family = KernelFamily::Affine;
  affine.kinds = "RK";
  affine.extents = {kDynamic, 13};
  affine.center = affine.scale = affine.shift = true;
  EXPECT_EQ(symbolOf(affine), "norma_affine_RKx13_f32_to_f32_csb");
  affine.center = false;
  affine.compute = DType::F64;
  affine.layout = Layout::UnitInner;
  affine.streaming = true;
  EXPECT_EQ(symbolOf(affine), "norma_affine_RKx13_f32_to_f32_in_f64_sb_unit_inner_streaming");

  KernelSpec moments;
  moments.kinds = "RKR";
  moments.extents = {kDynamic, 64, kDynamic};
  moments.data = DType::U8;
  moments.nan = NanPolicy::Omit;
  moments.mask = DType::Bool;
  moments.maskRepeats = 5;
  moments.weights = DType::F32;
  EXPECT_EQ(symbolOf(moments), "norma_moments_RKRx64xn_u8_omit_nan_mask_bool_101_weights_f32");

  KernelSpec map;
  map.family = KernelFamily::GradMap;
  map.kinds = "R";
  map.extents = {kDynamic};
  map.dy = DType::BF16;
  map.layout = Layout::Strided;
  EXPECT_EQ(symbolOf(map), "norma_grad_map_R_f32_dy_bf16_to_f32_strided");
}

TEST(KernelNameTest, NamesAreIdentifiersThatNoTwoSpecsShare) {
  std::set<std::string> names, keys;
  KernelSpec spec;
  const auto add = [&] {
    const std::string name = symbolOf(spec);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzKR0123456789_"), std::string::npos)
        << name;
    names.insert(name);
    keys.insert(spec.key());
  };
  for (KernelFamily family : {KernelFamily::Moments, KernelFamily::Affine, KernelFamily::GradSums,
                              KernelFamily::GradMap}) {
    spec = {};
    spec.family = family;
    for (const char *kinds : {"RK", "KR"})
      for (int64_t inner : {kDynamic, int64_t(1), int64_t(11)})
        for (Layout layout :
             {Layout::Contiguous, Layout::DenseRows, Layout::UnitInner, Layout::Strided})
          for (DType dtype : {DType::F32, DType::I64})
            for (int bits = 0; bits < 64; ++bits) {
              spec.kinds = kinds;
              spec.extents = {kDynamic, inner};
              spec.layout = layout;
              spec.data = dtype;
              spec.center = spec.streaming = bits & 1;
              spec.scale = bits & 2;
              spec.shift = bits & 4;
              spec.out = bits & 2 ? DType::F16 : DType::F32;
              spec.compute = bits & 4 ? DType::F64 : DType::F32;
              spec.nan = bits & 1 ? NanPolicy::Omit : NanPolicy::Propagate;
              spec.interleaved =
                  bits & 16 && (family == KernelFamily::Affine || family == KernelFamily::GradMap);
              spec.ahead = (spec.interleaved || spec.streaming) && bits & 32;
              spec.dy = bits & 8 ? DType::BF16 : DType::F32;
              spec.mask = bits & 16 ? std::optional(DType::Bool) : std::nullopt;
              spec.weights = bits & 32 ? std::optional(DType::F32) : std::nullopt;
              spec.maskRepeats = spec.mask ? uint32_t(bits & 3) : 0;
              spec.weightsRepeats = spec.weights ? uint32_t(bits >> 2 & 3) : 0;
              add();
            }
  }
  EXPECT_EQ(names.size(), keys.size());
}

//===----------------------------------------------------------------------===//
// Tools
//===----------------------------------------------------------------------===//

class ToolSupportTest : public CacheTest {
protected:
  void SetUp() override {
    CacheTest::SetUp();
    ::unlink(map().c_str());
  }
  void TearDown() override {
    ::unlink(map().c_str());
    CacheTest::TearDown();
  }

  static std::string map() { return "/tmp/perf-" + std::to_string(::getpid()) + ".map"; }

  std::shared_ptr<Engine> engineOf(const std::optional<std::string> &tools,
                                   CompilePolicy policy = CompilePolicy::Optimized) {
    Expected<std::shared_ptr<Engine>> engine = Engine::create({.threads = 1,
                                                               .cacheDirectory = directory(),
                                                               .compilePolicy = policy,
                                                               .tools = tools,
                                                               .log = log()});
    EXPECT_TRUE(io::test::succeeded(engine));
    return engine ? *engine : nullptr;
  }

  static void runMoments(Engine &engine) {
    // Zeros would need a second kernel.
    std::vector<float> data(26, 1);
    EXPECT_TRUE(engine.moments(Tensor(data.data(), DType::F32, {2, 13}), Dims{1}));
  }

  /// The functions in the map of perf.
  static std::multiset<std::string> functionsInMap() {
    std::multiset<std::string> names;
    std::istringstream lines(slurp(map()));
    uint64_t address = 0, size = 0;
    std::string name;
    while (lines >> std::hex >> address >> size >> name) {
      EXPECT_GT(address, 0u);
      EXPECT_GT(size, 0u);
      names.insert(name);
    }
    EXPECT_TRUE(lines.eof());
    return names;
  }

  /// How many of the objects that a debugger is shown have `name` in them. What it looks
  /// at is fixed by gdb.
  static int objectsWith(const std::string &name) {
    struct Code {
      Code *next, *previous;
      const char *file;
      uint64_t bytes;
    };
    struct Descriptor {
      uint32_t version, action;
      Code *relevant, *first;
    };
    const auto *descriptor =
        static_cast<const Descriptor *>(::dlsym(RTLD_DEFAULT, "__jit_debug_descriptor"));
    int count = 0;
    for (const Code *code = descriptor ? descriptor->first : nullptr; code; code = code->next)
      count += std::string_view(code->file, code->bytes).find(name) != std::string_view::npos;
    return count;
  }
};

const std::string kName = "norma_moments_RKx13_f32";

TEST_F(ToolSupportTest, PerfHasAMap) {
  runMoments(*engineOf("perf"));
  EXPECT_EQ(functionsInMap(), std::multiset<std::string>{kName});
  struct stat status;
  ASSERT_EQ(::stat(map().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(messages.empty());
}

TEST_F(ToolSupportTest, PerfTellsTiersAndKernelsFromTheDiskApart) {
  const std::shared_ptr<Engine> engine = engineOf("perf", CompilePolicy::Tiered);
  runMoments(*engine);
  engine->finishCompiling();
  EXPECT_EQ(functionsInMap(), (std::multiset<std::string>{kName, kName + "_quick"}));
  // Engines add to the same map; what comes from the disk has its names, too.
  runMoments(*engineOf("perf"));
  EXPECT_EQ(functionsInMap().count(kName), 2u);
}

TEST_F(ToolSupportTest, AMapOfSomebodyElseIsLeftAlone) {
  spill(in("theirs"), "precious");
  ASSERT_EQ(::symlink(in("theirs").c_str(), map().c_str()), 0);
  const std::shared_ptr<Engine> engine = engineOf("perf", CompilePolicy::Tiered);
  runMoments(*engine);
  engine->finishCompiling();
  EXPECT_EQ(slurp(in("theirs")), "precious");
  expectMessage("perf will not know the names of kernels: '" + map() + "'");
}

TEST_F(ToolSupportTest, GdbSeesKernelsWhileTheyAreThere) {
  if (!::dlsym(RTLD_DEFAULT, "__jit_debug_descriptor"))
    GTEST_SKIP() << "LLVM is in this program, and hides its list for debuggers";
  std::shared_ptr<Engine> engine = engineOf("gdb");
  runMoments(*engine);
  EXPECT_EQ(objectsWith(kName), 1);
  EXPECT_FALSE(std::filesystem::exists(map()));
  engine.reset();
  EXPECT_EQ(objectsWith(kName), 0);
}

TEST_F(ToolSupportTest, NobodySeesKernelsUnasked) {
  const std::shared_ptr<Engine> engine = engineOf(std::nullopt);
  runMoments(*engine);
  EXPECT_FALSE(std::filesystem::exists(map()));
  EXPECT_EQ(objectsWith(kName), 0);
}

TEST_F(ToolSupportTest, TheEnvironmentNamesTools) {
  ::setenv("NORMA_TOOLS", "gdb,perf", 1);
  const std::shared_ptr<Engine> engine = engineOf(std::nullopt), none = engineOf("");
  ::setenv("NORMA_TOOLS", "vtune", 1);
  EXPECT_TRUE(io::test::failsWith(
      Engine::create(), ErrorCode::InvalidArgument,
      {"NORMA_TOOLS: 'vtune', expected 'perf', 'gdb', 'perf,gdb', or nothing"}));
  ::unsetenv("NORMA_TOOLS");
  EXPECT_TRUE(io::test::failsWith(Engine::create({.tools = "perf,"}), ErrorCode::InvalidArgument,
                                  {"tools: 'perf,'"}));
  runMoments(*none);
  EXPECT_FALSE(std::filesystem::exists(map()));
  runMoments(*engine);
  EXPECT_TRUE(std::filesystem::exists(map()));
}

} // namespace
} // namespace norma::test
