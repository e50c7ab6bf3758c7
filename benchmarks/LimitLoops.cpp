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
/// Streams of a thread where it has several, and what one goes through before all move on, which is
/// more than a page: of 2, 4, 8, 16 and 32 none got more from memory.
constexpr int kStreams = kUnroll;
constexpr int64_t kLineBytes = 8192;

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

/// Calls body(element, u) for each vector of `lanes` elements, u counting those of one turn, which
/// is of one stream, or of one line each of several that are so long. Returns where the elements
/// begin that do not fill a turn.
template <int streams, int lanes, typename Body>
inline int64_t forVectors(int64_t elements, int64_t line, Body body) {
  static_assert(streams == 1 || streams == kStreams);
  int64_t i = 0;
  if (streams > 1)
    for (; i + kStreams * line <= elements; i += kStreams * line)
      for (int64_t at = i; at < i + line; at += lanes)
#pragma GCC unroll 8
        for (int u = 0; u < kStreams; ++u)
          body(at + u * line, u);
  for (; i + kUnroll * lanes <= elements; i += kUnroll * lanes)
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u)
      body(i + u * lanes, u);
  return i;
}

template <int streams>
uint64_t read(const void *x, int64_t bytes) {
  using Vector = typename VectorOf<uint64_t, kVectorBytes / 8>::Type;
  using Stored = typename VectorOf<uint64_t, kVectorBytes / 8>::Stored;
  const char *data = static_cast<const char *>(x);
  Vector sums[kUnroll] = {};
  int64_t i = forVectors<streams, kVectorBytes>(bytes, kLineBytes, [&](int64_t at, int u) {
    sums[u] += *reinterpret_cast<const Stored *>(data + at);
  });
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
template <typename In, typename Out, bool streaming, int streams>
void map(const void *x, void *y, int64_t elements) {
  constexpr int kLanes = kVectorBytes / int(sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out));
  using InVector = typename VectorOf<In, kLanes>::Type;
  using InStored = typename VectorOf<In, kLanes>::Stored;
  using OutVector = typename VectorOf<Out, kLanes>::Type;
  using OutStored = typename VectorOf<Out, kLanes>::Stored;
  const In *in = static_cast<const In *>(x);
  Out *out = static_cast<Out *>(y);
  const int64_t line = kLineBytes / int64_t(sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out));
  int64_t i = forVectors<streams, kLanes>(elements, line, [&](int64_t at, int) {
    const InVector loaded = *reinterpret_cast<const InStored *>(in + at);
    const OutVector value = scaled<Out>(convert<OutVector>(loaded));
    if constexpr (streaming)
      stream(out + at, value);
    else
      *reinterpret_cast<OutStored *>(out + at) = value;
  });
  for (; i < elements; ++i)
    out[i] = Out(scaled<Out>(Out(in[i])));
  if constexpr (streaming)
    fence();
}

/// dx = scaled x + dy.
template <typename T, bool streaming, int streams>
void combine(const void *x, const void *dy, void *dx, int64_t elements) {
  constexpr int kLanes = kVectorBytes / int(sizeof(T));
  using Vector = typename VectorOf<T, kLanes>::Type;
  using Stored = typename VectorOf<T, kLanes>::Stored;
  const T *first = static_cast<const T *>(x), *second = static_cast<const T *>(dy);
  T *out = static_cast<T *>(dx);
  const int64_t line = kLineBytes / int64_t(sizeof(T));
  int64_t i = forVectors<streams, kLanes>(elements, line, [&](int64_t at, int) {
    const Vector value = scaled<T>(Vector(*reinterpret_cast<const Stored *>(first + at))) +
                         *reinterpret_cast<const Stored *>(second + at);
    if constexpr (streaming)
      stream(out + at, value);
    else
      *reinterpret_cast<Stored *>(out + at) = value;
  });
  for (; i < elements; ++i)
    out[i] = T(scaled<T>(first[i]) + second[i]);
  if constexpr (streaming)
    fence();
}

template <typename In, typename Out>
constexpr LoopsByWay<MapFunction> kMapLoop = {
    {{map<In, Out, false, 1>, map<In, Out, true, 1>},
     {map<In, Out, false, kStreams>, map<In, Out, true, kStreams>}}};

template <typename T>
constexpr LoopsByWay<CombineFunction> kCombineLoop = {
    {{combine<T, false, 1>, combine<T, true, 1>},
     {combine<T, false, kStreams>, combine<T, true, kStreams>}}};

} // namespace

/// The function of the instruction set that this is compiled for.
const LimitLoops &NORMA_LIMIT_LOOPS() {
  static const LimitLoops loops = {
      NORMA_LIMIT_ISA,
      {read<1>, read<kStreams>},
      {kMapLoop<float, float>, kMapLoop<double, double>, kMapLoop<uint16_t, uint16_t>,
       kMapLoop<uint8_t, float>, kMapLoop<uint8_t, uint16_t>,
       // The bits that a float has too many are dropped.
       kMapLoop<uint32_t, uint16_t>},
      {kCombineLoop<float>, kCombineLoop<double>, kCombineLoop<uint16_t>}};
  return loops;
}

} // namespace norma::benchmarks
