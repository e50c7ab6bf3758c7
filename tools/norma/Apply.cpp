//===- Apply.cpp - norma apply: normalizes a data file --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "DataSink.h"
#include "DataSource.h"
#include "Explain.h"
#include "Interrupt.h"
#include "OptionParsing.h"
#include "Text.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma apply --state wine.safetensors --data wine.npy -o normalized.npy
  norma apply --state wine.safetensors --data normalized.npy --invert -o wine2.npy
      back to the original values
  norma apply --state photo.safetensors --data photo.npy --dtype=f16 -o photo16.npy
  norma apply --mean 0.5 --variance 0.08 --axis=none --data x.npy -o y.npy
      statistics that are known; several numbers have commas between them, and
      arrays come from .npy files
  norma apply --state wine.safetensors --data wine.npy --in-place
      overwrites the values of a f32 or f64 file; a run that is killed leaves it
      half normalized)";

/// The layers that normalize pieces of a tensor. Pieces that have all features
/// share one layer, others get a layer with their range of the statistics.
class PieceLayers {
public:
  PieceLayers(std::shared_ptr<Engine> engine, NormalizationState whole)
      : engine(std::move(engine)), whole(std::move(whole)) {}

  Expected<const Normalization *> get(const Piece &piece) {
    if (layer && piece.statisticsBegin == begin && piece.statisticsSize == size)
      return &*layer;
    Dims shape = keptShape(piece.shape, whole.axis);
    NormalizationState state = whole;
    state.shape = piece.shape;
    state.statistics = sliceStatistics(whole.statistics, piece.statisticsBegin, shape);
    if (state.isGiven()) {
      std::vector<double> variance;
      variance.reserve(state.statistics.size());
      for (int64_t i = 0; i < state.statistics.size(); ++i)
        variance.push_back(state.statistics.variance(i));
      state.options.mean = {shape, state.statistics.mean};
      state.options.variance = {shape, std::move(variance)};
    }
    Expected<Normalization> made = Normalization::fromState(engine, state);
    if (!made)
      return made.takeError();
    layer.emplace(std::move(*made));
    begin = piece.statisticsBegin;
    size = piece.statisticsSize;
    return &*layer;
  }

private:
  std::shared_ptr<Engine> engine;
  NormalizationState whole;
  std::optional<Normalization> layer;
  int64_t begin = 0, size = 0;
};

class ApplyCommand : public Command {
public:
  explicit ApplyCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  void checkUsage() const;
  Expected<void> checkOutput() const;
  Expected<void> openInput();
  Expected<NormalizationState> loadState() const;
  Expected<void> stream(std::shared_ptr<Engine> engine, const NormalizationState &state,
                        DType outputDType, const DataSink::Write &write);

  std::string dataPath;
  std::optional<std::string> statePath, meanText, varianceText, output;
  std::optional<Dims> axis;
  std::optional<DType> dtype, compute;
  std::optional<ZeroVariance> zeroVariance;
  bool invert = false, inPlace = false;

  io::NpyHeader header;
  /// The open file: one of them.
  std::shared_ptr<io::NpyReader> reader;
  std::shared_ptr<io::NpyEditor> editor;
};

