//===- Marks.cpp - What kernels of moments doubt --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Marks.h"

#include "../Support/WideVectors.h"

#include <bit>
#include <cmath>

namespace norma {

/// Whether one of them is marked at all.
static bool areMarked(std::span<const double> m2) {
  // Others are no NaN, nor -0: it is enough to look at the signs, of all without an exit, several
  // vectors at a time.
  constexpr size_t kAbreast = 16;
  uint64_t signs[kAbreast] = {};
  runInWideVectors([&]() NORMA_INLINE {
    const double *next = m2.data(), *const end = next + m2.size();
    for (; end - next >= ptrdiff_t(kAbreast); next += kAbreast)
      for (size_t i = 0; i < kAbreast; ++i)
        signs[i] |= std::bit_cast<uint64_t>(next[i]);
    for (; next < end; ++next)
      signs[0] |= std::bit_cast<uint64_t>(*next);
  });
  uint64_t any = 0;
  for (uint64_t sign : signs)
    any |= sign;
  return any >> 63;
}

Marks marksOf(std::span<const double> m2) {
  if (!areMarked(m2))
    return Marks::None;
  uint64_t inaccurate = 0;
  runInWideVectors([&]() NORMA_INLINE {
    for (double each : m2)
      inaccurate += each == -1;
  });
  return inaccurate > 0 ? Marks::Inaccurate : Marks::Small;
}

void clearMarks(std::span<double> m2) {
  runInWideVectors([&]() NORMA_INLINE {
    for (double &each : m2)
      each = std::abs(each);
  });
}

} // namespace norma
