//===- Adapt.cpp - norma adapt: statistics of data files ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "DataSource.h"
#include "Explain.h"
#include "Interrupt.h"
#include "OptionParsing.h"
#include "Text.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <chrono>
#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma adapt --data wine.npy -o wine.safetensors
      one mean and variance for every column (the last axis)
  norma adapt --data photo.npy --axis=none -o photo.safetensors
      one mean and one variance for all values
  norma adapt --data a.npy --data b.npy -o both.safetensors
      two files that are parts of one data set
  norma adapt --data c.npy --resume both.safetensors -o all.safetensors
      adds another part to statistics gathered before
  norma adapt --data x.npy --mask valid.npy --nan=omit -o x.safetensors
      leaves out what the mask has zeros for, and NaN)";

class AdaptCommand : public Command {
public:
  explicit AdaptCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  void checkUsage() const;
  Expected<void> checkOutput() const;
  Expected<void> openShards();
  Expected<Shard> openShard(size_t index);
  Expected<void> chooseAxis(int rank);
  NormalizationOptions stateOptions() const;
  Expected<Statistics> computeStatistics(Engine &engine);
  Expected<NormalizationState> makeState(Statistics statistics) const;
  void report(const NormalizationState &state, double seconds) const;

  std::vector<std::string> dataPaths, maskPaths, weightsPaths;
  std::string output;
  std::optional<std::string> resumePath;
  std::optional<Dims> axisOption;
  std::optional<int64_t> batchSize, steps;
  std::optional<NanPolicy> nan;
  std::optional<ZeroVariance> zeroVariance;

  std::optional<NormalizationState> resumed;
  std::vector<Shard> shards;
  /// The shapes as they stand in the files.
  std::vector<Dims> shapes;
  /// Kept axes as asked for, and canonical.
  Dims axis, kept;
  /// Steps that are left for the shards not opened yet.
  int64_t stepsLeft = INT64_MAX;
};

AdaptCommand::AdaptCommand(CLI::App &parent)
    : Command(parent, "adapt", "Learns the statistics of one or more .npy files", kExamples) {
  CLI::App &options = *app();
  addRepeatedOption(options, "--data", dataPaths,
                    "A .npy file; repeated: parts of one data set, cut along any reduced axis")
      ->required();
  options.add_option("-o,--output", output, "The state file to write (safetensors)")
      ->required()
      ->type_name("STATE");
  addParsedOption(options, "--axis", axisOption, parseOptional<Dims, parseAxis>,
                  "Axes with statistics of their own: -1 (the default, the last axis), several "
                  "with commas (1,2), or none")
      ->type_name("AXES");
  addParsedOption(options, "--batch-size", batchSize, parseOptional<int64_t, parsePositive>,
                  "Rows of axis 0 in a batch; without it, a whole file is a batch")
      ->type_name("N");
  addParsedOption(options, "--steps", steps, parseOptional<int64_t, parsePositive>,
                  "Stop after so many batches")
      ->type_name("N");
  addRepeatedOption(options, "--mask", maskPaths,
                    "A .npy file whose zeros leave values out; the n-th mask goes with the n-th "
                    "--data. Its shape is that of the data, where trailing axes may be missing "
                    "and extents may be 1");
  addRepeatedOption(options, "--weights", weightsPaths,
                    "A .npy file with a weight for every value or row, shaped like a mask");
  addParsedOption(options, "--nan", nan, parseOptional<NanPolicy, parseNan>,
                  "propagate (the default): a NaN makes the statistics of its feature NaN; omit: "
                  "it is left out")
      ->type_name("POLICY");
  addParsedOption(options, "--zero-variance", zeroVariance,
                  parseOptional<ZeroVariance, parseZeroVarianceOption>,
                  "What 'norma apply' does with constant features: clamp (the default) or unit")
      ->type_name("POLICY");
  options.add_option("--resume", resumePath, "A state file to add the new data to")
      ->type_name("STATE");
  addProgressOption();
  options.callback([this] { checkUsage(); });
}

