// RUN: norma-opt %s --eliminate-empty-tensors \
// RUN:   --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" \
// RUN:   --canonicalize | FileCheck %s

// A destination is written in place: no allocation, no copy.
// CHECK-LABEL: func @affine_into_destination(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x3xf32>, %[[C:[^:]*]]: memref<3xf32>, %[[OUT:[^:]*]]: memref<?x3xf32>
func.func @affine_into_destination(%x: tensor<?x3xf32>, %c: tensor<3xf32>, %out: memref<?x3xf32>) {
  // CHECK-NEXT: norma.affine kept [1] ins(%[[X]] : memref<?x3xf32>) center(%[[C]] : memref<3xf32>) outs(%[[OUT]] : memref<?x3xf32>)
  // CHECK-SAME: {schedule = #norma.schedule<rows, vector = 4, unroll = 1>, tag = 3 : i64}
  // CHECK-NEXT: return
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x3xf32>
  %init = tensor.empty(%d) : tensor<?x3xf32>
  %y = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%c : tensor<3xf32>)
      outs(%init : tensor<?x3xf32>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1>, tag = 3 : i64} -> tensor<?x3xf32>
  bufferization.materialize_in_destination %y in restrict writable %out
      : (tensor<?x3xf32>, memref<?x3xf32>) -> ()
  return
}