ApplyCommand::ApplyCommand(CLI::App &parent)
    : Command(parent, "apply", "Normalizes a .npy file with statistics learned before or given",
              kExamples) {
  CLI::App &options = *app();
  CLI::Option *state =
      options.add_option("--state", statePath, "The state file that 'norma adapt' wrote")
          ->type_name("STATE");
  options.add_option("--data", dataPath, "The .npy file to normalize")
      ->required()
      ->type_name("FILE");
  CLI::Option *out =
      options
          .add_option("-o,--output", output, "The .npy file to write, in the order of the input")
          ->type_name("FILE");
  CLI::Option *place =
      options.add_flag("--in-place", inPlace, "Overwrite the values of the data file (f32 or f64)")
          ->excludes(out);
  options.add_flag("--invert", invert, "Undo a normalization: y = mean + x * std");
  addParsedOption(options, "--dtype", dtype, parseOptional<DType, parseOutputDType>,
                  "Type of the output: f32, f64, f16 or bf16; default: what the state says")
      ->type_name("TYPE")
      ->excludes(place);
  addParsedOption(options, "--compute", compute, parseOptional<DType, parseComputeDType>,
                  "Type to compute in: f32 or f64; default: what the state says")
      ->type_name("TYPE");
  addParsedOption(options, "--zero-variance", zeroVariance,
                  parseOptional<ZeroVariance, parseZeroVarianceOption>,
                  "What a constant feature is divided by: clamp (a tiny number, as Keras) or unit "
                  "(one, as scikit-learn)")
      ->type_name("POLICY");
  options
      .add_option("--mean", meanText,
                  "Instead of --state: a number, several with commas, or a .npy file")
      ->type_name("VALUES")
      ->excludes(state);
  options.add_option("--variance", varianceText, "As --mean; both are given, or neither")
      ->type_name("VALUES")
      ->excludes(state);
  addParsedOption(options, "--axis", axis, parseOptional<Dims, parseAxis>,
                  "With --mean and --variance: the axes they belong to, -1 (the default), several "
                  "with commas (1,2), or none")
      ->type_name("AXES")
      ->excludes(state);
  addProgressOption();
  options.callback([this] { checkUsage(); });
}

void ApplyCommand::checkUsage() const {
  if (meanText.has_value() != varianceText.has_value())
    throw CLI::ValidationError(meanText ? "--mean" : "--variance",
                               fmt::format("given without {}; expected both, or neither",
                                           meanText ? "--variance" : "--mean"));
  if (!statePath && !meanText)
    throw CLI::ValidationError("--state", "missing; expected --state, or --mean and --variance");
  if (!output && !inPlace)
    throw CLI::ValidationError("--output", "missing; expected -o FILE, or --in-place");
}

Expected<void> ApplyCommand::openInput() {
  if (!inPlace) {
    Expected<io::NpyReader> opened = io::NpyReader::open(dataPath);
    if (!opened)
      return opened.takeError();
    reader = std::make_shared<io::NpyReader>(std::move(*opened));
    header = reader->header();
    return {};
  }
  Expected<io::NpyEditor> opened = io::NpyEditor::open(dataPath);
  if (!opened)
    return opened.takeError();
  editor = std::make_shared<io::NpyEditor>(std::move(*opened));
  header = editor->header();
  if (header.dtype != DType::F32 && header.dtype != DType::F64)
    return invalidArgument(fmt::format("--in-place: {} holds {}; expected f32 or f64", dataPath,
                                       toString(header.dtype)));
  return {};
}

Expected<NormalizationState> ApplyCommand::loadState() const {
  Expected<NormalizationState> state = [&]() -> Expected<NormalizationState> {
    if (statePath)
      return readNormalizationState(*statePath);
    NormalizationOptions options;
    if (axis)
      options.axis = *axis;
    Expected<GivenStatistic> mean = readGivenStatistic(*meanText, "--mean");
    if (!mean)
      return mean.takeError();
    Expected<GivenStatistic> variance = readGivenStatistic(*varianceText, "--variance");
    if (!variance)
      return variance.takeError();
    options.mean = std::move(*mean);
    options.variance = std::move(*variance);
    if (header.dtype == DType::F64)
      options.compute = DType::F64;
    return createNormalizationState(options, header.shape);
  }();
  if (!state)
    return state;
  Expected<void> fits = checkInputShape(*state, header.shape, dataPath);
  if (!fits)
    return statePath ? fits.takeError().within(fmt::format("--state {}", *statePath))
                     : fits.takeError();
  if (invert)
    state->options.invert = true;
  if (compute)
    state->options.compute = *compute;
  else if (inPlace && header.dtype == DType::F64)
    state->options.compute = DType::F64;
  if (zeroVariance)
    state->options.zeroVariance = *zeroVariance;
  if (inPlace)
    state->options.output = header.dtype;
  else if (dtype)
    state->options.output = *dtype;
  return state;
}

