//===- BlockedKey.h - What a blocked call is prepared for -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKEDKEY_H
#define NORMA_RUNTIME_BLOCKEDKEY_H

#include "norma/Support/Tensor.h"

#include <algorithm>
#include <array>
#include <functional>

namespace norma {

/// All that a plan depends on, as numbers: arguments and tensors, but not where these lie.
class BlockedKey {
public:
  void push(int64_t word) {
    assert(used < kMost && "more than any call says");
    words[used++] = word;
  }
  void push(std::span<const int64_t> dims) {
    push(int64_t(dims.size()));
    for (int64_t dim : dims)
      push(dim);
  }

  size_t hash() const {
    // Multiplication carries upwards only, so the high half is mixed in at the end.
    uint64_t hash = 0xcbf29ce484222325;
    for (int i = 0; i < used; ++i)
      hash = (hash ^ uint64_t(words[i])) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
  }
  friend bool operator==(const BlockedKey &a, const BlockedKey &b) {
    return a.used == b.used &&
           std::equal(a.words.begin(), a.words.begin() + a.used, b.words.begin());
  }

  BlockedKey() = default;
  /// Copies what there is.
  BlockedKey(const BlockedKey &other) : used(other.used) {
    std::copy_n(other.words.begin(), used, words.begin());
  }
  BlockedKey &operator=(const BlockedKey &) = delete;

private:
  // Shape, kept axes and strides of x, dy, dx, mask and weights; and a few words more.
  static constexpr int kMost = 7 * (kMaxRank + 1) + 16;
  std::array<int64_t, kMost> words;
  int used = 0;
};

} // namespace norma

template <>
struct std::hash<norma::BlockedKey> {
  size_t operator()(const norma::BlockedKey &key) const { return key.hash(); }
};

#endif // NORMA_RUNTIME_BLOCKEDKEY_H
