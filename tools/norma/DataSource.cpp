//===- DataSource.cpp - Streams .npy files piece by piece -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataSource.h"

#include "Text.h"

#include <cmath>
#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

/// One piece is computed on, one is ready, one is being read.
static constexpr int kBuffers = 3;

/// The part of `whole` that `piece` covers.
static Tensor sliceTensor(const Tensor &whole, const Piece &piece) {
  Tensor part = whole;
  int64_t offset = 0;
  for (int axis = 0; axis < whole.rank(); ++axis)
    offset += piece.origin[axis] * whole.strides[axis];
  part.data = static_cast<char *>(whole.data) + offset * int64_t(sizeOf(whole.dtype));
  part.shape = piece.shape;
  return part;
}

Expected<Companion> Companion::open(const std::string &path, const std::string &option,
                                    const Dims &dataShape, bool mirrored,
                                    const PieceLayout &layout) {
  std::string name = fmt::format("{} {}", option, path);
  Expected<io::NpyReader> reader = io::NpyReader::open(path);
  if (!reader)
    return reader.takeError().within(option);
  Companion companion(std::move(*reader), name, mirrored);
  const io::NpyHeader &header = companion.reader.header();

  // Checks the shape; without data nothing is read.
  Expected<Tensor> broadcast = broadcastFromLeft(header.view(nullptr), dataShape, name);
  if (!broadcast)
    return broadcast.takeError();

  int cut = layout.cutAxis();
  bool outerAgree = header.shape.size() > cut && !header.fortranOrder && !mirrored;
  for (int axis = 0; outerAgree && axis <= cut; ++axis)
    outerAgree = header.shape[axis] == dataShape[axis];
  if (outerAgree) {
    companion.cutAxis = cut;
    // At most one element for every element of the data.
    companion.streamedBytes = size_t(layout.largest()) * sizeOf(header.dtype);
    return companion;
  }

  Expected<Tensor> view = companion.reader.map();
  if (!view)
    return view.takeError().within(option);
  broadcast = broadcastFromLeft(*view, dataShape, name);
  if (!broadcast)
    return broadcast.takeError();
  companion.mapped = *broadcast;
  if (mirrored) {
    companion.mapped.shape = mirrorShape(companion.mapped.shape);
    companion.mapped.strides = mirrorShape(companion.mapped.strides);
  }
  return companion;
}

Expected<Tensor> Companion::load(const Piece &piece, void *buffer) const {
  if (streamedBytes == 0)
    return sliceTensor(mapped, piece);
  const io::NpyHeader &header = reader.header();
  Dims shape = header.shape;
  int64_t begin = 0, size = 1;
  for (int axis = 0; axis < shape.size(); ++axis) {
    bool cutAway = axis <= cutAxis;
    begin = begin * shape[axis] + (cutAway ? piece.origin[axis] : 0);
    if (cutAway)
      shape[axis] = piece.shape[axis];
    size *= shape[axis];
  }
  size_t element = sizeOf(header.dtype);
  Expected<void> read = reader.read(uint64_t(begin) * element, buffer, size_t(size) * element);
  if (!read)
    return read.takeError();
  return Tensor(buffer, header.dtype, shape);
}

Expected<void> Companion::checkWeights(const Tensor &loaded, const Piece &piece) const {
  const Dims &shape = reader.header().shape;
  Dims index = loaded.shape;
  std::fill(index.begin(), index.end(), 0);
  for (int64_t i = 0; i < loaded.size(); ++i) {
    int64_t offset = 0;
    for (int axis = 0; axis < loaded.rank(); ++axis)
      offset += index[axis] * loaded.strides[axis];
    const double value = loadAsDouble(static_cast<const char *>(loaded.data) +
                                          offset * int64_t(sizeOf(loaded.dtype)),
                                      loaded.dtype);
    if (!(value >= 0) || std::isinf(value)) {
      for (int axis = 0; axis < loaded.rank(); ++axis)
        index[axis] += piece.origin[axis];
      const Dims whole = mirrored ? mirrorShape(index) : index;
      // The file may lack trailing axes, and repeat along those of extent 1.
      Dims place;
      for (int axis = 0; axis < shape.size(); ++axis)
        place.push_back(std::min(whole[axis], shape[axis] - 1));
      return invalidArgument(
          fmt::format("{}: value {} at index {}, expected a finite number not below 0", name,
                      formatNumber(value), toString(place)));
    }
    for (int axis = loaded.rank() - 1; axis >= 0 && ++index[axis] == loaded.shape[axis]; --axis)
      index[axis] = 0;
  }
  return {};
}

