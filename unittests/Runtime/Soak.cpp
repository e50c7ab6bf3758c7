//===- Soak.cpp - The runtime under load, for a long time -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads do jobs whose results are known, on engines that keep so few kernels that
// these are compiled, evicted and loaded again all the time, and that are replaced
// while others use them. No result may differ, and what the process holds (memory,
// mappings, files) may not grow once every job was seen.
//
//===----------------------------------------------------------------------===//

#include "RandomTensor.h"
#include "SoakJobs.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace norma;
using namespace norma::test;

namespace {

// Sanitizers keep freed memory, and notes on the rest.
#ifdef NORMA_IS_SANITIZED
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

struct Options {
  int threads = 8;
  double seconds = 600;
  uint64_t jobs = 300;
};

/// What the process holds.
struct Sample {
  double seconds = 0, mebibytes = 0;
  size_t mappings = 0, files = 0;
};

Sample takeSample(double seconds) {
  Sample sample;
  sample.seconds = seconds;
  uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  sample.mebibytes = double(resident) * double(::sysconf(_SC_PAGESIZE)) / (1 << 20);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    ++sample.mappings;
  for (const auto &file : std::filesystem::directory_iterator("/proc/self/fd"))
    sample.files += file.is_symlink();
  return sample;
}

/// Growth over the samples, by the line that fits them best.
template <typename Value>
double growthOf(const std::vector<Sample> &samples, Value value) {
  const double n = double(samples.size());
  double sumX = 0, sumY = 0, sumXX = 0, sumXY = 0;
  for (const Sample &sample : samples) {
    const double x = sample.seconds, y = double(value(sample));
    sumX += x;
    sumY += y;
    sumXX += x * x;
    sumXY += x * y;
  }
  const double slope = (n * sumXY - sumX * sumY) / (n * sumXX - sumX * sumX);
  return slope * (samples.back().seconds - samples.front().seconds);
}

/// Engines that differ in what they keep, each replaced from time to time.
class Engines {
public:
  Engines(std::string folder, int threads) : cache(std::move(folder)), threads(threads) {
    for (size_t i = 0; i < engines.size(); ++i)
      replace(i);
  }

  std::shared_ptr<Engine> pick(Random &random) {
    const size_t i = size_t(random.below(int64_t(engines.size())));
    if (random.chance(0.01))
      replace(i);
    std::lock_guard<std::mutex> lock(mutex);
    return engines[i];
  }

  EngineStats total() {
    std::lock_guard<std::mutex> lock(mutex);
    EngineStats sum = past;
    for (const auto &engine : engines)
      add(sum, engine->stats());
    return sum;
  }

  int replaced() const { return replacements; }

private:
  static void add(EngineStats &sum, const EngineStats &stats) {
    sum.memoryHits += stats.memoryHits;
    sum.diskHits += stats.diskHits;
    sum.compiles += stats.compiles;
  }

  void replace(size_t i) {
    EngineOptions options;
    options.threads = int(i) % 2 ? 1 : threads;
    // Few in memory, few on the disk; few in memory alone; all.
    options.cacheDirectory = i == 1 ? "off" : cache;
    options.cacheBytes = i == 0 ? uint64_t(512) << 10 : uint64_t(64) << 20;
    options.cachedKernels = i == 2 ? 1024 : 8;
    std::shared_ptr<Engine> engine = *Engine::create(options);
    std::lock_guard<std::mutex> lock(mutex);
    engines[i].swap(engine);
    if (engine) {
      add(past, engine->stats());
      ++replacements;
    }
  }

  const std::string cache;
  const int threads;
  std::mutex mutex;
  std::array<std::shared_ptr<Engine>, 3> engines;
  EngineStats past;
  std::atomic<int> replacements{0};
};

class Soak {
public:
  explicit Soak(const Options &options) : options(options) {
    std::string name = std::filesystem::temp_directory_path() / "norma-soak-XXXXXX";
    if (!::mkdtemp(name.data())) {
      fmt::print(stderr, "norma-soak: error: cannot create '{}'\n", name);
      std::exit(1);
    }
    folder = name;
  }
  ~Soak() { std::filesystem::remove_all(folder); }

