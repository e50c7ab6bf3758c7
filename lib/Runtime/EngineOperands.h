//===- EngineOperands.h - Mask and weights of a call ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ENGINEOPERANDS_H
#define NORMA_RUNTIME_ENGINEOPERANDS_H

#include "norma/Support/Statistics.h"

namespace norma {

class Pace;

/// Mask and weights as kernels read them, bytes and f64, with the shape of the data
/// (stride 0 where they repeat).
struct Operands {
  std::optional<Tensor> mask, weights;

  bool any() const { return mask || weights; }
  /// Appends those that there are.
  void appendTo(std::vector<Tensor> &tensors) const;
};

/// Operands with the memory they are in.
class OwnedOperands : public Operands {
public:
  /// Converts what was checked by checkMoments. All weights are looked at: they must
  /// be finite and not negative. May take as long as the call itself; `pace` is that of
  /// the call.
  static Expected<OwnedOperands> create(const MomentsOptions &options,
                                        std::span<const int64_t> shape, Pace &pace);
  /// The same for a call that nobody watches.
  static Expected<OwnedOperands> create(const MomentsOptions &options,
                                        std::span<const int64_t> shape);

private:
  Array maskBytes, weightValues;
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINEOPERANDS_H
