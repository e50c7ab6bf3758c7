//===- BatchNormPeers.cpp - What other systems returned -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormPeers.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <limits>

namespace norma::test {

namespace {

using Json = nlohmann::json;

//===----------------------------------------------------------------------===//
// Reading. Exceptions of the JSON library end in readFile().
//===----------------------------------------------------------------------===//

Dims readDims(const Json &json) {
  const std::vector<int64_t> values = json;
  return Dims(std::span<const int64_t>(values));
}

/// null is how NaN is written.
std::vector<double> readNumbers(const Json &json) {
  std::vector<double> result;
  for (const Json &value : json)
    result.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                     : value.get<double>());
  return result;
}

Numbers readNumbersByName(const Json &json) {
  Numbers result;
  for (const auto &[name, value] : json.items())
    if (name != "weights" || value.is_array())
      result[name] = value.is_array() ? readNumbers(value) : std::vector{value.get<double>()};
  return result;
}

BatchNormalizationOptions readPreset(const std::string &name) {
  if (name == "kerasV1")
    return BatchNormalizationOptions::kerasV1();
  if (name == "kerasV2")
    return BatchNormalizationOptions::kerasV2();
  if (name == "keras3")
    return BatchNormalizationOptions::keras3();
  if (name == "pytorch")
    return BatchNormalizationOptions::pytorch();
  if (name == "onnx")
    return BatchNormalizationOptions::onnx();
  throw std::runtime_error("unknown preset " + name);
}

Regularizer readRegularizer(const Json &json) { return {.l1 = json.at("l1"), .l2 = json.at("l2")}; }

Constraint readConstraint(const Json &json) {
  const std::string kind = json.at("kind");
  if (kind == "non_neg")
    return Constraint::nonNeg();
  if (kind == "unit_norm")
    return Constraint::unitNorm();
  if (kind == "max_norm")
    return Constraint::maxNorm(json.at("maximum"));
  if (kind == "min_max_norm")
    return Constraint::minMaxNorm(json.at("minimum"), json.at("maximum"), json.at("rate"));
  throw std::runtime_error("unknown constraint " + kind);
}

void readOption(BatchNormalizationOptions &options, const std::string &key, const Json &value) {
  if (key == "axis")
    options.axis = readDims(value);
  else if (key == "momentum")
    options.momentum = value.is_null() ? std::nullopt : std::optional<double>(value);
  else if (key == "epsilon")
    options.epsilon = value;
  else if (key == "center")
    options.center = value;
  else if (key == "scale")
    options.scale = value;
  else if (key == "beta_regularizer")
    options.betaRegularizer = readRegularizer(value);
  else if (key == "gamma_regularizer")
    options.gammaRegularizer = readRegularizer(value);
  else if (key == "beta_constraint")
    options.betaConstraint = readConstraint(value);
  else if (key == "gamma_constraint")
    options.gammaConstraint = readConstraint(value);
  else if (key == "renorm")
    options.renorm = value;
  else if (key == "renorm_clipping")
    options.renormClipping = value.get<std::map<std::string, double>>();
  else if (key == "renorm_momentum")
    options.renormMomentum = value;
  else if (key == "fused")
    options.fused = value.get<bool>();
  else if (key == "trainable")
    options.trainable = value;
  else if (key == "virtual_batch_size")
    options.virtualBatchSize = value.get<int64_t>();
  else
    throw std::runtime_error("unknown option " + key);
}

PeerStep::Call readCall(const std::string &name) {
  if (name == "train")
    return PeerStep::Call::Train;
  if (name == "infer")
    return PeerStep::Call::Infer;
  if (name == "constrain")
    return PeerStep::Call::Constrain;
  throw std::runtime_error("unknown call " + name);
}

/// `values` in an array of their own.
Expected<Array> arrayOf(std::span<const double> values, DType dtype, const Dims &shape) {
  Expected<Array> array = Array::create(dtype, shape);
  if (!array)
    return array;
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::I32)
      array->as<int32_t>()[i] = int32_t(values[i]);
    else if (dtype == DType::Bool)
      array->as<uint8_t>()[i] = values[i] != 0;
    else
      storeFromDouble(values[i], array->as<char>() + i * sizeOf(dtype), dtype);
  }
  return array;
}