// CHECK-LABEL: func @moments_into_destinations(
// CHECK-SAME: %[[X:[^:]*]]: memref<4x3xf32>, %[[MASK:[^:]*]]: memref<4x1xi1>
// CHECK-SAME: %[[N:[^:]*]]: memref<3xf64>, %[[M:[^:]*]]: memref<3xf64>, %[[S:[^:]*]]: memref<3xf64>
func.func @moments_into_destinations(%x: tensor<4x3xf32>, %mask: tensor<4x1xi1>, %n: memref<3xf64>,
                                     %m: memref<3xf64>, %s: memref<3xf64>) {
  // CHECK-NEXT: norma.moments kept [1] ins(%[[X]] : memref<4x3xf32>) mask(%[[MASK]] : memref<4x1xi1>)
  // CHECK-SAME: outs(%[[N]], %[[M]], %[[S]] : memref<3xf64>, memref<3xf64>, memref<3xf64>) {nan = #norma<nan omit>}
  // CHECK-NEXT: return
  %init = tensor.empty() : tensor<3xf64>
  %a, %b, %c = norma.moments kept [1] ins(%x : tensor<4x3xf32>) mask(%mask : tensor<4x1xi1>)
      outs(%init, %init, %init : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      {nan = #norma<nan omit>} -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  bufferization.materialize_in_destination %a in restrict writable %n : (tensor<3xf64>, memref<3xf64>) -> ()
  bufferization.materialize_in_destination %b in restrict writable %m : (tensor<3xf64>, memref<3xf64>) -> ()
  bufferization.materialize_in_destination %c in restrict writable %s : (tensor<3xf64>, memref<3xf64>) -> ()
  return
}

// The data may be overwritten by its own result.
// CHECK-LABEL: func @in_place(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x3xf32>, %[[C:[^:]*]]: memref<3xf32>
func.func @in_place(%x: tensor<?x3xf32>, %c: tensor<3xf32>) -> tensor<?x3xf32> {
  // CHECK-NEXT: norma.affine kept [1] ins(%[[X]] : memref<?x3xf32>) scale(%[[C]] : memref<3xf32>) outs(%[[X]] : memref<?x3xf32>)
  // CHECK-NEXT: return %[[X]]
  %y = norma.affine kept [1] ins(%x : tensor<?x3xf32>) scale(%c : tensor<3xf32>)
      outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// A coefficient may not.
// CHECK-LABEL: func @coefficient_is_init(
// CHECK-SAME: %[[X:[^:]*]]: memref<3xf32>, %[[C:[^:]*]]: memref<3xf32>
func.func @coefficient_is_init(%x: tensor<3xf32>, %c: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: %[[NEW:.*]] = memref.alloc() {{.*}} : memref<3xf32>
  // CHECK: norma.affine kept [0] ins(%[[X]] : memref<3xf32>) scale(%[[C]] : memref<3xf32>) outs(%[[NEW]] : memref<3xf32>)
  // CHECK: return %[[NEW]]
  %y = norma.affine kept [0] ins(%x : tensor<3xf32>) scale(%c : tensor<3xf32>)
      outs(%c : tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

// An init that is read later is not written; since it is overwritten, it is not
// copied either.
// CHECK-LABEL: func @init_is_read_later(
// CHECK-SAME: %[[X:[^:]*]]: memref<4x3xf32>, %[[INIT:[^:]*]]: memref<4x3xf32>
func.func @init_is_read_later(%x: tensor<4x3xf32>, %init: tensor<4x3xf32>)
    -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  // CHECK-NEXT: %[[NEW:.*]] = memref.alloc() {{.*}} : memref<4x3xf32>
  // CHECK-NEXT: norma.affine kept [1] ins(%[[X]] : memref<4x3xf32>) outs(%[[NEW]] : memref<4x3xf32>)
  // CHECK-NEXT: return %[[NEW]], %[[INIT]]
  %y = norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%init : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y, %init : tensor<4x3xf32>, tensor<4x3xf32>
}

// An input that must not be written is not.
// CHECK-LABEL: func @read_only_data(
// CHECK-SAME: %[[X:[^:]*]]: memref<4x3xf32>
func.func @read_only_data(%x: tensor<4x3xf32> {bufferization.writable = false}) -> tensor<4x3xf32> {
  // CHECK-NEXT: %[[NEW:.*]] = memref.alloc()
  // CHECK-NEXT: norma.affine kept [1] ins(%[[X]] : memref<4x3xf32>) outs(%[[NEW]] : memref<4x3xf32>)
  // CHECK-NEXT: return %[[NEW]]
  %y = norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%x : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @grad_sums_into_destinations(
// CHECK-SAME: %[[X:[^:]*]]: memref<4x3xf32>, %[[DY:[^:]*]]: memref<4x3xf16>, %[[C:[^:]*]]: memref<3xf64>
// CHECK-SAME: %[[S:[^:]*]]: memref<3xf64>, %[[D:[^:]*]]: memref<3xf64>
func.func @grad_sums_into_destinations(%x: tensor<4x3xf32>, %dy: tensor<4x3xf16>, %c: tensor<3xf64>,
                                       %s: memref<3xf64>, %d: memref<3xf64>) {
  // CHECK-NEXT: norma.grad_sums kept [1] ins(%[[X]], %[[DY]] : memref<4x3xf32>, memref<4x3xf16>) center(%[[C]] : memref<3xf64>)
  // CHECK-SAME: outs(%[[S]], %[[D]] : memref<3xf64>, memref<3xf64>)
  // CHECK-NEXT: return
  %init = tensor.empty() : tensor<3xf64>
  %a, %b = norma.grad_sums kept [1] ins(%x, %dy : tensor<4x3xf32>, tensor<4x3xf16>)
      center(%c : tensor<3xf64>) outs(%init, %init : tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>
  bufferization.materialize_in_destination %a in restrict writable %s : (tensor<3xf64>, memref<3xf64>) -> ()
  bufferization.materialize_in_destination %b in restrict writable %d : (tensor<3xf64>, memref<3xf64>) -> ()
  return
}

// Sums overwrite nothing that they read: the center is needed until the last element.
// CHECK-LABEL: func @grad_sums_over_center(
// CHECK-SAME: %[[X:[^:]*]]: memref<3xf64>, %[[C:[^:]*]]: memref<3xf64>
func.func @grad_sums_over_center(%x: tensor<3xf64>, %c: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>) {
  // CHECK: %[[S:.*]] = memref.alloc() {{.*}} : memref<3xf64>
  // CHECK: %[[D:.*]] = memref.alloc() {{.*}} : memref<3xf64>
  // CHECK: norma.grad_sums kept [0] ins(%[[X]], %[[X]] : {{.*}}) center(%[[C]] : {{.*}}) outs(
  // CHECK-NOT: %[[X]]
  // CHECK-NOT: %[[C]]
  // CHECK: return
  %a, %b = norma.grad_sums kept [0] ins(%x, %x : tensor<3xf64>, tensor<3xf64>)
      center(%c : tensor<3xf64>) outs(%c, %x : tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>
  return %a, %b : tensor<3xf64>, tensor<3xf64>
}

// The gradient may take the buffer of dy, or that of the data.
// CHECK-LABEL: func @grad_map_over_dy(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x3xf32>, %[[DY:[^:]*]]: memref<?x3xf32>, %[[C:[^:]*]]: memref<3xf32>
func.func @grad_map_over_dy(%x: tensor<?x3xf32>, %dy: tensor<?x3xf32>, %c: tensor<3xf32>)
    -> tensor<?x3xf32> {
  // CHECK-NEXT: norma.grad_map kept [1] ins(%[[X]], %[[DY]] : {{.*}}) center(%[[C]] : {{.*}}) outs(%[[DY]] : memref<?x3xf32>)
  // CHECK-NEXT: return %[[DY]]
  %y = norma.grad_map kept [1] ins(%x, %dy : tensor<?x3xf32>, tensor<?x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%dy : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// CHECK-LABEL: func @grad_map_over_data(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x3xf32>, %[[DY:[^:]*]]: memref<?x3xf32>, %[[C:[^:]*]]: memref<3xf32>
func.func @grad_map_over_data(%x: tensor<?x3xf32>, %dy: tensor<?x3xf32>, %c: tensor<3xf32>)
    -> tensor<?x3xf32> {
  // CHECK-NEXT: norma.grad_map kept [1] ins(%[[X]], %[[DY]] : {{.*}}) center(%[[C]] : {{.*}}) outs(%[[X]] : memref<?x3xf32>)
  // CHECK-NEXT: return %[[X]]
  %y = norma.grad_map kept [1] ins(%x, %dy : tensor<?x3xf32>, tensor<?x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// Coefficients and weights may not be overwritten.
// CHECK-LABEL: func @grad_map_over_coefficient(
// CHECK-SAME: %[[X:[^:]*]]: memref<3xf32>, %[[C:[^:]*]]: memref<3xf32>, %[[W:[^:]*]]: memref<3xf32>
func.func @grad_map_over_coefficient(%x: tensor<3xf32>, %c: tensor<3xf32>, %w: tensor<3xf32>)
    -> (tensor<3xf32>, tensor<3xf32>) {
  // CHECK: norma.grad_map {{.*}} scale(%[[C]] : memref<3xf32>) outs(%[[A:.*]] : memref<3xf32>)
  // CHECK: norma.grad_map {{.*}} weights(%[[W]] : memref<3xf32>) outs(%[[B:.*]] : memref<3xf32>)
  // CHECK-NOT: %[[C]]
  // CHECK-NOT: %[[W]]
  // CHECK: return %[[A]], %[[B]]
  %s = arith.constant dense<2.0> : tensor<3xf32>
  %y = norma.grad_map kept [0] ins(%x, %x : tensor<3xf32>, tensor<3xf32>)
      center(%s : tensor<3xf32>) slope(%s : tensor<3xf32>) offset(%s : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%c : tensor<3xf32>) -> tensor<3xf32>
  %z = norma.grad_map kept [0] ins(%x, %x : tensor<3xf32>, tensor<3xf32>)
      center(%s : tensor<3xf32>) slope(%s : tensor<3xf32>) offset(%s : tensor<3xf32>)
      scale(%s : tensor<3xf32>) weights(%w : tensor<3xf32>) outs(%w : tensor<3xf32>) -> tensor<3xf32>
  return %y, %z : tensor<3xf32>, tensor<3xf32>
}
