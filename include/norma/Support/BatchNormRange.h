//===- BatchNormRange.h - Batch normalization, a range at a time -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands between a reduction and its map, for a range of kept indices: by the thread that
// has both, while the range is in its cache. The batch is not cut into ghosts, and its own
// statistics are used. The numbers are those of BatchNorm.h for the whole. Threads may work on
// different ranges at the same time.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_BATCHNORMRANGE_H
#define NORMA_SUPPORT_BATCHNORMRANGE_H

#include "norma/Support/CoefficientArrays.h"

namespace norma {

/// batchNormForward() in ranges of kept indices.
class RangedBatchNormForward {
public:
  /// The rules must outlive it. The result's invStd takes the memory of a vector of any size.
  RangedBatchNormForward(const BatchNormRules &rules, const Dims &keptShape,
                         MovingStatistics moving, std::vector<double> invStd = {});

  /// Adds kept indices [begin, end), whose statistics are there.
  void add(const Statistics &statistics, int64_t begin, int64_t end);
  /// The same, and the coefficients of their map, as batchNormCoefficients() of all has them: in
  /// one loop.
  void addAndMap(const Statistics &statistics, int64_t begin, int64_t end,
                 const BatchNormParameters &parameters, const CoefficientArrays &into);
  /// All, when every kept index was added: with their statistics, which were left where they are.
  BatchNormForward finish(Statistics statistics);

private:
  template <DType Compute>
  void addAndMapAs(const Statistics &statistics, int64_t begin, int64_t end,
                   const BatchNormParameters &parameters, const CoefficientArrays &into);

  const BatchNormRules &rules;
  BatchNormForward forward;
};

/// batchNormGradientCoefficients() of kept indices [begin, end), whose sums are there.
void mapGradient(const BatchNormForward &forward, const GradientSums &sums, int64_t begin,
                 int64_t end, const BatchNormParameters &parameters,
                 const GradientCoefficientArrays &into);

} // namespace norma

#endif // NORMA_SUPPORT_BATCHNORMRANGE_H