void AdaptCommand::checkUsage() const {
  for (auto [name, paths] :
       {std::pair("--mask", &maskPaths), std::pair("--weights", &weightsPaths)})
    if (!paths->empty() && paths->size() != dataPaths.size())
      throw CLI::ValidationError(name,
                                 fmt::format("{} given for {}; expected one for each --data",
                                             formatCount(int64_t(paths->size()), "file"),
                                             formatCount(int64_t(dataPaths.size()), "data file")));
}

Expected<void> AdaptCommand::chooseAxis(int rank) {
  axis = axisOption.value_or(resumed ? resumed->options.axis : Dims{-1});
  Expected<Dims> canonical = canonicalAxes(axis, rank, "--axis");
  if (!canonical)
    return canonical.takeError().within(dataPaths.front());
  kept = *canonical;
  if (resumed && !(kept == resumed->axis))
    return invalidArgument(fmt::format("--axis={} keeps the axes {}, but the state {} keeps {}",
                                       formatAxis(axis), toString(kept), *resumePath,
                                       toString(resumed->axis)));
  if ((batchSize || steps) && !kept.empty() && kept[0] == 0)
    return invalidArgument(fmt::format("{}: batches are cut along axis 0, which --axis={} keeps",
                                       batchSize ? "--batch-size" : "--steps", formatAxis(axis)));
  return {};
}

Expected<Shard> AdaptCommand::openShard(size_t index) {
  const std::string &path = dataPaths[index];
  Expected<io::NpyReader> opened = io::NpyReader::open(path);
  if (!opened)
    return opened.takeError();
  auto reader = std::make_shared<io::NpyReader>(std::move(*opened));
  const io::NpyHeader &header = reader->header();
  const Dims &shape = header.shape;

  if (index == 0) {
    Expected<void> chosen = chooseAxis(shape.size());
    if (!chosen)
      return chosen.takeError();
  } else {
    const Dims &first = shapes.front();
    if (shape.size() != first.size())
      return invalidArgument(
          fmt::format("{} has shape {}, but {} has shape {}: all files of a data "
                      "set have the same rank",
                      path, toString(shape), dataPaths.front(), toString(first)));
    for (int64_t k : kept)
      if (shape[k] != first[k])
        return invalidArgument(
            fmt::format("axis {}, which is kept, has extent {} in {}, but {} in {}", k, shape[k],
                        path, first[k], dataPaths.front()));
  }
  if (resumed) {
    Expected<void> fits = checkInputShape(*resumed, shape, path);
    if (!fits)
      return fits.takeError().within(fmt::format("--resume {}", *resumePath));
  }

  // Rows of axis 0 that --steps leaves.
  int64_t rows = shape.empty() ? 1 : shape[0];
  int64_t limit = INT64_MAX;
  if (steps) {
    int64_t perBatch = batchSize.value_or(std::max<int64_t>(rows, 1));
    int64_t batches = rows / perBatch + (rows % perBatch != 0);
    limit = stepsLeft >= batches ? rows : stepsLeft * perBatch;
    stepsLeft -= std::min(stepsLeft, batches);
  }

  bool mirrored = isMirrored(header);
  Dims streamShape = mirrored ? mirrorShape(shape) : shape;
  Dims streamKept = mirrored ? mirrorAxes(kept, shape.size()) : kept;
  int64_t target = kPieceBytes / int64_t(sizeOf(header.dtype));
  Shard shard{path,
              header.dtype,
              streamShape,
              mirrored,
              PieceLayout(streamShape, streamKept, target, mirrored ? 1 : batchSize.value_or(1),
                          mirrored ? (limit == 0 ? 0 : INT64_MAX) : limit),
              [reader](uint64_t begin, void *buffer, size_t size) {
                return reader->read(begin, buffer, size);
              },
              std::nullopt,
              std::nullopt};
  if (mirrored)
    shard.lastAxisLimit = limit;
  for (auto [option, paths, companion] : {std::tuple("--mask", &maskPaths, &shard.mask),
                                          std::tuple("--weights", &weightsPaths, &shard.weights)}) {
    if (paths->empty())
      continue;
    Expected<Companion> file =
        Companion::open((*paths)[index], option, shape, mirrored, shard.layout);
    if (!file)
      return file.takeError();
    companion->emplace(std::move(*file));
  }
  shapes.push_back(shape);
  return shard;
}

