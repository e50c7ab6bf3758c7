//===- LimitLoops.h - Vector loops for every instruction set ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LimitLoops.cpp is compiled once for every instruction set that CMakeLists.txt names,
// and each time defines one of the functions below.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_LIMITLOOPS_H
#define NORMA_BENCHMARKS_LIMITLOOPS_H

#include <cstdint>

namespace norma::benchmarks {

/// Element types as the loops see them: what is multiplied does not matter to them, so
/// 16-bit floats go as integers.
enum class MapLoop { F32, F64, Bits16, U8ToF32, U8ToBits16, F32ToBits16 };
inline constexpr int kMapLoops = 6;

using ReadFunction = uint64_t (*)(const void *x, int64_t bytes);
using MapFunction = void (*)(const void *x, void *y, int64_t elements);
using CombineFunction = void (*)(const void *x, const void *dy, void *dx, int64_t elements);

/// By Streams, then Stores.
template <typename Function>
struct LoopsByWay {
  Function ways[2][2];
};

struct LimitLoops {
  const char *instructionSet;
  /// By Streams. Returns what it read, added up, so that reading cannot be left out.
  ReadFunction read[2];
  /// By MapLoop.
  LoopsByWay<MapFunction> map[kMapLoops];
  /// For F32, F64 and Bits16.
  LoopsByWay<CombineFunction> combine[3];
};

const LimitLoops &baseLimitLoops();
#ifdef NORMA_LIMITS_X86
const LimitLoops &avx2LimitLoops();
const LimitLoops &avx512LimitLoops();
#endif

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_LIMITLOOPS_H
