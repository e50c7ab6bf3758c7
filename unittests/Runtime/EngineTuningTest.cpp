//===- EngineTuningTest.cpp - Schedules found by measuring ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing here depends on how long anything takes: what a tuning stores is stored by hand.
//
//===----------------------------------------------------------------------===//

#include "EngineCacheTest.h"

#include "norma/Runtime/Tuning.h"

#include "Runtime/Cpu/Compiler.h"

#include <cmath>
#include <cstring>

namespace norma::test {
namespace {

constexpr const char *kMoments = "moments;RK[?x13];f32", *kOther =
                                                             "#norma.schedule<rows, vector = 4, "
                                                             "unroll = 1, group = 32, "
                                                             "accumulate = f32, block = 64>";

class EngineTuningTest : public EngineCacheTest {
protected:
  /// Stores what a tuning would; `key` is that of the kernel by the rules.
  void storeTuned(const std::string &key, const CodeOrigin &origin, const std::string &schedule) {
    CacheEntry entry;
    entry.key = tunedKeyOf(key);
    entry.origin = origin;
    entry.schedule = schedule;
    cacheOf(uint64_t(1) << 30).store(entry);
  }
  void storeTuned(const KernelInfo &kernel, const std::string &schedule) {
    Expected<CacheEntry> own = decodeCacheEntry(slurp(fileOf(kernel.key)));
    ASSERT_TRUE(io::test::succeeded(own));
    storeTuned(kernel.key, own->origin, schedule);
  }

  /// Tunes the kernel of moments() by hand, and returns what it was before.
  KernelInfo tuneByHand(const std::string &schedule = kOther) {
    const std::shared_ptr<Engine> engine = engineOf();
    moments(*engine);
    KernelInfo info = engine->kernels().at(0);
    storeTuned(info, schedule);
    return info;
  }

  static void expectClose(const std::vector<double> &values, const std::vector<double> &expected) {
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], expected[i], 1e-6 * std::abs(expected[i])) << i;
  }
};

TEST_F(EngineTuningTest, LaterEnginesUseWhatIsStored) {
  const std::vector<double> expected = moments(*engineOf({.cacheDirectory = "off"}));
  const KernelInfo before = tuneByHand();
  EXPECT_FALSE(before.tuned);
  for (KernelSource source : {KernelSource::Compiler, KernelSource::Disk}) {
    const std::shared_ptr<Engine> engine = engineOf();
    expectClose(moments(*engine), expected);
    const KernelInfo info = engine->kernels().at(0);
    EXPECT_TRUE(info.tuned);
    EXPECT_EQ(info.schedule, kOther);
    EXPECT_EQ(info.key, before.key + ";schedule=" + kOther);
    EXPECT_EQ(info.source, source);
  }
  EXPECT_TRUE(messages.empty()) << messages[0];
}

TEST_F(EngineTuningTest, TieredEnginesUseIt) {
  tuneByHand();
  const std::shared_ptr<Engine> engine = engineOf({.compilePolicy = CompilePolicy::Tiered});
  const std::vector<double> quick = moments(*engine);
  EXPECT_EQ(engine->kernels().at(0).schedule, kOther);
  engine->finishCompiling();
  EXPECT_EQ(moments(*engine), quick);
  const KernelInfo info = engine->kernels().at(0);
  EXPECT_TRUE(info.tuned);
  EXPECT_EQ(info.schedule, kOther);
  EXPECT_EQ(info.tier, KernelTier::Optimized);
}

TEST_F(EngineTuningTest, ListsShowIt) {
  const KernelInfo before = tuneByHand();
  Expected<std::vector<StoredKernel>> stored = listKernelCache(directory());
  ASSERT_TRUE(io::test::succeeded(stored));
  ASSERT_EQ(stored->size(), 2u);
  EXPECT_FALSE(stored->at(0).tuned);
  EXPECT_EQ(stored->at(0).schedule, before.schedule);
  EXPECT_TRUE(stored->at(1).tuned);
  EXPECT_EQ(stored->at(1).schedule, kOther);
  EXPECT_EQ(stored->at(1).key, before.key + ";tuned");
}