/// The files hold the fewest digits that tell a number from its neighbours in its type.
void roundTo(DType dtype, std::vector<double> &values) {
  for (double &value : values) {
    alignas(8) char bytes[8];
    storeFromDouble(value, bytes, dtype);
    value = loadAsDouble(bytes, dtype);
  }
}

/// An adjustment that is the same for every batch.
std::function<Expected<Adjustment>(const Dims &)> readAdjustment(const Json &json, DType compute) {
  struct Part {
    std::vector<double> values;
    Dims shape;
  };
  const auto read = [](const Json &part) {
    return Part{readNumbers(part.at("values")), readDims(part.at("shape"))};
  };
  return [scale = read(json.at("scale")), bias = read(json.at("bias")),
          compute](const Dims &) -> Expected<Adjustment> {
    Expected<Array> first = arrayOf(scale.values, compute, scale.shape);
    if (!first)
      return first.takeError();
    Expected<Array> second = arrayOf(bias.values, compute, bias.shape);
    if (!second)
      return second.takeError();
    return Adjustment{std::move(*first), std::move(*second)};
  };
}

PeerCase readCase(const Json &json) {
  PeerCase result;
  result.name = json.at("case");
  result.options = readPreset(json.at("preset"));
  for (const auto &[key, value] : json.at("options").items())
    readOption(result.options, key, value);
  const Expected<DType> dtype = parseDType(json.at("dtype").get<std::string>());
  if (!dtype)
    throw std::runtime_error(dtype.error().message());
  result.dtype = *dtype;
  result.options.compute = result.dtype == DType::F64 ? DType::F64 : DType::F32;
  result.shape = readDims(json.at("shape"));
  if (json.contains("adjustment"))
    result.options.adjustment = readAdjustment(json.at("adjustment"), result.options.compute);
  result.weights = readNumbersByName(json.value("weights", Json::object()));
  result.difference = json.value("difference", "");
  result.tolerance = json.value("tolerance", 0.0);
  result.participants = json.value("participants", std::vector{result.shape[0]});
  for (const Json &step : json.at("steps")) {
    const Json &expected = step.at("expected");
    result.steps.push_back({readCall(step.at("call")), readNumbersByName(step.at("inputs")),
                            readNumbersByName(expected),
                            readNumbersByName(expected.value("weights", Json::object()))});
    for (auto &[name, values] : result.steps.back().expected)
      if (isFloat(result.dtype) && (name == "y" || name == "dx"))
        roundTo(result.dtype, values);
  }
  return result;
}

std::vector<PeerCase> readFile(const std::filesystem::path &path) {
  std::vector<PeerCase> cases;
  try {
    std::ifstream stream(path);
    const Json json = Json::parse(stream);
    for (const Json &entry : json.at("cases")) {
      cases.push_back(readCase(entry));
      cases.back().library = json.at("library");
    }
  } catch (const std::exception &error) {
    cases.assign(1, PeerCase());
    cases[0].name = error.what();
  }
  for (PeerCase &entry : cases)
    entry.peer = path.stem();
  return cases;
}

} // namespace

const std::vector<PeerCase> &peerCases() {
  static const std::vector<PeerCase> all = [] {
    std::vector<PeerCase> result;
    for (const char *peer :
         {"tf_keras", "tf_keras_synchronized", "keras_tensorflow", "keras_jax", "keras_torch",
          "keras_numpy", "torch", "onnxruntime", "onnx_reference"})
      for (PeerCase &entry : readFile(std::filesystem::path(NORMA_TEST_DATA) / "batch_norm_peers" /
                                      (std::string(peer) + ".json")))
        result.push_back(std::move(entry));
    return result;
  }();
  return all;
}

