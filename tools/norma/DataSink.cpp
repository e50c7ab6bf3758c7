//===- DataSink.cpp - Writes results while the next ones are computed -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataSink.h"

using namespace norma;
using namespace norma::tool;

/// One buffer is being filled, one waits, one is being written.
static constexpr int kBuffers = 3;

Expected<std::unique_ptr<DataSink>> DataSink::create(size_t bufferBytes, Write write) {
  std::unique_ptr<DataSink> sink(new DataSink(std::move(write)));
  for (size_t i = 0; i < kBuffers; ++i) {
    Expected<Array> memory = Array::create(DType::U8, {int64_t(bufferBytes)});
    if (!memory)
      return memory.takeError();
    sink->buffers.push_back(std::move(*memory));
    sink->empty.push(i);
  }
  sink->writer = std::thread([self = sink.get()] { self->writeAll(); });
  return sink;
}

DataSink::~DataSink() {
  full.cancel();
  if (writer.joinable())
    writer.join();
}

void DataSink::writeAll() {
  while (std::optional<Job> job = full.pop()) {
    Expected<void> written = write(job->begin, buffers[job->buffer].view().data, job->size);
    if (!written) {
      failure = written.takeError();
      // Wakes up acquire().
      empty.cancel();
      return;
    }
    empty.push(job->buffer);
  }
}

Expected<void *> DataSink::acquire() {
  std::optional<size_t> buffer = empty.pop();
  if (!buffer)
    return *failure;
  current = *buffer;
  return buffers[current].view().data;
}

void DataSink::submit(uint64_t begin, size_t size) { full.push({current, begin, size}); }

Expected<void> DataSink::finish() {
  full.close();
  writer.join();
  if (failure)
    return *failure;
  return {};
}
