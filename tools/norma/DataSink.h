//===- DataSink.h - Writes results while the next ones are computed *- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_DATASINK_H
#define NORMA_TOOLS_NORMA_DATASINK_H

#include "Channel.h"
#include "norma/Support/Tensor.h"

#include <functional>
#include <optional>
#include <thread>

namespace norma::tool {

/// Hands buffers out, and writes them in the order of submission, in a thread of
/// its own.
class DataSink {
public:
  using Write = std::function<Expected<void>(uint64_t begin, const void *data, size_t size)>;

  static Expected<std::unique_ptr<DataSink>> create(size_t bufferBytes, Write write);
  ~DataSink();

  /// Memory for the next result, or the error of an earlier write.
  Expected<void *> acquire();
  /// Writes `size` bytes of the memory last acquired, at byte `begin`.
  void submit(uint64_t begin, size_t size);
  /// Waits until everything is written.
  Expected<void> finish();

private:
  struct Job {
    size_t buffer = 0;
    uint64_t begin = 0;
    size_t size = 0;
  };

  explicit DataSink(Write write) : write(std::move(write)) {}
  void writeAll();

  Write write;
  std::vector<Array> buffers;
  size_t current = 0;
  Channel<size_t> empty;
  Channel<Job> full;
  /// Set by the writer before it closes `empty`, or before it ends.
  std::optional<Error> failure;
  std::thread writer;
};

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_DATASINK_H
