//===- WideVectors.h - Loops for the processor they run on ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// norma is compiled for every processor of an architecture, where vectors may be half as wide as
// those that nearly all have.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_SUPPORT_WIDEVECTORS_H
#define NORMA_LIB_SUPPORT_WIDEVECTORS_H

namespace norma {

/// For a loop, and for what it is in: runInWideVectors() compiles both again.
#define NORMA_INLINE __attribute__((always_inline))

#ifdef __x86_64__

template <typename Loop>
__attribute__((target("avx2"))) void runInAvx2(const Loop &loop) {
  loop();
}

/// Calls `loop`, compiled for vectors of four f64 where the processor has them. The bits are the
/// same: AVX2 has no operation that rounds a product and a sum once.
template <typename Loop>
void runInWideVectors(const Loop &loop) {
  static const bool hasAvx2 = __builtin_cpu_supports("avx2");
  if (hasAvx2)
    runInAvx2(loop);
  else
    loop();
}

#else

template <typename Loop>
void runInWideVectors(const Loop &loop) {
  loop();
}

#endif

} // namespace norma

#endif // NORMA_LIB_SUPPORT_WIDEVECTORS_H
