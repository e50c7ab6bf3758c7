//===- Subject.cpp - A case, ready to be measured -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Subject.h"

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

namespace norma::benchmarks {

static DType computeType(const Case &c) {
  return c.in == DType::F64 || c.out == DType::F64 ? DType::F64 : DType::F32;
}

static Expected<void> useNormalization(const Case &c, Subject &subject) {
  NormalizationOptions options;
  options.axis = c.kept;
  options.compute = computeType(c);
  if (c.work != Work::Moments) {
    options.mean = GivenStatistic{{}, {0.125}};
    options.variance = GivenStatistic{{}, {0.3}};
    options.invert = c.work == Work::Inverse;
  }
  Expected<Normalization> made = Normalization::create(subject.engine, options);
  if (!made)
    return made.takeError();
  auto layer = std::make_shared<Normalization>(std::move(*made));
  if (c.work == Work::Moments)
    subject.call = [layer, x = subject.x] { return layer->adapt(x); };
  else
    subject.call = [layer, x = subject.x, y = subject.y] { return layer->apply(x, y); };
  return layer->build(c.shape);
}

/// Gives a weight values that cannot be left out of the formula.
static Expected<void> fillWeight(BatchNormalization &layer, const char *name, double value) {
  Expected<Tensor> weight = layer.weight(name);
  if (!weight)
    return weight.takeError();
  for (int64_t i = 0; i < weight->size(); ++i)
    storeFromDouble(value + double(i % 7) / 64,
                    static_cast<char *>(weight->data) + i * int64_t(sizeOf(weight->dtype)),
                    weight->dtype);
  return {};
}

static Expected<void> useBatchNormalization(const Case &c, Subject &subject) {
  BatchNormalizationOptions options = BatchNormalizationOptions::keras3();
  options.axis = c.kept;
  options.compute = computeType(c);
  options.center = options.scale = c.work != Work::InferPlain;
  Expected<BatchNormalization> made = BatchNormalization::create(subject.engine, options);
  if (!made)
    return made.takeError();
  auto layer = std::make_shared<BatchNormalization>(std::move(*made));
  if (Expected<void> done = layer->build(c.shape); !done)
    return done;
  for (auto [name, value] : {std::pair("gamma", 1.5), {"beta", 0.25}, {"moving_mean", 0.125}})
    if (options.scale || std::string_view(name) == "moving_mean")
      if (Expected<void> done = fillWeight(*layer, name, value); !done)
        return done;

  const Tensor x = subject.x, dy = subject.dy, y = subject.y;
  if (familyOf(c.work) == Family::Map) {
    subject.call = [=] { return layer->apply(x, y); };
    return {};
  }
  auto train = [=]() -> Expected<SavedForward> { return layer->train(x, y); };
  if (c.work == Work::Forward) {
    subject.call = [=]() -> Expected<void> {
      Expected<SavedForward> saved = train();
      return saved ? Expected<void>() : Expected<void>(saved.takeError());
    };
    return {};
  }
  Expected<SavedForward> saved = train();
  if (!saved)
    return saved.takeError();
  subject.call = [=, kept = *saved]() -> Expected<void> {
    Expected<BatchNormGradients> gradients = layer->gradient(kept, x, dy, y);
    return gradients ? Expected<void>() : Expected<void>(gradients.takeError());
  };
  return {};
}

Expected<Subject> Subject::create(const Case &c, int threads, const std::string &targetCpu,
                                  Buffers &buffers) {
  Subject subject;
  Expected<std::shared_ptr<Engine>> engine =
      Engine::create({.threads = threads, .targetCpu = targetCpu, .cacheDirectory = "off"});
  if (!engine)
    return engine.takeError();
  subject.engine = *engine;

  const bool gradient = familyOf(c.work) == Family::Gradient;
  for (auto [tensor, area, dtype] :
       {std::tuple(&subject.x, Buffers::X, c.in),
        std::tuple(&subject.dy, gradient ? Buffers::Dy : Buffers::X, c.in),
        std::tuple(&subject.y, Buffers::Y, c.out)}) {
    Expected<Tensor> found = buffers.tensor(area, dtype, c.shape);
    if (!found)
      return found.takeError();
    *tensor = *found;
  }
  const bool normalization =
      c.work == Work::Normalize || c.work == Work::Inverse || c.work == Work::Moments;
  Expected<void> used =
      normalization ? useNormalization(c, subject) : useBatchNormalization(c, subject);
  if (!used)
    return used.takeError();
  return subject;
}

/// What one thread may as well do by itself.
static constexpr int64_t kTinyBytes = int64_t(1) << 20;

std::vector<LimitPart> limitOf(const Case &c, const Subject &subject, const Limits &alone,
                               const Limits &all) {
  const Tensor x = subject.x, dy = subject.dy, y = subject.y;
  std::vector<const Limits *> teams{&all};
  if (&alone != &all && c.footprint() <= kTinyBytes)
    teams.push_back(&alone);

  LimitPart reading{"read", {}}, writing{"write", {}};
  const Family family = familyOf(c.work);
  for (const Limits *team : teams)
    for (Streams streams : {Streams::One, Streams::Many}) {
      reading.ways.push_back([=] {
        team->read(x, streams);
        if (family == Family::Gradient)
          team->read(dy, streams);
      });
      for (Stores stores : {Stores::Ordinary, Stores::Streaming})
        writing.ways.push_back([=] {
          if (family == Family::Gradient)
            team->combine(x, dy, y, streams, stores);
          else
            team->map(x, y, streams, stores);
        });
    }
  switch (family) {
  case Family::Map:
    return {writing};
  case Family::Reduce:
    return {reading};
  default:
    return c.blockFits() ? std::vector{writing} : std::vector{reading, writing};
  }
}

} // namespace norma::benchmarks
