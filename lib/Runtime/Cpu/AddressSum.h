//===- AddressSum.h - What an index is made of ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_ADDRESSSUM_H
#define NORMA_RUNTIME_CPU_ADDRESSSUM_H

#include "llvm/ADT/MapVector.h"
#include "llvm/IR/PatternMatch.h"

namespace norma {

/// An index as a sum of multiples of values, modulo 2^64.
struct AddressSum {
  llvm::SmallMapVector<llvm::Value *, uint64_t, 4> terms;
  uint64_t constant = 0;

  void add(llvm::Value *value, uint64_t factor) {
    using namespace llvm::PatternMatch;
    llvm::Value *a = nullptr, *b = nullptr;
    const llvm::APInt *known = nullptr;
    if (match(value, m_APInt(known))) {
      constant += factor * known->getZExtValue();
    } else if (match(value, m_Add(m_Value(a), m_Value(b)))) {
      add(a, factor);
      add(b, factor);
    } else if (match(value, m_Mul(m_Value(a), m_APInt(known)))) {
      add(a, factor * known->getZExtValue());
    } else if (match(value, m_Shl(m_Value(a), m_APInt(known))) && known->ult(64)) {
      add(a, factor << known->getZExtValue());
    } else {
      terms[value] += factor;
    }
  }
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_ADDRESSSUM_H