Expected<void> AdaptCommand::openShards() {
  stepsLeft = steps.value_or(INT64_MAX);
  int64_t elements = 0;
  for (size_t i = 0; i < dataPaths.size(); ++i) {
    Expected<Shard> shard = openShard(i);
    if (!shard)
      return shard.takeError();
    elements += shard->layout.total();
    shards.push_back(std::move(*shard));
  }
  if (elements > 0)
    return {};
  if (dataPaths.size() == 1)
    return invalidArgument(fmt::format("the data set is empty: {} has shape {}", dataPaths.front(),
                                       toString(shapes.front())));
  return invalidArgument(
      fmt::format("the data set is empty: none of its {} files has elements", dataPaths.size()));
}

Expected<Statistics> AdaptCommand::computeStatistics(Engine &engine) {
  Statistics total = Statistics::zeros(keptShape(shapes.front(), kept));
  uint64_t bytes = 0;
  for (const Shard &shard : shards)
    bytes += shard.bytes();
  Progress progress(common.progress, "adapt", bytes);

  Expected<std::unique_ptr<DataSource>> source = DataSource::create(shards);
  if (!source)
    return source.takeError();
  NanPolicy policy = nan.value_or(resumed ? resumed->options.nan : NanPolicy::Propagate);
  // One shard at a time, so that its statistics can be turned back when its axes
  // are mirrored.
  std::optional<Statistics> current;
  size_t currentShard = 0;
  auto finishShard = [&]() -> Expected<void> {
    if (!current)
      return {};
    return mergeStatistics(total,
                           shards[currentShard].mirrored ? mirrorStatistics(*current) : *current);
  };
  while (true) {
    Expected<void> goOn = checkInterrupt();
    if (!goOn)
      return goOn.takeError();
    Expected<LoadedPiece *> next = (*source)->next();
    if (!next)
      return next.takeError();
    LoadedPiece *piece = *next;
    if (!piece || piece->shard != currentShard || !current) {
      Expected<void> finished = finishShard();
      if (!finished)
        return finished.takeError();
      if (!piece)
        break;
      currentShard = piece->shard;
      const Shard &shard = shards[currentShard];
      current = Statistics::zeros(
          keptShape(shard.shape, shard.mirrored ? mirrorAxes(kept, shard.shape.size()) : kept));
    }
    const Shard &shard = shards[currentShard];
    Dims axes = shard.mirrored ? mirrorAxes(kept, shard.shape.size()) : kept;
    Expected<Statistics> part =
        engine.moments(piece->data, axes, {policy, piece->mask, piece->weights});
    if (!part) {
      // The engine knows neither the file of the weights nor where the piece lies in it.
      if (shard.weights)
        if (Expected<void> ok = shard.weights->checkWeights(*piece->weights, piece->piece); !ok)
          return ok.takeError();
      return part.takeError().within(shard.path);
    }
    Expected<void> merged = mergeIntoRange(*current, piece->piece.statisticsBegin, *part);
    if (!merged)
      return merged.takeError().within(shard.path);
    progress.advance(uint64_t(piece->piece.size) * sizeOf(shard.dtype));
    (*source)->release(piece);
  }
  bool counted =
      std::any_of(total.count.begin(), total.count.end(), [](double count) { return count != 0; });
  if (!counted)
    return invalidArgument(
        "the data set is empty: mask, weights and --nan leave none of its values");
  return total;
}

NormalizationOptions AdaptCommand::stateOptions() const {
  NormalizationOptions options;
  options.axis = axis;
  options.nan = nan.value_or(NanPolicy::Propagate);
  options.zeroVariance = zeroVariance.value_or(ZeroVariance::Clamp);
  // f32 cannot hold the values of these types; f64 output only where the input is f64.
  bool wide = false, wideOutput = false;
  for (const Shard &shard : shards) {
    wide |= shard.dtype == DType::F64 || shard.dtype == DType::I32 || shard.dtype == DType::I64;
    wideOutput |= shard.dtype == DType::F64;
  }
  options.compute = wide ? DType::F64 : DType::F32;
  if (wide && !wideOutput)
    options.output = DType::F32;
  return options;
}

