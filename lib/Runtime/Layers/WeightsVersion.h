//===- WeightsVersion.h - Whether weights are as they were ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_WEIGHTSVERSION_H
#define NORMA_LIB_RUNTIME_LAYERS_WEIGHTSVERSION_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace norma {

class BatchNormalizationWeights;

/// Users may write to a layer's weights at any time, through the views that it gives, and
/// the layer is not told. So what it made of them goes with a copy of them: to compare
/// both takes a small part of the time that divisions and square roots do. Safe from
/// several threads.
class WeightsVersion {
public:
  /// Another number whenever the weights are others than in the call before.
  uint64_t of(const BatchNormalizationWeights &weights);

private:
  struct Copy {
    uint64_t version;
    std::vector<std::byte> bytes;

    bool equals(const BatchNormalizationWeights &weights) const;
  };

  std::mutex mutex;
  uint64_t versions = 0;
  std::shared_ptr<const Copy> last;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_WEIGHTSVERSION_H
