//===- norma-plugin.cpp - The dialect and its passes, for a stock mlir-opt ===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   mlir-opt --load-dialect-plugin=norma-plugin.so --load-pass-plugin=norma-plugin.so
//            --pass-pipeline='builtin.module(norma-cpu)' FILE.mlir
//
//===----------------------------------------------------------------------===//

#include "norma/Pipeline/Pipeline.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "norma", NORMA_VERSION,
          [](mlir::DialectRegistry *registry) { norma::registerPipelineDialects(*registry); }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "norma", NORMA_VERSION, norma::registerPassesAndPipelines};
}
