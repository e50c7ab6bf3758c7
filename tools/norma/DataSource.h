//===- DataSource.h - Streams .npy files piece by piece ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_DATASOURCE_H
#define NORMA_TOOLS_NORMA_DATASOURCE_H

#include "Channel.h"
#include "PieceLayout.h"
#include "norma/IO/Npy.h"

#include <functional>
#include <thread>

namespace norma::tool {

/// Bytes of one piece. Small enough that a piece just read is still in the last
/// level of the cache when it is computed on, large enough that the start of a
/// kernel does not matter.
inline constexpr int64_t kPieceBytes = int64_t(8) << 20;

/// Whether a file is streamed by its reversed shape.
inline bool isMirrored(const io::NpyHeader &header) {
  return header.fortranOrder && header.shape.size() > 1;
}

/// A mask or weights file beside a data file. It is streamed too where it has the
/// outer axes of the data, otherwise it is small, and mapped.
class Companion {
public:
  /// `option` names it in messages. `dataShape` is the shape in the file.
  static Expected<Companion> open(const std::string &path, const std::string &option,
                                  const Dims &dataShape, bool mirrored, const PieceLayout &layout);

  /// Bytes that load() needs for the largest piece.
  size_t bufferBytes() const { return streamedBytes; }
  /// The part that belongs to `piece`: of its shape, or broadcast to it from the
  /// left.
  Expected<Tensor> load(const Piece &piece, void *buffer) const;
  /// Why what was loaded for `piece` cannot be weights, with the place in the file.
  Expected<void> checkWeights(const Tensor &loaded, const Piece &piece) const;

private:
  Companion(io::NpyReader reader, std::string name, bool mirrored)
      : reader(std::move(reader)), name(std::move(name)), mirrored(mirrored) {}

  io::NpyReader reader;
  /// The option and the path, for messages.
  std::string name;
  bool mirrored;
  /// The whole file with the shape of the data as it is streamed; null when the
  /// file is streamed.
  Tensor mapped;
  int cutAxis = 0;
  size_t streamedBytes = 0;
};

/// One file of a data set, ready to be streamed.
struct Shard {
  std::string path;
  DType dtype = DType::F32;
  /// The shape as it is streamed: reversed when `mirrored`.
  Dims shape;
  bool mirrored = false;
  PieceLayout layout;
  /// Reads bytes of the element data.
  std::function<Expected<void>(uint64_t begin, void *buffer, size_t size)> read;
  std::optional<Companion> mask, weights;
  /// Indices of the last streamed axis that count: a limit of rows of a mirrored
  /// file.
  int64_t lastAxisLimit = INT64_MAX;

  uint64_t bytes() const { return uint64_t(layout.total()) * sizeOf(dtype); }
};

/// A piece in memory.
struct LoadedPiece {
  size_t shard = 0;
  Piece piece;
  Tensor data;
  std::optional<Tensor> mask, weights;

  std::optional<Error> error;
  Array dataBuffer, maskBuffer, weightsBuffer;
};

/// Reads the pieces of all shards in order, a few ahead, in a thread of its own.
class DataSource {
public:
  /// The shards must outlive the source.
  static Expected<std::unique_ptr<DataSource>> create(const std::vector<Shard> &shards);
  ~DataSource();

  /// The next piece; null at the end. Give it back with release().
  Expected<LoadedPiece *> next();
  void release(LoadedPiece *piece) { empty.push(piece); }

private:
  explicit DataSource(const std::vector<Shard> &shards) : shards(shards) {}
  void readAll();
  Expected<void> load(const Shard &shard, LoadedPiece &target);

  const std::vector<Shard> &shards;
  std::vector<std::unique_ptr<LoadedPiece>> pieces;
  Channel<LoadedPiece *> empty, full;
  std::thread reader;
};

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_DATASOURCE_H
