//===- Checked.h - Integers that know when they overflowed ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes, offsets and counts that come from outside are computed with this type,
// and asked once at the end whether the result is one:
//
//   const Checked bytes = Checked(rows) * columns * 8 + header;
//   if (!bytes.fits())
//     return invalidArgument(...);
//   use(*bytes);
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_CHECKED_H
#define NORMA_SUPPORT_CHECKED_H

#include <cassert>
#include <cstdint>

namespace norma {

/// A 64-bit signed integer, or the knowledge that it does not fit into one.
class Checked {
public:
  Checked(int64_t value) : number(value) {}

  bool fits() const { return !overflowed; }
  int64_t operator*() const {
    assert(fits() && "the value of a Checked that overflowed");
    return number;
  }

  Checked &operator+=(Checked other) {
    overflowed |= other.overflowed;
    overflowed |= __builtin_add_overflow(number, other.number, &number);
    return *this;
  }
  Checked &operator-=(Checked other) {
    overflowed |= other.overflowed;
    overflowed |= __builtin_sub_overflow(number, other.number, &number);
    return *this;
  }
  Checked &operator*=(Checked other) {
    overflowed |= other.overflowed;
    overflowed |= __builtin_mul_overflow(number, other.number, &number);
    return *this;
  }
  friend Checked operator+(Checked a, Checked b) { return a += b; }
  friend Checked operator-(Checked a, Checked b) { return a -= b; }
  friend Checked operator*(Checked a, Checked b) { return a *= b; }

private:
  int64_t number;
  bool overflowed = false;
};

} // namespace norma

#endif // NORMA_SUPPORT_CHECKED_H
