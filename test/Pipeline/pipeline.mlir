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

// Kernel ops of a gradient, with everything they take.
// CHECK-LABEL: llvm.func @gradient
func.func @gradient(%x: tensor<?x4x?x3xf16> {bufferization.writable = false},
                    %dy: tensor<?x4x?x3xbf16> {bufferization.writable = false},
                    %mask: tensor<?x1x1x1xi1> {bufferization.writable = false},
                    %weights: tensor<?x1x?x1xi16> {bufferization.writable = false},
                    %center: tensor<4x3xf64> {bufferization.writable = false},
                    %c: tensor<4x3xf32> {bufferization.writable = false},
                    %s: memref<4x3xf64>, %d: memref<4x3xf64>, %dx: memref<?x4x?x3xbf16>) {
  %init = tensor.empty() : tensor<4x3xf64>
  %sum, %dot = norma.grad_sums kept [1, 3] ins(%x, %dy : tensor<?x4x?x3xf16>, tensor<?x4x?x3xbf16>)
      center(%center : tensor<4x3xf64>) mask(%mask : tensor<?x1x1x1xi1>) weights(%weights : tensor<?x1x?x1xi16>)
      outs(%init, %init : tensor<4x3xf64>, tensor<4x3xf64>) -> tensor<4x3xf64>, tensor<4x3xf64>
  bufferization.materialize_in_destination %sum in restrict writable %s : (tensor<4x3xf64>, memref<4x3xf64>) -> ()
  bufferization.materialize_in_destination %dot in restrict writable %d : (tensor<4x3xf64>, memref<4x3xf64>) -> ()
  %g = norma.grad_map kept [1, 3] ins(%x, %dy : tensor<?x4x?x3xf16>, tensor<?x4x?x3xbf16>)
      center(%c : tensor<4x3xf32>) slope(%c : tensor<4x3xf32>) offset(%c : tensor<4x3xf32>)
      scale(%c : tensor<4x3xf32>) mask(%mask : tensor<?x1x1x1xi1>) weights(%weights : tensor<?x1x?x1xi16>)
      outs(%dy : tensor<?x4x?x3xbf16>) -> tensor<?x4x?x3xbf16>
  bufferization.materialize_in_destination %g in restrict writable %dx
      : (tensor<?x4x?x3xbf16>, memref<?x4x?x3xbf16>) -> ()
  return
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}

// CHECK-LABEL: llvm.func @gradient_of_table
func.func @gradient_of_table(%x: tensor<?x13xf32> {bufferization.writable = false},
                             %dy: tensor<?x13xf32> {bufferization.writable = false},
                             %center: tensor<13xf64> {bufferization.writable = false},
                             %s: memref<13xf64>, %d: memref<13xf64>) -> tensor<?x13xf32> {
  %init = tensor.empty() : tensor<13xf64>
  %sum, %dot = norma.grad_sums kept [1] ins(%x, %dy : tensor<?x13xf32>, tensor<?x13xf32>)
      center(%center : tensor<13xf64>) outs(%init, %init : tensor<13xf64>, tensor<13xf64>)
      -> tensor<13xf64>, tensor<13xf64>
  bufferization.materialize_in_destination %sum in restrict writable %s : (tensor<13xf64>, memref<13xf64>) -> ()
  bufferization.materialize_in_destination %dot in restrict writable %d : (tensor<13xf64>, memref<13xf64>) -> ()
  %g = norma.grad_map kept [1] ins(%x, %dy : tensor<?x13xf32>, tensor<?x13xf32>) center(%center : tensor<13xf64>)
      slope(%sum : tensor<13xf64>) offset(%dot : tensor<13xf64>) scale(%center : tensor<13xf64>)
      outs(%dy : tensor<?x13xf32>) -> tensor<?x13xf32>
  return %g : tensor<?x13xf32>
}

// CHECK-NOT: {{^ *(%[^=]*= *)?"?(affine|arith|bufferization|builtin|cf|func|linalg|math|memref|norma|scf|tensor|ub|vector)[.]}}