TEST_F(EngineTuningTest, DamagedEntriesAreAMiss) {
  const KernelInfo before = tuneByHand();
  const std::string file = fileOf(tunedKeyOf(before.key));
  std::string bytes = slurp(file);
  bytes.back() ^= 1;
  spill(file, bytes);
  const std::shared_ptr<Engine> engine = engineOf();
  moments(*engine);
  EXPECT_EQ(engine->kernels().at(0).key, before.key);
  expectMessage("checksum");
}

TEST_F(EngineTuningTest, EntriesOfOthersAreAMiss) {
  const KernelInfo before = tuneByHand();
  storeTuned(before.key, {"0.1.0+another", "22.1.0+another", "cpu", "target"}, kOther);
  const std::shared_ptr<Engine> engine = engineOf();
  moments(*engine);
  EXPECT_FALSE(engine->kernels().at(0).tuned);
  expectMessage("it holds the kernel");
}

TEST_F(EngineTuningTest, SchedulesThatTheKernelCannotHaveAreNotUsed) {
  for (const char *schedule :
       {"no schedule", "#norma.schedule<runs, vector = 8, unroll = 1, group = 32>",
        "#norma.schedule<flat, vector = 8, unroll = 1, group = 32, line = 8, accumulate = f32>"}) {
    const KernelInfo before = tuneByHand(schedule);
    const std::shared_ptr<Engine> engine = engineOf();
    moments(*engine);
    EXPECT_EQ(engine->kernels().at(0).key, before.key);
    EXPECT_FALSE(engine->kernels().at(0).tuned);
    expectMessage("schedule");
    EXPECT_TRUE(*engine->forgetTuning(kMoments));
  }
}

TEST_F(EngineTuningTest, ForgettingGoesBackToTheRules) {
  const KernelInfo before = tuneByHand();
  EXPECT_TRUE(*engineOf()->forgetTuning(kMoments));
  EXPECT_FALSE(*engineOf()->forgetTuning(kMoments));
  const std::shared_ptr<Engine> engine = engineOf();
  moments(*engine);
  EXPECT_EQ(engine->kernels().at(0).key, before.key);
  EXPECT_EQ(engine->kernels().at(0).source, KernelSource::Disk);
}

TEST_F(EngineTuningTest, TuningMeasures) {
  const std::shared_ptr<Engine> engine = engineOf();
  moments(*engine);
  const KernelInfo byRules = engine->kernels().at(0);
  size_t most = 0;
  Expected<TuningResult> result = engine->tune(kMoments, {.rows = {100, 300}, .seconds = 0.2},
                                               {.progress = [&](const TuningProgress &progress) {
                                                 EXPECT_GE(progress.tried, most);
                                                 most = progress.tried;
                                                 return true;
                                               }});
  ASSERT_TRUE(io::test::succeeded(result));
  EXPECT_EQ(result->spec, "moments;RK[?x13];f32;contiguous;nan=propagate");
  ASSERT_EQ(result->sizes.size(), 2u);
  EXPECT_EQ(result->sizes[1].rows, 300);
  EXPECT_EQ(result->sizes[1].bytes, 300 * 13 * 4);
  EXPECT_GT(result->sizes[1].seconds, 0);
  EXPECT_EQ(result->tried.at(0).schedule, byRules.schedule);
  EXPECT_EQ(result->tried.at(0).ratios, (std::vector<double>{1, 1}));
  for (const TriedSchedule &tried : result->tried)
    EXPECT_EQ(tried.ratios.size(), 2u) << tried.schedule;
  EXPECT_EQ(result->confirmations.size(), result->best > 0 ? 2u : 0u);
  EXPECT_EQ(result->file.empty(), !result->faster);
  // A later engine has what was found.
  const std::shared_ptr<Engine> later = engineOf();
  moments(*later);
  EXPECT_EQ(later->kernels().at(0).tuned, result->faster);
  EXPECT_EQ(later->kernels().at(0).schedule,
            result->tried[result->faster ? result->best : 0].schedule);
}

