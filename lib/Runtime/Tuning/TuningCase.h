//===- TuningCase.h - Data to measure a kernel on ---------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TUNING_TUNINGCASE_H
#define NORMA_RUNTIME_TUNING_TUNINGCASE_H

#include "../AlignedBytes.h"
#include "../Problem.h"

#include <array>
#include <span>
#include <vector>

namespace norma {

/// That a kernel of this spec may have a schedule which was found by measuring; an error names the
/// field that is in the way.
Expected<void> checkTunable(const KernelSpec &spec);

/// The problem of a call of a tunable kernel on contiguous tensors that lie at these addresses, as
/// far as its family has them.
struct TuningMemory {
  void *x, *dy, *out;
};
Problem tuningProblem(const KernelSpec &spec, int64_t rows, const TuningMemory &memory);

/// The tensors of a call: 64-byte aligned, inputs normally distributed as far as their types allow.
class TuningCase {
public:
  /// The elements of all tensors must be known to fit in memory.
  TuningCase(const KernelSpec &spec, int64_t rows);
  TuningCase(TuningCase &&) = default;

  const KernelSpec &spec() const { return kernelSpec; }
  /// Of the tensors as they lie in this case.
  const Problem &problem() const { return ownProblem; }
  int64_t rows() const { return outer; }
  /// One value for every kept index: `which` of up to four coefficients of a map, or the centers of
  /// the sums of a gradient.
  std::span<const double> coefficient(int which) const { return coefficients[size_t(which)]; }
  /// The result of a map, as the last call left it.
  std::span<const std::byte> out() const { return result; }

private:
  KernelSpec kernelSpec;
  int64_t outer;
  AlignedBytes x, dy, result;
  std::array<std::vector<double>, 4> coefficients;
  Problem ownProblem;
};

} // namespace norma

#endif // NORMA_RUNTIME_TUNING_TUNINGCASE_H
