// The plugin in a stock mlir-opt: the dialect from one option, the passes from the other. (Options are read
// before plugins are loaded, so that passes are named in --pass-pipeline only.)
//
// A program without a sanitizer cannot load a plugin that has one.
// UNSUPPORTED: asan, tsan

// RUN: mlir-opt %plugin --pass-pipeline='builtin.module(norma-decompose)' %s | FileCheck %s --check-prefix=DECOMPOSE
// DECOMPOSE-LABEL: func.func @layer
// DECOMPOSE: norma.affine kept [1]

// It lowers as norma-opt does, by itself and among passes of others.
// RUN: mlir-opt %plugin --pass-pipeline='builtin.module(norma-cpu)' %s -o %t.plugin
// RUN: norma-opt --norma-cpu %s -o %t.norma-opt
// RUN: diff %t.plugin %t.norma-opt
// RUN: mlir-opt %plugin --pass-pipeline='builtin.module(norma-cpu-linalg,canonicalize,cse)' %s | FileCheck %s --check-prefix=LINALG
// LINALG-LABEL: llvm.func @layer
// LINALG-NOT: norma.

// What it prints is what it reads.
// RUN: mlir-opt --load-dialect-plugin=%plugin-file %s -o %t.once
// RUN: mlir-opt --load-dialect-plugin=%plugin-file %t.once | diff %t.once -
// RUN: mlir-opt --load-dialect-plugin=%plugin-file --mlir-print-op-generic %s | FileCheck %s --check-prefix=GENERIC
// GENERIC: "norma.normalize"
// RUN: mlir-opt --load-dialect-plugin=%plugin-file --emit-bytecode %s -o %t.bytecode
// RUN: mlir-opt --load-dialect-plugin=%plugin-file %t.bytecode | diff %t.once -

// Bufferization finds the interfaces of its ops.
// RUN: mlir-opt %plugin --pass-pipeline='builtin.module(norma-decompose,convert-elementwise-to-linalg,one-shot-bufferize{bufferize-function-boundaries})' %s \
// RUN:   | FileCheck %s --check-prefix=BUFFERIZE
// BUFFERIZE: norma.affine kept [1] ins(%{{.*}} : memref<?x13xf32

// Without it the text is foreign, and with it errors are the dialect's own.
// RUN: not mlir-opt %s 2>&1 | FileCheck %s --check-prefix=FOREIGN
// FOREIGN: Dialect `norma' not found
// RUN: sed 's/kept \[1\]/kept [2]/' %s | not mlir-opt --load-dialect-plugin=%plugin-file - 2>&1 | FileCheck %s --check-prefix=INVALID
// INVALID: error: 'norma.normalize' op kept axis 2

// It shows its two entry points, and no second copy of MLIR or of its runtime library comes with it.
// RUN: llvm-nm -D --defined-only %plugin-file | FileCheck %s --check-prefix=EXPORTS --implicit-check-not={{.}}
// EXPORTS: {{^[0-9a-f]+ [TW] mlirGetDialectPluginInfo$}}
// EXPORTS-NEXT: {{^[0-9a-f]+ [TW] mlirGetPassPluginInfo$}}
// RUN: llvm-readelf -d %plugin-file | FileCheck %s --check-prefix=NEEDED --implicit-check-not=runner_utils --implicit-check-not=libnorma
// NEEDED: libMLIR.so.22

func.func @layer(%x: tensor<?x13xf32>, %mean: tensor<13xf64>, %variance: tensor<13xf64>) -> tensor<?x13xf32> {
  %y = norma.normalize %x, %mean, %variance kept [1] : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %y : tensor<?x13xf32>
}
