// RUN: norma-opt %s --norma-cpu | FileCheck %s
// RUN: norma-opt %s --norma-cpu-linalg | FileCheck %s

// Both ways end with the LLVM dialect and nothing else.
// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}

// CHECK-LABEL: llvm.func @layer
func.func @layer(%x: tensor<?x13xf32> {bufferization.writable = false},
                 %n0: tensor<13xf64> {bufferization.writable = false},
                 %m0: tensor<13xf64> {bufferization.writable = false},
                 %s0: tensor<13xf64> {bufferization.writable = false}, %y: memref<?x13xf32>) {
  %n, %m, %s = norma.adapt %x into (%n0, %m0, %s0) kept [1] : tensor<?x13xf32>, tensor<13xf64>
  %mean, %variance = norma.finalize %n, %m, %s : tensor<13xf64>
  %z = norma.normalize %x, %mean, %variance kept [1] : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  bufferization.materialize_in_destination %z in restrict writable %y
      : (tensor<?x13xf32>, memref<?x13xf32>) -> ()
  return
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}

// Every form, static and dynamic; mask, weights, NaN policy; narrow types.
// CHECK-LABEL: llvm.func @statistics
func.func @statistics(%x: tensor<?x4x?x3xf16> {bufferization.writable = false},
                      %mask: tensor<?x1x1x1xi1> {bufferization.writable = false},
                      %weights: tensor<?x1x?x1xi16> {bufferization.writable = false},
                      %n: memref<4x3xf64>, %m: memref<4x3xf64>, %s: memref<4x3xf64>) {
  %init = tensor.empty() : tensor<4x3xf64>
  %a, %b, %c = norma.moments kept [1, 3] ins(%x : tensor<?x4x?x3xf16>) mask(%mask : tensor<?x1x1x1xi1>)
      weights(%weights : tensor<?x1x?x1xi16>)
      outs(%init, %init, %init : tensor<4x3xf64>, tensor<4x3xf64>, tensor<4x3xf64>)
      {nan = #norma<nan omit>} -> tensor<4x3xf64>, tensor<4x3xf64>, tensor<4x3xf64>
  bufferization.materialize_in_destination %a in restrict writable %n : (tensor<4x3xf64>, memref<4x3xf64>) -> ()
  bufferization.materialize_in_destination %b in restrict writable %m : (tensor<4x3xf64>, memref<4x3xf64>) -> ()
  bufferization.materialize_in_destination %c in restrict writable %s : (tensor<4x3xf64>, memref<4x3xf64>) -> ()
  return
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}

// CHECK-LABEL: llvm.func @images
func.func @images(%x: tensor<?x3x8x8xi8> {bufferization.writable = false}, %mean: tensor<3xf32>,
                  %variance: tensor<3xf32>) -> tensor<?x3x8x8xbf16> {
  %y = norma.normalize %x, %mean, %variance kept [1] unsigned to bf16
      : tensor<?x3x8x8xi8>, tensor<3xf32>, tensor<3xf32>
  return %y : tensor<?x3x8x8xbf16>
}

// CHECK-LABEL: llvm.func @scalar
func.func @scalar(%x: tensor<f64> {bufferization.writable = false}, %mean: tensor<f64>,
                  %variance: tensor<f64>) -> tensor<f64> {
  %n, %m, %s = norma.adapt %x into (%mean, %mean, %variance) kept [] : tensor<f64>, tensor<f64>
  %y = norma.normalize %x, %m, %s kept [] inverse : tensor<f64>, tensor<f64>, tensor<f64>
  return %y : tensor<f64>
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}

// An argument that is its own result is copied.
// CHECK-LABEL: llvm.func @identity
// CHECK: llvm.call @malloc
func.func @identity(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// Several dynamic extents that collapse into one.
// CHECK-LABEL: llvm.func @dynamic
func.func @dynamic(%x: tensor<?x?x?x3xf32> {bufferization.writable = false}, %m: tensor<3xf64>,
                   %v: tensor<3xf64>) -> tensor<?x?x?x3xf32> {
  %y = norma.normalize %x, %m, %v kept [3] : tensor<?x?x?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y : tensor<?x?x?x3xf32>
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}