Expected<NormalizationState> AdaptCommand::makeState(Statistics statistics) const {
  Dims shape = shapes.front();
  for (const Dims &other : shapes)
    for (int i = 0; i < shape.size(); ++i)
      if (other[i] != shape[i])
        shape[i] = kUnknownExtent;
  Expected<NormalizationState> state = createNormalizationState(stateOptions(), shape);
  if (!state)
    return state;
  state->statistics = std::move(statistics);
  if (!resumed)
    return state;

  NormalizationState merged = *resumed;
  Expected<void> done = mergeNormalizationStates(merged, *state);
  if (!done)
    return done.takeError().within(fmt::format("--resume {}", *resumePath));
  if (zeroVariance)
    merged.options.zeroVariance = *zeroVariance;
  return merged;
}

void AdaptCommand::report(const NormalizationState &state, double seconds) const {
  uint64_t bytes = 0;
  for (const Shard &shard : shards)
    bytes += shard.bytes();
  const Statistics &statistics = state.statistics;
  if (dataPaths.size() == 1)
    fmt::print("{}: {} {}, axis {}\n", dataPaths.front(), toString(shards.front().dtype),
               toString(shapes.front()), formatAxis(state.options.axis));
  else
    fmt::print("{} files, axis {}\n", dataPaths.size(), formatAxis(state.options.axis));
  const auto [fewest, most] = std::minmax_element(statistics.count.begin(), statistics.count.end());
  // Masks and omitted NaNs leave features with counts of their own.
  fmt::print("{}, {} values each\n", formatCount(statistics.size(), "feature"),
             *fewest == *most ? fmt::format("{}", *most) : fmt::format("{} to {}", *fewest, *most));

  constexpr size_t shown = 10;
  std::vector<int64_t> constant = statistics.constantFeatures();
  if (constant.empty()) {
    fmt::print("no constant feature\n");
  } else {
    size_t count = std::min(constant.size(), shown);
    fmt::print("{}: {}{}\n", formatCount(int64_t(constant.size()), "constant feature"),
               fmt::join(constant.begin(), constant.begin() + int64_t(count), ", "),
               constant.size() > shown ? fmt::format(" and {} more", constant.size() - shown) : "");
  }
  fmt::print("{} in {}, {}\nwrote {}\n", formatBytes(double(bytes)), formatDuration(seconds),
             formatRate(double(bytes), seconds), output);
}

/// A state may replace the one it resumes, but not data.
Expected<void> AdaptCommand::checkOutput() const {
  for (auto [option, paths] : {std::pair("--data", &dataPaths), std::pair("--mask", &maskPaths),
                               std::pair("--weights", &weightsPaths)})
    for (const std::string &path : *paths)
      if (Expected<void> other = checkIsNoInput(output, path, option); !other)
        return other;
  return {};
}

Expected<void> AdaptCommand::run() {
  if (Expected<void> valid = checkOutput(); !valid)
    return valid;
  if (resumePath) {
    Expected<NormalizationState> state = readNormalizationState(*resumePath);
    if (!state)
      return state.takeError().within("--resume");
    resumed = std::move(*state);
    if (resumed->isGiven())
      return invalidArgument(fmt::format(
          "--resume {}: its mean and variance were given, not learned; expected a state that "
          "'norma adapt' wrote",
          *resumePath));
    if (nan && *nan != resumed->options.nan)
      return invalidArgument(fmt::format("--nan={} differs from the policy '{}' of the state {}",
                                         toString(*nan), toString(resumed->options.nan),
                                         *resumePath));
    if (!nan)
      nan = resumed->options.nan;
  }
  Expected<void> opened = openShards();
  if (!opened)
    return opened;
  Expected<std::shared_ptr<Engine>> engine = Engine::create(common.engine);
  if (!engine)
    return engine.takeError();

  auto start = std::chrono::steady_clock::now();
  Expected<Statistics> statistics = computeStatistics(**engine);
  if (!statistics)
    return statistics.takeError();
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;

  Expected<NormalizationState> state = makeState(std::move(*statistics));
  if (!state)
    return state.takeError();
  Expected<void> written = writeNormalizationState(output, *state);
  if (!written)
    return written;
  report(*state, elapsed.count());
  if (common.explain)
    explain(**engine, shapes.front(), kept);
  return {};
}

} // namespace

std::unique_ptr<Command> tool::createAdaptCommand(CLI::App &parent) {
  return std::make_unique<AdaptCommand>(parent);
}