Expected<std::unique_ptr<DataSource>> DataSource::create(const std::vector<Shard> &shards) {
  size_t dataBytes = 0, maskBytes = 0, weightsBytes = 0;
  for (const Shard &shard : shards) {
    dataBytes = std::max(dataBytes, size_t(shard.layout.largest()) * sizeOf(shard.dtype));
    if (shard.mask)
      maskBytes = std::max(maskBytes, shard.mask->bufferBytes());
    if (shard.weights)
      weightsBytes = std::max(weightsBytes, shard.weights->bufferBytes());
  }

  std::unique_ptr<DataSource> source(new DataSource(shards));
  for (int i = 0; i < kBuffers; ++i) {
    auto piece = std::make_unique<LoadedPiece>();
    for (auto [bytes, buffer] :
         {std::pair(dataBytes, &piece->dataBuffer), std::pair(maskBytes, &piece->maskBuffer),
          std::pair(weightsBytes, &piece->weightsBuffer)}) {
      Expected<Array> memory = Array::create(DType::U8, {int64_t(bytes)});
      if (!memory)
        return memory.takeError();
      *buffer = std::move(*memory);
    }
    source->empty.push(piece.get());
    source->pieces.push_back(std::move(piece));
  }
  source->reader = std::thread([self = source.get()] { self->readAll(); });
  return source;
}

DataSource::~DataSource() {
  empty.cancel();
  full.cancel();
  if (reader.joinable())
    reader.join();
}

void DataSource::readAll() {
  for (size_t index = 0; index < shards.size(); ++index) {
    const Shard &shard = shards[index];
    for (int64_t i = 0; i < shard.layout.count(); ++i) {
      std::optional<LoadedPiece *> target = empty.pop();
      if (!target)
        return;
      LoadedPiece &piece = **target;
      piece.shard = index;
      piece.piece = shard.layout.piece(i);
      Expected<void> loaded = load(shard, piece);
      if (!loaded)
        piece.error = loaded.takeError();
      full.push(&piece);
      if (piece.error)
        return;
    }
  }
  full.close();
}

Expected<void> DataSource::load(const Shard &shard, LoadedPiece &target) {
  const Piece &piece = target.piece;
  size_t element = sizeOf(shard.dtype);
  void *memory = target.dataBuffer.view().data;
  Expected<void> read =
      shard.read(uint64_t(piece.begin) * element, memory, size_t(piece.size) * element);
  if (!read)
    return read;
  target.data = Tensor(memory, shard.dtype, piece.shape);

  auto loadCompanion = [&](const std::optional<Companion> &companion, const Array &buffer,
                           std::optional<Tensor> &tensor) -> Expected<void> {
    tensor.reset();
    if (!companion)
      return {};
    Expected<Tensor> loaded = companion->load(piece, buffer.view().data);
    if (!loaded)
      return loaded.takeError();
    tensor = *loaded;
    return {};
  };
  read = loadCompanion(shard.mask, target.maskBuffer, target.mask);
  if (!read)
    return read;
  read = loadCompanion(shard.weights, target.weightsBuffer, target.weights);
  if (!read)
    return read;

  // Rows beyond the limit were read, because they lie between others.
  int last = piece.shape.size() - 1;
  if (last >= 0 && shard.lastAxisLimit < shard.shape[last]) {
    int64_t visible =
        std::clamp<int64_t>(shard.lastAxisLimit - piece.origin[last], 0, piece.shape[last]);
    for (Tensor *tensor : {&target.data, target.mask ? &*target.mask : nullptr,
                           target.weights ? &*target.weights : nullptr})
      if (tensor)
        tensor->shape[last] = visible;
  }
  return {};
}

Expected<LoadedPiece *> DataSource::next() {
  std::optional<LoadedPiece *> piece = full.pop();
  if (!piece)
    return nullptr;
  if ((*piece)->error)
    return *(*piece)->error;
  return *piece;
}