PeerCase peerCase(const std::string &peer, const std::string &name) {
  for (const PeerCase &entry : peerCases())
    if (entry.peer == peer && entry.name == name)
      return entry;
  return PeerCase();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

namespace {

std::vector<double> numbersOf(const Tensor &tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i)
    result.push_back(loadAsDouble(
        static_cast<const char *>(tensor.data) + i * int64_t(sizeOf(tensor.dtype)), tensor.dtype));
  return result;
}

/// Samples [begin, end) of an input of `shape`.
Expected<Array> samplesOf(const std::vector<double> &values, DType dtype, Dims shape, int64_t begin,
                          int64_t end) {
  shape[0] = 1;
  const int64_t each = Tensor(nullptr, dtype, shape).size();
  shape[0] = end - begin;
  return arrayOf(std::span(values).subspan(size_t(begin * each), size_t((end - begin) * each)),
                 dtype, shape);
}

} // namespace

Expected<BatchNormalization> makeLayer(const std::shared_ptr<Engine> &engine, const PeerCase &peer,
                                       const AllReduce &allReduce) {
  BatchNormalizationOptions options = peer.options;
  options.allReduce = allReduce;
  Expected<BatchNormalization> layer = BatchNormalization::create(engine, options);
  if (!layer)
    return layer;
  if (Expected<void> built = layer->build(peer.shape); !built)
    return built.takeError();
  for (const auto &[name, values] : peer.weights) {
    Expected<Tensor> weight = layer->weight(name);
    if (!weight)
      return weight.takeError();
    for (size_t i = 0; i < values.size(); ++i)
      storeFromDouble(values[i], static_cast<char *>(weight->data) + i * sizeOf(weight->dtype),
                      weight->dtype);
  }
  return layer;
}

Expected<Numbers> runStep(BatchNormalization &layer, const PeerCase &peer, const PeerStep &step,
                          int64_t begin, int64_t end) {
  Numbers result;
  const auto addWeights = [&] {
    for (const BatchNormalization::Weight &weight : layer.weights())
      result[weight.name] = numbersOf(weight.value);
    if (peer.options.gammaRegularizer || peer.options.betaRegularizer)
      result["loss"] = {layer.regularizationLoss()};
  };
  if (step.call == PeerStep::Call::Constrain) {
    if (Expected<void> done = layer.applyConstraints(); !done)
      return done.takeError();
    addWeights();
    return result;
  }

  // Everything that is as long as the data, cut to the samples.
  Dims maskShape = peer.shape;
  maskShape.back() = 1;
  const DType compute = peer.options.compute;
  const DType resultType = isFloat(peer.dtype) ? peer.dtype : compute;
  std::map<std::string, Array> arrays;
  for (const auto &[name, values] : step.inputs) {
    const bool isMask = name == "mask", isWeight = name == "weights";
    const DType dtype = isMask ? DType::Bool : isWeight ? compute : peer.dtype;
    Expected<Array> array =
        samplesOf(values, dtype, isMask || isWeight ? maskShape : peer.shape, begin, end);
    if (!array)
      return array.takeError();
    arrays[name] = std::move(*array);
  }
  const Tensor x = arrays["x"];
  BatchNormalizationCall call;
  if (arrays.contains("mask"))
    call.mask = arrays["mask"];
  if (arrays.contains("weights"))
    call.weights = arrays["weights"];
  Expected<Array> y = Array::create(resultType, x.shape), dx = Array::create(resultType, x.shape);
  if (!y || !dx)
    return y ? dx.takeError() : y.takeError();

  Expected<SavedForward> saved =
      step.call == PeerStep::Call::Train ? layer.train(x, *y, call) : layer.applyAndSave(x, *y);
  if (!saved)
    return saved.takeError();
  result["y"] = numbersOf(*y);
  if (arrays.contains("dy")) {
    Expected<BatchNormGradients> gradients =
        layer.gradient(*saved, x, arrays["dy"], *dx,
                       step.call == PeerStep::Call::Train ? call : BatchNormalizationCall{});
    if (!gradients)
      return gradients.takeError();
    result["dx"] = numbersOf(*dx);
    if (!gradients->gamma.empty())
      result["dgamma"] = gradients->gamma;
    if (!gradients->beta.empty())
      result["dbeta"] = gradients->beta;
  }
  addWeights();
  return result;
}

} // namespace norma::test