TEST_F(EngineTuningTest, MeasuresEveryFamilyAndStoresNothingWithoutBeingAsked) {
  const std::shared_ptr<Engine> engine = engineOf({.cacheDirectory = "off"});
  for (const char *spec : {"affine;RK[?x5];u8;coefficients=cs", "affine;KR[?x40];f32;coefficients=",
                           "grad_map;RKR[?x3x49];bf16", "grad_sums;RK[?x30];f32",
                           "moments;KRK[?x9x7];bool;nan=omit", "moments;R[?];i64"}) {
    Expected<TuningResult> result =
        engine->tune(spec, {.rows = {64}, .seconds = 0.01, .store = false}, {});
    ASSERT_TRUE(io::test::succeeded(result)) << spec;
    EXPECT_GE(result->tried.size(), 1u);
    EXPECT_EQ(result->file, "");
  }
  EXPECT_FALSE(std::filesystem::exists(directory()));
}

TEST_F(EngineTuningTest, ChoosesSizes) {
  const std::shared_ptr<Engine> engine = engineOf();
  Expected<TuningResult> result =
      engine->tune("affine;RK[?x16];f32;coefficients=cs", {.seconds = 1e-6, .store = false}, {});
  ASSERT_TRUE(io::test::succeeded(result));
  EXPECT_GE(result->sizes.size(), 1u);
  EXPECT_LE(result->sizes.size(), 3u);
  EXPECT_TRUE(result->ranOutOfTime);
  for (size_t i = 1; i < result->sizes.size(); ++i)
    EXPECT_GT(result->sizes[i].rows, result->sizes[i - 1].rows);
}

TEST_F(EngineTuningTest, CanBeStopped) {
  const KernelInfo before = tuneByHand();
  const std::shared_ptr<Engine> engine = engineOf();
  std::stop_source stop;
  stop.request_stop();
  for (const TuningWatch &watch :
       {TuningWatch{.stop = stop.get_token()},
        TuningWatch{.progress = [](const TuningProgress &) { return false; }}})
    EXPECT_TRUE(io::test::failsWith(engine->tune(kMoments, {.rows = {64}}, watch),
                                    ErrorCode::Cancelled, {"stopped"}));
  // What was stored is as it was.
  moments(*engine);
  EXPECT_EQ(engine->kernels().at(0).schedule, kOther);
}

TEST_F(EngineTuningTest, SaysWhatCannotBeTuned) {
  const std::shared_ptr<Engine> engine = engineOf();
  const auto refuses = [&](const char *spec, ErrorCode code,
                           std::initializer_list<std::string_view> parts,
                           const TuningOptions &options = {.rows = {64}}) {
    EXPECT_TRUE(io::test::failsWith(engine->tune(spec, options, {}), code, parts)) << spec;
  };
  constexpr ErrorCode kNot = ErrorCode::Unsupported, kBad = ErrorCode::InvalidArgument;
  refuses("moments;RK[?x13];f32;mask=u8", kNot, {"mask: cannot be tuned, expected neither mask"});
  refuses("moments;RK[?x13];f32;weights=f32", kNot, {"weights: cannot be tuned"});
  refuses("moments;RK[?x13];f32;exact", kNot, {"exact: cannot be tuned"});
  refuses("affine;RKR[?x8x64];f32;coefficients=cs;interleaved;dense-rows", kNot, {"dense-rows"});
  refuses("affine;RKR[?x8x64];f32;coefficients=cs;interleaved", kNot, {"interleaved: cannot"});
  refuses("moments;RK[?x13];f32;unit-inner", kNot, {"unit-inner: cannot be tuned, expected"});
  refuses("moments;RK[?x13];f32;strided", kNot, {"strided: cannot be tuned"});
  refuses("moments;RK[?x?];f32", kNot, {"axis form: cannot be tuned, expected '?'"});
  refuses("moments;RK[?x1];f32", kNot, {"no call on this machine", "2 at least"}, {});
  refuses("nothing", kBad, {"kernel spec: text"});
  refuses(kMoments, kBad, {"rows: 1, expected at least 2"}, {.rows = {1}});
  refuses(
      "affine;RK[?x13];f32;coefficients=cs;streaming", kBad,
      {"rows: 64, for which a call runs the kernel affine;RK[?x13];f32;contiguous", "streaming"});
  refuses(kMoments, ErrorCode::ResourceExhausted, {"rows: 1000000000000", "memory"},
          {.rows = {1000000000000}});
  refuses(kMoments, kBad, {"seconds: 0, expected more than 0"}, {.seconds = 0});
  const std::shared_ptr<Engine> uncached = engineOf({.cacheDirectory = "off"});
  EXPECT_TRUE(io::test::failsWith(uncached->tune(kMoments, {.rows = {64}}, {}), kBad,
                                  {"cacheDirectory: off, expected a directory"}));
  EXPECT_TRUE(io::test::failsWith(uncached->forgetTuning(kMoments), kBad, {"cacheDirectory: off"}));
  EXPECT_TRUE(
      io::test::failsWith(engine->forgetTuning("moments;RK[?x13];f32;exact"), kNot, {"exact"}));
}

