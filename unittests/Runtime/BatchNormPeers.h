//===- BatchNormPeers.h - What other systems returned -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The cases that scripts/peers/batch_norm.py recorded: a layer of TensorFlow, Keras,
// PyTorch or ONNX, what it was given, and what it returned.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMPEERS_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMPEERS_H

#include "norma/Runtime/Layers/BatchNormalization.h"

#include <map>
#include <string>
#include <vector>

namespace norma::test {

/// Row-major numbers by name: "x", "y", "dgamma", "moving_mean".
using Numbers = std::map<std::string, std::vector<double>>;

/// One call of the layer.
struct PeerStep {
  enum class Call { Train, Infer, Constrain };
  Call call;
  /// x, and as far as the step has them dy, mask and weights. The latter two have the
  /// extents of the data with a 1 at the end.
  Numbers inputs;
  /// y and, where there is dy, dx and the gradients of parameters that are trained.
  Numbers expected;
  /// What gamma and beta (after a constraint) or the moving statistics are then.
  Numbers weights;
};

struct PeerCase {
  /// The name of the file, and of the case in it.
  std::string peer, name;
  /// "torch 2.15.0".
  std::string library;
  BatchNormalizationOptions options;
  DType dtype = DType::F32;
  Dims shape;
  /// What the layer begins with, where that is not what it is made with.
  Numbers weights;
  std::vector<PeerStep> steps;
  /// In which way the library differs on purpose; empty where it does not.
  std::string difference;
  /// Relative, in place of the one of the type; 0 where it is that.
  double tolerance = 0;
  /// The samples of every participant of synchronized statistics; one has all otherwise.
  std::vector<int64_t> participants;
};

/// All cases, in the order of the files. A file that cannot be read has one case, whose
/// name is the reason.
const std::vector<PeerCase> &peerCases();
/// The case of a name; one without steps where there is none.
PeerCase peerCase(const std::string &peer, const std::string &name);

/// What a step of `layer` gives for samples [begin, end): numbers by the names of
/// PeerStep::expected, and all weights by theirs.
Expected<Numbers> runStep(BatchNormalization &layer, const PeerCase &peer, const PeerStep &step,
                          int64_t begin, int64_t end);
/// The layer of a case, with its first weights.
Expected<BatchNormalization> makeLayer(const std::shared_ptr<Engine> &engine, const PeerCase &peer,
                                       const AllReduce &allReduce = {});

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMPEERS_H
