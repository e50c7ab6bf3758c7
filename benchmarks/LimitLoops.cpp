//===- LimitLoops.cpp - Vector loops for every instruction set ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Includes nothing that defines inline functions: compiled for one instruction set, they
// might become those of the whole program.
//
//===----------------------------------------------------------------------===//

#include "LimitLoops.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes its own header's undefined vectors for a mistake (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace norma::benchmarks {

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
/// Vectors in one turn of a loop: enough to hide latencies and the loop itself.
constexpr int kUnroll = 8;

template <typename T, int lanes>
struct VectorOf {
  typedef T Type __attribute__((vector_size(lanes * sizeof(T))));
  /// In memory, which need not be aligned.
  typedef T Stored __attribute__((vector_size(lanes * sizeof(T)), aligned(1), may_alias));
};

/// Writes a vector that lies at a multiple of its size past the caches.
template <typename Vector>
inline void stream(void *address, const Vector &value) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Vector) == 64)
    return _mm512_stream_si512(static_cast<__m512i *>(address),
                               _mm512_loadu_si512(static_cast<const void *>(&value)));
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(Vector) == 32)
    return _mm256_stream_si256(static_cast<__m256i *>(address),
                               _mm256_loadu_si256(reinterpret_cast<const __m256i *>(&value)));
#endif
#if defined(__SSE2__)
  if constexpr (sizeof(Vector) == 16)
    return _mm_stream_si128(static_cast<__m128i *>(address),
                            _mm_loadu_si128(reinterpret_cast<const __m128i *>(&value)));
#endif
  *static_cast<Vector *>(address) = value;
}

inline void fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

uint64_t read(const void *x, int64_t bytes) {
  using Vector = typename VectorOf<uint64_t, kVectorBytes / 8>::Type;
  using Stored = typename VectorOf<uint64_t, kVectorBytes / 8>::Stored;
  constexpr int64_t kStep = kUnroll * kVectorBytes;
  const char *data = static_cast<const char *>(x);
  Vector sums[kUnroll] = {};
  int64_t i = 0;
  for (; i + kStep <= bytes; i += kStep)
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u)
      sums[u] += *reinterpret_cast<const Stored *>(data + i + u * kVectorBytes);
  uint64_t sum = 0;
  for (; i < bytes; ++i)
    sum += uint8_t(data[i]);
  for (int u = 0; u < kUnroll; ++u)
    for (int lane = 0; lane < kVectorBytes / 8; ++lane)
      sum += sums[u][lane];
  return sum;
}

template <typename T>
constexpr T kConstant = T(3);

/// Floats are multiplied by a constant; integers, that the compiler would multiply by
/// more than one instruction, are added one.
template <typename T, typename Value>
inline Value scaled(const Value &value) {
  if constexpr (T(1.5) == T(1))
    return value + kConstant<T>;
  else
    return value * kConstant<T>;
}

/// The instructions for conversions that GCC does not find by itself.
template <typename OutVector, typename InVector>
inline OutVector convert(const InVector &in) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(InVector) == 16 && sizeof(OutVector) == 64)
    return OutVector(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(__m128i(in))));
  else if constexpr (sizeof(InVector) == 32 && sizeof(OutVector) == 64)
    return OutVector(_mm512_cvtepu8_epi16(__m256i(in)));
  else if constexpr (sizeof(InVector) == 64 && sizeof(OutVector) == 32)
    return OutVector(_mm512_cvtepi32_epi16(__m512i(in)));
  else
#elif defined(__AVX2__)
  if constexpr (sizeof(InVector) == 8 && sizeof(OutVector) == 32)
    return OutVector(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(int64_t(in)))));
  else if constexpr (sizeof(InVector) == 16 && sizeof(OutVector) == 32)
    return OutVector(_mm256_cvtepu8_epi16(__m128i(in)));
  else
#endif
    return __builtin_convertvector(in, OutVector);
}

/// y = scaled x, in vectors of whichever of the two types is larger.
template <typename In, typename Out, bool streaming>
void map(const void *x, void *y, int64_t elements) {
  constexpr int kLanes = kVectorBytes / int(sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out));
  using InVector = typename VectorOf<In, kLanes>::Type;
  using InStored = typename VectorOf<In, kLanes>::Stored;
  using OutVector = typename VectorOf<Out, kLanes>::Type;
  using OutStored = typename VectorOf<Out, kLanes>::Stored;
  const In *in = static_cast<const In *>(x);
  Out *out = static_cast<Out *>(y);
  int64_t i = 0;
  for (; i + kUnroll * kLanes <= elements; i += kUnroll * kLanes)
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u) {
      const InVector loaded = *reinterpret_cast<const InStored *>(in + i + u * kLanes);
      const OutVector value = scaled<Out>(convert<OutVector>(loaded));
      if constexpr (streaming)
        stream(out + i + u * kLanes, value);
      else
        *reinterpret_cast<OutStored *>(out + i + u * kLanes) = value;
    }
  for (; i < elements; ++i)
    out[i] = Out(scaled<Out>(Out(in[i])));
  if constexpr (streaming)
    fence();
}

/// dx = scaled x + dy.
template <typename T, bool streaming>
void combine(const void *x, const void *dy, void *dx, int64_t elements) {
  constexpr int kLanes = kVectorBytes / int(sizeof(T));
  using Vector = typename VectorOf<T, kLanes>::Type;
  using Stored = typename VectorOf<T, kLanes>::Stored;
  const T *first = static_cast<const T *>(x), *second = static_cast<const T *>(dy);
  T *out = static_cast<T *>(dx);
  int64_t i = 0;
  for (; i + kUnroll * kLanes <= elements; i += kUnroll * kLanes)
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t at = i + u * kLanes;
      const Vector value = scaled<T>(Vector(*reinterpret_cast<const Stored *>(first + at))) +
                           *reinterpret_cast<const Stored *>(second + at);
      if constexpr (streaming)
        stream(out + at, value);
      else
        *reinterpret_cast<Stored *>(out + at) = value;
    }
  for (; i < elements; ++i)
    out[i] = T(scaled<T>(first[i]) + second[i]);
  if constexpr (streaming)
    fence();
}

} // namespace

/// The function of the instruction set that this is compiled for.
const LimitLoops &NORMA_LIMIT_LOOPS() {
  static const LimitLoops loops = {
      NORMA_LIMIT_ISA,
      read,
      {{map<float, float, false>, map<float, float, true>},
       {map<double, double, false>, map<double, double, true>},
       {map<uint16_t, uint16_t, false>, map<uint16_t, uint16_t, true>},
       {map<uint8_t, float, false>, map<uint8_t, float, true>},
       {map<uint8_t, uint16_t, false>, map<uint8_t, uint16_t, true>},
       // The bits that a float has too many are dropped.
       {map<uint32_t, uint16_t, false>, map<uint32_t, uint16_t, true>}},
      {{combine<float, false>, combine<float, true>},
       {combine<double, false>, combine<double, true>},
       {combine<uint16_t, false>, combine<uint16_t, true>}}};
  return loops;
}

} // namespace norma::benchmarks
