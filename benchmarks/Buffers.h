//===- Buffers.h - The memory that all cases share --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_BUFFERS_H
#define NORMA_BENCHMARKS_BUFFERS_H

#include "norma/Support/Tensor.h"

namespace norma::benchmarks {

/// Three areas of memory: data, another input, results. Pages come with the first use, in
/// large ones where the system has them (as NumPy asks for, too).
class Buffers {
public:
  enum Area { X, Dy, Y };

  /// A tensor at the beginning of an area. X and Dy hold the same values on every run,
  /// about evenly distributed in [-1, 1) or over all bytes; there until another type is
  /// asked for.
  Expected<Tensor> tensor(Area area, DType dtype, const Dims &shape);

  Buffers() = default;
  Buffers(const Buffers &) = delete;
  Buffers &operator=(const Buffers &) = delete;
  ~Buffers();

private:
  struct Memory {
    char *data = nullptr;
    DType dtype = DType::F32;
    size_t filled = 0;
  };
  Expected<void> reserve(Memory &memory);
  Memory memories[3];
};

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_BUFFERS_H