Expected<void> ApplyCommand::stream(std::shared_ptr<Engine> engine, const NormalizationState &state,
                                    DType outputDType, const DataSink::Write &write) {
  bool mirrored = isMirrored(header);
  NormalizationState streamed = state;
  if (mirrored) {
    streamed.shape = mirrorShape(state.shape);
    streamed.axis = mirrorAxes(state.axis, state.shape.size());
    streamed.statistics = mirrorStatistics(state.statistics);
  }
  streamed.options.axis = streamed.axis;

  size_t largestElement = std::max(sizeOf(header.dtype), sizeOf(outputDType));
  Dims shape = mirrored ? mirrorShape(header.shape) : header.shape;
  std::vector<Shard> shards;
  shards.push_back({dataPath, header.dtype, shape, mirrored,
                    PieceLayout(shape, streamed.axis, kPieceBytes / int64_t(largestElement)),
                    [this](uint64_t begin, void *buffer, size_t size) {
                      return editor ? editor->read(begin, buffer, size)
                                    : reader->read(begin, buffer, size);
                    },
                    std::nullopt, std::nullopt});
  const Shard &shard = shards.front();
  if (shard.layout.count() == 0)
    return {};

  size_t outputElement = sizeOf(outputDType);
  Progress progress(common.progress, "apply", shard.bytes());
  Expected<std::unique_ptr<DataSource>> source = DataSource::create(shards);
  if (!source)
    return source.takeError();
  Expected<std::unique_ptr<DataSink>> sink =
      DataSink::create(size_t(shard.layout.largest()) * outputElement, write);
  if (!sink)
    return sink.takeError();
  PieceLayers layers(std::move(engine), std::move(streamed));
  while (true) {
    // A file that is changed in place is finished; only a second signal stops that.
    Expected<void> goOn = inPlace ? Expected<void>() : checkInterrupt();
    if (!goOn)
      return goOn;
    Expected<LoadedPiece *> next = (*source)->next();
    if (!next)
      return next.takeError();
    if (!*next)
      break;
    LoadedPiece &loaded = **next;
    Expected<const Normalization *> layer = layers.get(loaded.piece);
    if (!layer)
      return layer.takeError();
    Expected<void *> memory = (*sink)->acquire();
    if (!memory)
      return memory.takeError();
    Expected<void> applied =
        (*layer)->apply(loaded.data, Tensor(*memory, outputDType, loaded.piece.shape));
    if (!applied)
      return applied.takeError().within(dataPath);
    (*sink)->submit(uint64_t(loaded.piece.begin) * outputElement,
                    size_t(loaded.piece.size) * outputElement);
    progress.advance(uint64_t(loaded.piece.size) * sizeOf(header.dtype));
    (*source)->release(&loaded);
  }
  return (*sink)->finish();
}

/// The output may replace the data, whole and at once, but not the statistics.
Expected<void> ApplyCommand::checkOutput() const {
  for (auto [option, path] : {std::pair("--state", &statePath), std::pair("--mean", &meanText),
                              std::pair("--variance", &varianceText)})
    if (output && *path)
      if (Expected<void> other = checkIsNoInput(*output, **path, option); !other)
        return other;
  return {};
}

Expected<void> ApplyCommand::run() {
  if (Expected<void> valid = checkOutput(); !valid)
    return valid;
  Expected<void> opened = openInput();
  if (!opened)
    return opened;
  Expected<NormalizationState> state = loadState();
  if (!state)
    return state.takeError();
  Expected<std::shared_ptr<Engine>> engine = Engine::create(common.engine);
  if (!engine)
    return engine.takeError();
  DType outputDType = state->options.output.value_or(state->options.compute);

  if (inPlace) {
    Expected<void> done =
        stream(*engine, *state, outputDType, [this](uint64_t begin, const void *data, size_t size) {
          return editor->write(begin, data, size);
        });
    if (!done)
      return done;
    done = editor->sync();
    if (!done)
      return done;
  } else {
    Expected<io::NpyWriter> writer =
        io::NpyWriter::create(*output, outputDType, header.shape, isMirrored(header));
    if (!writer)
      return writer.takeError();
    Expected<void> done =
        stream(*engine, *state, outputDType,
               [&](uint64_t, const void *data, size_t size) { return writer->append(data, size); });
    if (!done)
      return done;
    done = writer->commit();
    if (!done)
      return done;
  }
  if (common.explain)
    explain(**engine, header.shape, state->axis);
  return {};
}

} // namespace

std::unique_ptr<Command> tool::createApplyCommand(CLI::App &parent) {
  return std::make_unique<ApplyCommand>(parent);
}
