// RUN: norma-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse | FileCheck %s

// The extents of a result are those of the data, or of the init.

// CHECK-LABEL: func @normalize(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xi8>
func.func @normalize(%x: tensor<?x3xi8>, %m: tensor<3xf64>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[X]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %y = norma.normalize %x, %m, %m kept [1] : tensor<?x3xi8>, tensor<3xf64>, tensor<3xf64>
  %d = tensor.dim %y, %c0 : tensor<?x3xf32>
  return %d : index
}

// CHECK-LABEL: func @affine(
// CHECK-SAME: %[[INIT:[^:]*]]: tensor<?x3xf16>
func.func @affine(%init: tensor<?x3xf16>, %x: tensor<?x3xf32>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[INIT]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %y = norma.affine kept [1] ins(%x : tensor<?x3xf32>) outs(%init : tensor<?x3xf16>) -> tensor<?x3xf16>
  %d = tensor.dim %y, %c0 : tensor<?x3xf16>
  return %d : index
}

// CHECK-LABEL: func @moments(
// CHECK-SAME: %[[N:[^:]*]]: tensor<?xf64>
func.func @moments(%n: tensor<?xf64>, %x: tensor<4x?xf32>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[N]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %s:3 = norma.moments kept [1] ins(%x : tensor<4x?xf32>)
      outs(%n, %n, %n : tensor<?xf64>, tensor<?xf64>, tensor<?xf64>)
      -> tensor<?xf64>, tensor<?xf64>, tensor<?xf64>
  %d = tensor.dim %s#2, %c0 : tensor<?xf64>
  return %d : index
}

// CHECK-LABEL: func @grad_sums(
// CHECK-SAME: %[[N:[^:]*]]: tensor<?xf64>
func.func @grad_sums(%n: tensor<?xf64>, %x: tensor<4x?xf32>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[N]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %s:2 = norma.grad_sums kept [1] ins(%x, %x : tensor<4x?xf32>, tensor<4x?xf32>)
      center(%n : tensor<?xf64>) outs(%n, %n : tensor<?xf64>, tensor<?xf64>)
      -> tensor<?xf64>, tensor<?xf64>
  %d = tensor.dim %s#1, %c0 : tensor<?xf64>
  return %d : index
}

// CHECK-LABEL: func @grad_map(
// CHECK-SAME: %[[INIT:[^:]*]]: tensor<?x3xf16>
func.func @grad_map(%init: tensor<?x3xf16>, %x: tensor<?x3xf32>, %c: tensor<3xf32>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[INIT]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %y = norma.grad_map kept [1] ins(%x, %x : tensor<?x3xf32>, tensor<?x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%init : tensor<?x3xf16>) -> tensor<?x3xf16>
  %d = tensor.dim %y, %c0 : tensor<?x3xf16>
  return %d : index
}

//===----------------------------------------------------------------------===//
// Batch normalization
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @batch_norm(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xi8>
func.func @batch_norm(%x: tensor<?x3xi8>, %m: tensor<3xf64>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[X]]
  // CHECK: return %[[D]]
  %c0 = arith.constant 0 : index
  %y = norma.batch_norm %x, %m, %m kept [1] : tensor<?x3xi8>, tensor<3xf64>, tensor<3xf64>
  %d = tensor.dim %y, %c0 : tensor<?x3xf32>
  return %d : index
}

// The result has the shape of the data, what is saved its kept extents, the state its
// own shape, and renorm's corrections the kept extents again.
// CHECK-LABEL: func @batch_norm_training(
// CHECK-SAME: %[[X:[^:]*]]: tensor<2x?xf32>, %[[P:[^:]*]]: tensor<?xf32>, %[[Q:[^:]*]]: tensor<?xf64>
func.func @batch_norm_training(%x: tensor<2x?xf32>, %p: tensor<?xf32>, %q: tensor<?xf64>)
    -> (index, index, index, index, index, index) {
  // CHECK-DAG: %[[DX:.*]] = tensor.dim %[[X]]
  // CHECK-DAG: %[[DP:.*]] = tensor.dim %[[P]]
  // CHECK-DAG: %[[DQ:.*]] = tensor.dim %[[Q]]
  // CHECK: return %[[DX]], %[[DX]], %[[DP]], %[[DQ]], %[[DP]], %[[DX]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y:11 = norma.batch_norm_training %x moving(%p, %q : tensor<?xf32>, tensor<?xf64>)
      renorm(%q, %q, %p : tensor<?xf64>, tensor<?xf64>, tensor<?xf32>) kept [1] : tensor<2x?xf32>
  %d0 = tensor.dim %y#0, %c1 : tensor<2x?xf32>
  %d3 = tensor.dim %y#3, %c0 : tensor<?xf64>
  %d4 = tensor.dim %y#4, %c0 : tensor<?xf32>
  %d5 = tensor.dim %y#5, %c0 : tensor<?xf64>
  %d8 = tensor.dim %y#8, %c0 : tensor<?xf32>
  %d10 = tensor.dim %y#10, %c0 : tensor<?xf64>
  return %d0, %d3, %d4, %d5, %d8, %d10 : index, index, index, index, index, index
}