  int run();

private:
  bool prepare();
  void work(uint64_t seed);
  void complain(const std::string &text);

  const Options options;
  std::string folder;
  std::vector<std::string> expected;
  std::unique_ptr<Engines> engines;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> jobsDone{0}, wrong{0};
  std::mutex output;
};

/// Does every job once, alone.
bool Soak::prepare() {
  const std::shared_ptr<Engine> engine = *Engine::create({.threads = 1, .cacheDirectory = "off"});
  for (uint64_t number = 0; number < options.jobs; ++number) {
    const SoakJob job{number};
    Expected<std::string> result = job.run(engine, folder, "expected");
    if (!result) {
      complain(fmt::format("job {}: {}: {}", number, job.describe(), result.error().message()));
      return false;
    }
    expected.push_back(std::move(*result));
  }
  return true;
}

void Soak::complain(const std::string &text) {
  std::lock_guard<std::mutex> lock(output);
  // The first ones tell; there may be very many.
  if (++wrong <= 10)
    fmt::print(stderr, "{}\n", text);
}

void Soak::work(uint64_t seed) {
  Random random(seed);
  while (!done) {
    const SoakJob job{uint64_t(random.below(int64_t(options.jobs)))};
    Expected<std::string> result = job.run(engines->pick(random), folder, std::to_string(seed));
    if (!result || *result != expected[job.number])
      complain(fmt::format("job {}: {}: {}", job.number, job.describe(),
                           result ? "another result" : result.error().message()));
    ++jobsDone;
  }
}

int Soak::run() {
  if (!prepare())
    return 1;
  engines = std::make_unique<Engines>(folder + "/cache", 2);
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i)
    threads.emplace_back([this, i] { work(uint64_t(i) + 1); });

  constexpr int kSamples = 30;
  fmt::print("{:>8} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>6}\n", "seconds", "jobs", "compiled",
             "from disk", "engines", "MiB", "mappings", "files");
  std::vector<Sample> samples;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 1; i <= kSamples; ++i) {
    const double seconds = options.seconds * i / kSamples;
    std::this_thread::sleep_until(start +
                                  std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                      std::chrono::duration<double>(seconds)));
    const Sample sample = takeSample(seconds);
    const EngineStats stats = engines->total();
    fmt::print("{:8.1f} {:9} {:9} {:9} {:8} {:9.1f} {:8} {:6}\n", seconds, jobsDone.load(),
               stats.compiles, stats.diskHits, engines->replaced(), sample.mebibytes,
               sample.mappings, sample.files);
    std::fflush(stdout);
    // Until then every job was seen, and every thread has its memory.
    if (i > kSamples / 3)
      samples.push_back(sample);
  }
  done = true;
  for (std::thread &thread : threads)
    thread.join();
  engines.reset();

  const double mebibytes = growthOf(samples, [](const Sample &s) { return s.mebibytes; }),
               mappings = growthOf(samples, [](const Sample &s) { return s.mappings; }),
               files = growthOf(samples, [](const Sample &s) { return s.files; });
  // Engines come and go with what they keep, so that a little up and down is no leak.
  const double allowed = std::max(16.0, 0.05 * samples.front().mebibytes);
  constexpr double kMappings = 1000, kFiles = 8;
  fmt::print("growth after the first third: {:.1f} MiB (at most {:.1f}), {:.0f} mappings, {:.1f} "
             "files\n{} of {} results wrong\n",
             mebibytes, allowed, mappings, files, wrong.load(), jobsDone.load());
  const bool flat =
      (kIsSanitized || mebibytes <= allowed) && mappings <= kMappings && files <= kFiles;
  fmt::print("{}\n", wrong ? "WRONG RESULTS" : flat ? "flat" : "GROWS");
  return wrong == 0 && flat ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Runs the runtime of norma under load and looks for wrong results and leaks");
  app.add_option("--seconds", options.seconds, "How long")->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "Threads that call")->check(CLI::PositiveNumber);
  app.add_option("--jobs", options.jobs, "Different jobs")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return Soak(options).run();
}
