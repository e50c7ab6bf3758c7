//===- PreparedNormalization.h - What a normalization applies ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_PREPAREDNORMALIZATION_H
#define NORMA_LIB_RUNTIME_LAYERS_PREPAREDNORMALIZATION_H

#include "norma/Runtime/Layers/Normalization.h"

namespace norma {

/// Whether statistics of data are all there is to apply, and there were data.
bool isAdaptedFrom(const NormalizationOptions &options, const Statistics &statistics);

/// What apply() uses: computed from statistics once, then never changed, so that
/// threads may share it.
struct PreparedNormalization {
  PreparedNormalization(const NormalizationOptions &options, const Dims &keptAxes,
                        const Statistics &statistics);

  /// 0 where nothing was counted.
  std::vector<double> mean() const;

  Dims axis;
  Coefficients coefficients;
  std::vector<double> variance;
  std::vector<int64_t> constant;
  bool isAdapted = false;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_PREPAREDNORMALIZATION_H
