// RUN: norma-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s

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
