//===- AlignedBytes.h - Memory for vectors ----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ALIGNEDBYTES_H
#define NORMA_RUNTIME_ALIGNEDBYTES_H

#include <cstddef>
#include <new>
#include <vector>

namespace norma {

inline constexpr size_t kLineBytes = 64;

/// Memory that begins at a cache line: a vector in it does not lie across two, which
/// would be two reads.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{kLineBytes};

  LineAllocator() = default;
  template <typename Other>
  explicit LineAllocator(const LineAllocator<Other> &) {}

  T *allocate(size_t count) { return static_cast<T *>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T *memory, size_t) { ::operator delete(memory, kLine); }
  /// All of it is written before it is read.
  template <typename U>
  void construct(U *at) {
    ::new (static_cast<void *>(at)) U;
  }
  friend bool operator==(const LineAllocator &, const LineAllocator &) { return true; }
};

/// What kernels read in vectors.
using AlignedBytes = std::vector<std::byte, LineAllocator<std::byte>>;

} // namespace norma

#endif // NORMA_RUNTIME_ALIGNEDBYTES_H
