//===- State.cpp - Configurations and state files from C ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"

using namespace norma;
using namespace norma::capi;

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

norma_status norma_normalization_get_config(const norma_normalization *layer, norma_string **json) {
  return guarded({{"layer", layer}, {"json", json}},
                 [&] { return give(layer->value.getConfig(), json); });
}

norma_status norma_normalization_from_config(norma_engine *engine, const char *json,
                                             norma_normalization **layer) {
  return guarded({{"json", json}, {"layer", layer}},
                 [&] { return give(Normalization::fromConfig(engineOf(engine), json), layer); });
}

norma_status norma_normalization_save(const norma_normalization *layer, const char *path) {
  return guarded({{"layer", layer}, {"path", path}}, [&] { return layer->value.save(path); });
}

norma_status norma_normalization_load(norma_engine *engine, const char *path,
                                      norma_normalization **layer) {
  return guarded({{"path", path}, {"layer", layer}},
                 [&] { return give(Normalization::load(engineOf(engine), path), layer); });
}

//===----------------------------------------------------------------------===//
// Batch normalization
//===----------------------------------------------------------------------===//

norma_status norma_batch_normalization_get_config(const norma_batch_normalization *layer,
                                                  norma_string **json) {
  return guarded({{"layer", layer}, {"json", json}},
                 [&] { return give(layer->value.getConfig(), json); });
}

norma_status norma_batch_normalization_from_config(norma_engine *engine, const char *json,
                                                   norma_batch_normalization **layer) {
  return guarded({{"engine", engine}, {"json", json}, {"layer", layer}},
                 [&] { return give(BatchNormalization::fromConfig(engine->value, json), layer); });
}

norma_status norma_batch_normalization_save(const norma_batch_normalization *layer,
                                            const char *path) {
  return guarded({{"layer", layer}, {"path", path}}, [&] { return layer->value.save(path); });
}

norma_status norma_batch_normalization_load(norma_engine *engine, const char *path,
                                            norma_batch_normalization **layer) {
  return guarded({{"engine", engine}, {"path", path}, {"layer", layer}},
                 [&] { return give(BatchNormalization::load(engine->value, path), layer); });
}
