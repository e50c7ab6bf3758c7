//===- Marks.h - What kernels of moments doubt ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel marks an m2 that may be inaccurate by its sign. It is -1 where sums have lost digits,
// and is done again in f64. Where squares are so small that f32 may have lost some of them, it is
// minus what it would be: those of a channel of zeros, mostly. Whether one was lost is known: the
// processor says when a result underflows, until it is told to forget it.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_MARKS_H
#define NORMA_RUNTIME_MARKS_H

#include <cfenv>
#include <cstdint>
#include <span>

namespace norma {

enum class Marks : uint8_t {
  None,
  /// Squares may have underflown.
  Small,
  Inaccurate,
};

/// The most serious of some m2.
Marks marksOf(std::span<const double> m2);
/// Takes marks for small squares away.
void clearMarks(std::span<double> m2);

/// Whether a result of `call` underflows, or was lost before: the processor is not made to forget
/// what the caller may want to know.
template <typename Call>
bool underflows(Call call) {
  // Most programs never see one.
  if (!std::fetestexcept(FE_UNDERFLOW))
    return false;
  std::fexcept_t before;
  std::fegetexceptflag(&before, FE_UNDERFLOW);
  std::feclearexcept(FE_UNDERFLOW);
  call();
  const bool does = std::fetestexcept(FE_UNDERFLOW);
  std::fesetexceptflag(&before, FE_UNDERFLOW);
  return does;
}

/// Whether the m2 that a kernel has just written must be done exactly. `again` calls it again, with
/// the same results.
template <typename Again>
bool mustBeExact(std::span<double> m2, Again again) {
  const Marks marks = marksOf(m2);
  if (marks == Marks::None)
    return false;
  if (marks == Marks::Inaccurate || underflows(again))
    return true;
  clearMarks(m2);
  return false;
}

} // namespace norma

#endif // NORMA_RUNTIME_MARKS_H