TEST_F(EngineTuningTest, SaysWhereNothingCanBeKept) {
  ASSERT_TRUE(std::filesystem::create_directory(directory()));
  ASSERT_EQ(::chmod(directory().c_str(), 0777), 0);
  const std::shared_ptr<Engine> engine = engineOf();
  Expected<TuningResult> result = engine->tune(kMoments, {.rows = {64}, .seconds = 0.01}, {});
  if (result)
    EXPECT_FALSE(result->faster);
  else
    EXPECT_TRUE(io::test::failsWith(result, ErrorCode::IOError, {"does not keep what was found"}));
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// One call of an engine and its result, as bytes of a map and as numbers of a reduction.
struct Call {
  const char *name;
  KernelFamily family;
  DType data, out;
  Dims shape;
  /// The kept axis.
  int64_t kept = 1;
};

std::ostream &operator<<(std::ostream &stream, const Call &call) { return stream << call.name; }

class TunedResults : public EngineTuningTest, public testing::WithParamInterface<Call> {
protected:
  void SetUp() override {
    EngineTuningTest::SetUp();
    x = filled(call.data, 0);
    dy = filled(call.out, 1);
    for (int64_t k = 0; k < call.shape[call.kept]; ++k) {
      coefficients[0].push_back(double(k % 7) / 8);
      coefficients[1].push_back(1 + double(k % 5) / 16);
      coefficients[2].push_back(double(k % 3) - 1);
      coefficients[3].push_back(0.75 - double(k % 11) / 32);
    }
  }

  Array filled(DType dtype, int64_t seed) const {
    Expected<Array> array = Array::create(dtype, call.shape);
    EXPECT_TRUE(io::test::succeeded(array));
    auto *bytes = static_cast<char *>(array->view().data);
    for (int64_t i = 0; i < array->view().size(); ++i) {
      const int64_t number = (i * 37 + seed * 11) % 101;
      if (isFloat(dtype))
        storeFromDouble(double(number) / 16 - 3, bytes + i * int64_t(sizeOf(dtype)), dtype);
      else
        bytes[i] = char(number);
    }
    return std::move(*array);
  }

  /// The numbers of a reduction, or the bytes of a map.
  std::vector<double> run(Engine &engine) {
    const Dims kept{call.kept};
    const auto &[center, slope, offset, scale] = coefficients;
    const Dims shape{call.shape[call.kept]};
    std::vector<double> numbers;
    Expected<Array> result = Array::create(call.out, call.shape);
    Expected<void> ok;
    switch (call.family) {
    case KernelFamily::Moments: {
      Expected<Statistics> all = engine.moments(x.view(), kept);
      EXPECT_TRUE(io::test::succeeded(all));
      for (const auto &values : {all->count, all->mean, all->m2})
        numbers.insert(numbers.end(), values.begin(), values.end());
      return numbers;
    }
    case KernelFamily::GradSums: {
      Expected<GradientSums> all = engine.gradientSums(x.view(), dy.view(), kept, center);
      EXPECT_TRUE(io::test::succeeded(all));
      numbers.insert(numbers.end(), all->sum.begin(), all->sum.end());
      numbers.insert(numbers.end(), all->dot.begin(), all->dot.end());
      return numbers;
    }
    case KernelFamily::Affine:
      ok =
          engine.affine(x.view(), kept, {shape, center, scale, offset}, DType::F32, result->view());
      break;
    case KernelFamily::GradMap:
      ok = engine.gradientMap(x.view(), dy.view(), kept, {shape, center, slope, offset, scale},
                              DType::F32, result->view());
      break;
    }
    EXPECT_TRUE(io::test::succeeded(ok));
    const auto *bytes = static_cast<const uint8_t *>(result->view().data);
    numbers.assign(bytes, bytes + result->view().size() * int64_t(sizeOf(call.out)));
    return numbers;
  }

  const Call call = GetParam();
  Array x, dy;
  std::array<std::vector<double>, 4> coefficients;
};

TEST_P(TunedResults, AreThoseOfTheRules) {
  // One kernel in memory: another one makes the engine look at the disk again.
  const std::shared_ptr<Engine> engine = engineOf({.cachedKernels = 1});
  const std::vector<double> expected = run(*engine);
  const KernelInfo byRules = engine->kernels().at(0);
  const size_t end = byRules.key.find(";cpu=");
  Expected<KernelSpec> spec = parseKernelSpec(byRules.key.substr(0, end));
  ASSERT_TRUE(io::test::succeeded(spec));
  auto target = createCpuTarget("");
  ASSERT_TRUE(target);
  auto alternatives = Compiler(*target).schedulesBeside(*spec, byRules.schedule);
  ASSERT_TRUE(io::test::succeeded(alternatives));
  for (const ScheduleAlternatives &each : *alternatives)
    for (const std::string &schedule : each.schedules) {
      storeTuned(byRules, schedule);
      moments(*engine, 5);
      const std::vector<double> results = run(*engine);
      ASSERT_EQ(engine->kernels().at(0).schedule, schedule);
      if (isMap(call.family)) {
        EXPECT_TRUE(results == expected) << schedule;
        continue;
      }
      ASSERT_EQ(results.size(), expected.size());
      for (size_t i = 0; i < results.size(); ++i)
        ASSERT_NEAR(results[i], expected[i], 1e-6 * (std::abs(expected[i]) + 1)) << schedule;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Calls, TunedResults,
    testing::Values(
        Call{"Table", KernelFamily::Affine, DType::F32, DType::F32, {317, 13}},
        Call{"LargeTable", KernelFamily::Affine, DType::F32, DType::F32, {100003, 13}},
        Call{"WideTable", KernelFamily::Affine, DType::U8, DType::F32, {35, 1000}},
        Call{"LargeWideTable", KernelFamily::Affine, DType::F32, DType::BF16, {401, 4097}},
        Call{"Images", KernelFamily::Affine, DType::BF16, DType::BF16, {5, 24, 49}},
        Call{"LargeImages", KernelFamily::Affine, DType::F32, DType::F32, {131, 48, 49}},
        Call{"Channels", KernelFamily::Affine, DType::F32, DType::F32, {96, 100}, 0},
        Call{"GradientOfTable", KernelFamily::GradMap, DType::F32, DType::F32, {317, 30}},
        Call{"GradientOfLargeImages", KernelFamily::GradMap, DType::F32, DType::F32, {60, 24, 196}},
        Call{"MomentsOfTable", KernelFamily::Moments, DType::F32, DType::F32, {1317, 13}},
        Call{"MomentsOfWideTable", KernelFamily::Moments, DType::F64, DType::F32, {87, 1000}},
        Call{"MomentsOfImages", KernelFamily::Moments, DType::U8, DType::F32, {9, 24, 49}},
        Call{"MomentsOfChannels", KernelFamily::Moments, DType::F32, DType::F32, {96, 1000}, 0},
        Call{"MomentsOfManyChannels", KernelFamily::Moments, DType::F16, DType::F32, {99, 500}, 0},
        Call{"MomentsOfLongRuns", KernelFamily::Moments, DType::F32, DType::F32, {3, 5, 3141}},
        Call{"SumsOfLongRuns", KernelFamily::GradSums, DType::F32, DType::F32, {3, 5, 2500}},
        Call{"SumsOfTable", KernelFamily::GradSums, DType::F32, DType::F32, {1317, 30}},
        Call{"SumsOfImages", KernelFamily::GradSums, DType::F16, DType::F16, {9, 24, 196}}),
    [](const auto &call) { return std::string(call.param.name); });

} // namespace
} // namespace norma::test