// CHECK-LABEL: func @ghosts_smaller(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x?xf32>
func.func @ghosts_smaller(%x: tensor<?x?xf32>) -> (index, index) {
  // CHECK-DAG: %[[V:.*]] = arith.constant 4 : index
  // CHECK-DAG: %[[B:.*]] = tensor.dim %[[X]], %c0
  // CHECK-DAG: %[[C:.*]] = tensor.dim %[[X]], %c1
  // CHECK-DAG: %[[G:.*]] = arith.ceildivui %[[B]], %[[V]] : index
  // CHECK: return %[[G]], %[[C]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 4} : tensor<?x?xf32>
  %g = tensor.dim %y#1, %c0 : tensor<?x?xf64>
  %c = tensor.dim %y#2, %c1 : tensor<?x?xf64>
  return %g, %c : index, index
}

// At least one ghost, unless there is no sample.
// CHECK-LABEL: func @ghosts_merge(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>
func.func @ghosts_merge(%x: tensor<?x3xf32>) -> index {
  // CHECK-DAG: %[[V:.*]] = arith.constant 4 : index
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
  // CHECK-DAG: %[[B:.*]] = tensor.dim %[[X]]
  // CHECK-DAG: %[[WHOLE:.*]] = arith.divui %[[B]], %[[V]] : index
  // CHECK-DAG: %[[LEAST:.*]] = arith.minui %[[B]], %[[ONE]] : index
  // CHECK: %[[G:.*]] = arith.maxui %[[WHOLE]], %[[LEAST]] : index
  // CHECK: return %[[G]]
  %c0 = arith.constant 0 : index
  %y:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 4} : tensor<?x3xf32>
  %g = tensor.dim %y#3, %c0 : tensor<?x3xf64>
  return %g : index
}

// A static number of ghosts beside a dynamic extent.
// CHECK-LABEL: func @ghosts_static(
// CHECK-SAME: %[[X:[^:]*]]: tensor<8x?xf32>
func.func @ghosts_static(%x: tensor<8x?xf32>) -> (index, index) {
  // CHECK-DAG: %[[G:.*]] = arith.constant 2 : index
  // CHECK-DAG: %[[C:.*]] = tensor.dim %[[X]]
  // CHECK: return %[[G]], %[[C]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 4} : tensor<8x?xf32>
  %g = tensor.dim %y#1, %c0 : tensor<2x?xf64>
  %c = tensor.dim %y#1, %c1 : tensor<2x?xf64>
  return %g, %c : index, index
}

// CHECK-LABEL: func @batch_norm_grad(
// CHECK-SAME: %[[DY:[^:]*]]: tensor<?x?xf32>, %[[X:[^:]*]]: tensor<?x?xf32>, %[[S:[^:]*]]: tensor<?xf64>, %[[G:[^:]*]]: tensor<?xf16>
func.func @batch_norm_grad(%dy: tensor<?x?xf32>, %x: tensor<?x?xf32>, %s: tensor<?xf64>,
                           %g: tensor<?xf16>) -> (index, index, index) {
  // CHECK-DAG: %[[B:.*]] = tensor.dim %[[X]], %c0
  // CHECK-DAG: %[[C:.*]] = tensor.dim %[[X]], %c1
  // CHECK-DAG: %[[DG:.*]] = tensor.dim %[[G]]
  // CHECK: return %[[B]], %[[C]], %[[DG]]
  %c0 = arith.constant 0 : index
  %a:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<?xf64>) kept [1]
      : tensor<?x?xf32>, tensor<?x?xf32>
  %b:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<?xf64>) gamma(%g : tensor<?xf16>)
      kept [1] : tensor<?x?xf32>, tensor<?x?xf32>
  %d0 = tensor.dim %a#0, %c0 : tensor<?x?xf32>
  %d1 = tensor.dim %a#1, %c0 : tensor<?xf32>
  %d2 = tensor.dim %b#2, %c0 : tensor<?xf16>
  return %d0, %d1, %d2 : index, index, index
}
