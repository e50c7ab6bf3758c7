// RUN: norma-opt %s --verify-roundtrip | FileCheck %s
// RUN: norma-opt %s --mlir-print-op-generic | norma-opt | FileCheck %s
// RUN: norma-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: norma-opt %s --emit-bytecode | norma-opt | FileCheck %s

// CHECK-LABEL: func @normalize(
// CHECK-SAME: %[[X:.*]]: tensor<?x13xf32>, %[[MEAN:.*]]: tensor<13xf64>, %[[VARIANCE:.*]]: tensor<13xf64>)
func.func @normalize(%x: tensor<?x13xf32>, %mean: tensor<13xf64>, %variance: tensor<13xf64>)
    -> tensor<?x13xf32> {
  // CHECK: %[[Y:.*]] = norma.normalize %[[X]], %[[MEAN]], %[[VARIANCE]] kept [1] : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  // GENERIC: "norma.normalize"(%{{.*}}, %{{.*}}, %{{.*}}) <{epsilon = {{.*}} : f64, epsilon_mode = #norma<epsilon_mode clamp_std>, kept = array<i64: 1>, zero_variance = #norma<zero_variance clamp>}> : (tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>) -> tensor<?x13xf32>
  %y = norma.normalize %x, %mean, %variance kept [1]
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  // CHECK: norma.normalize %[[Y]], %[[MEAN]], %[[VARIANCE]] kept [1] inverse :
  // GENERIC: "norma.normalize"{{.*}} inverse, kept
  %z = norma.normalize %y, %mean, %variance kept [1] inverse
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %z : tensor<?x13xf32>
}

// Integers make f32, unless `to` says otherwise.
// CHECK-LABEL: func @normalize_integers(
func.func @normalize_integers(%x: tensor<4x2x3xi8>, %mean: tensor<4x3xf16>, %variance: tensor<4x3xbf16>)
    -> (tensor<4x2x3xf32>, tensor<4x2x3xf16>) {
  // CHECK: norma.normalize %{{.*}} kept [0, 2] unsigned : tensor<4x2x3xi8>, tensor<4x3xf16>, tensor<4x3xbf16>
  %y = norma.normalize %x, %mean, %variance kept [0, 2] unsigned
      : tensor<4x2x3xi8>, tensor<4x3xf16>, tensor<4x3xbf16>
  // CHECK: norma.normalize %{{.*}} kept [0, 2] to f16 compute f64 :
  %z = norma.normalize %x, %mean, %variance kept [0, 2] to f16 compute f64
      : tensor<4x2x3xi8>, tensor<4x3xf16>, tensor<4x3xbf16>
  return %y, %z : tensor<4x2x3xf32>, tensor<4x2x3xf16>
}

// CHECK-LABEL: func @normalize_policies(
func.func @normalize_policies(%x: tensor<f32>, %mean: tensor<f32>, %variance: tensor<f32>)
    -> tensor<f32> {
  // CHECK: norma.normalize %{{.*}} kept []
  // CHECK-SAME: {epsilon = 1.000000e-03 : f64, epsilon_mode = #norma<epsilon_mode add_to_variance>, zero_variance = #norma<zero_variance unit>}
  %y = norma.normalize %x, %mean, %variance kept []
      {epsilon = 1.0e-3, epsilon_mode = #norma<epsilon_mode add_to_variance>,
       zero_variance = #norma<zero_variance unit>} : tensor<f32>, tensor<f32>, tensor<f32>
  // CHECK: norma.normalize %{{.*}} {epsilon_mode = #norma<epsilon_mode add_to_std>} :
  %z = norma.normalize %y, %mean, %variance kept [] {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<f32>, tensor<f32>, tensor<f32>
  return %z : tensor<f32>
}

// CHECK-LABEL: func @statistics(
func.func @statistics(%x: tensor<?x13xf32>, %n0: tensor<13xf64>, %m0: tensor<13xf64>, %s0: tensor<13xf64>,
                      %mask: tensor<?x1xi1>, %weights: tensor<1x13xf32>)
    -> (tensor<13xf64>, tensor<13xf64>, tensor<13xf64>, tensor<13xf64>) {
  // CHECK: %[[N:.*]], %[[M:.*]], %[[S:.*]] = norma.adapt %{{.*}} into(%{{.*}}, %{{.*}}, %{{.*}}) kept [1] : tensor<?x13xf32>, tensor<13xf64>
  %n, %m, %s = norma.adapt %x into (%n0, %m0, %s0) kept [1] : tensor<?x13xf32>, tensor<13xf64>
  // CHECK: %[[P:.*]], %[[Q:.*]], %[[R:.*]] = norma.adapt %{{.*}} into(%[[N]], %[[M]], %[[S]])
  // CHECK-SAME: mask %{{.*}} : tensor<?x1xi1> weights %{{.*}} : tensor<1x13xf32> kept [1] {nan = #norma<nan omit>} :
  // GENERIC: "norma.adapt"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1>
  %p, %q, %r = norma.adapt %x into (%n, %m, %s) mask %mask : tensor<?x1xi1>
      weights %weights : tensor<1x13xf32> kept [1] {nan = #norma<nan omit>}
      : tensor<?x13xf32>, tensor<13xf64>
  // CHECK: norma.merge(%[[N]], %[[M]], %[[S]]), (%[[P]], %[[Q]], %[[R]]) : tensor<13xf64>
  %a, %b, %c = norma.merge (%n, %m, %s), (%p, %q, %r) : tensor<13xf64>
  // CHECK: norma.finalize %{{.*}}, %{{.*}}, %{{.*}} : tensor<13xf64>
  %mean, %variance = norma.finalize %a, %b, %c : tensor<13xf64>
  // CHECK: norma.finalize %{{.*}}, %{{.*}}, %{{.*}} sample detect_constant : tensor<13xf64>
  // GENERIC: "norma.finalize"{{.*}} <{detect_constant, sample}>
  %mean2, %variance2 = norma.finalize %a, %b, %c sample detect_constant : tensor<13xf64>
  return %mean, %variance, %mean2, %variance2
      : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>, tensor<13xf64>
}

// CHECK-LABEL: func @adapt_unsigned(
func.func @adapt_unsigned(%x: tensor<8xi8>, %n: tensor<f64>) -> tensor<f64> {
  // CHECK: norma.adapt %{{.*}} kept [] unsigned : tensor<8xi8>, tensor<f64>
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [] unsigned : tensor<8xi8>, tensor<f64>
  return %b : tensor<f64>
}

// CHECK-LABEL: func @affine_tensors(
func.func @affine_tensors(%x: tensor<?x13xf32>, %c: tensor<13xf32>, %init: tensor<?x13xf32>)
    -> tensor<?x13xf32> {
  // CHECK: norma.affine kept [1] ins(%{{.*}} : tensor<?x13xf32>) center(%[[C:.*]] : tensor<13xf32>) scale(%[[C]] : tensor<13xf32>) shift(%[[C]] : tensor<13xf32>) outs(%{{.*}} : tensor<?x13xf32>) -> tensor<?x13xf32>
  %y = norma.affine kept [1] ins(%x : tensor<?x13xf32>) center(%c : tensor<13xf32>)
      scale(%c : tensor<13xf32>) shift(%c : tensor<13xf32>) outs(%init : tensor<?x13xf32>)
      -> tensor<?x13xf32>
  return %y : tensor<?x13xf32>
}

// CHECK-LABEL: func @affine_memrefs(
func.func @affine_memrefs(%x: memref<?x3xi8, strided<[?, 1], offset: ?>>, %s: memref<3xf64>, %y: memref<?x3xbf16>) {
  // CHECK: norma.affine kept [1] ins(%{{.*}} : memref<?x3xi8, strided<[?, 1], offset: ?>>) unsigned scale(%{{.*}} : memref<3xf64>) outs(%{{.*}} : memref<?x3xbf16>){{$}}
  norma.affine kept [1] ins(%x : memref<?x3xi8, strided<[?, 1], offset: ?>>) unsigned
      scale(%s : memref<3xf64>) outs(%y : memref<?x3xbf16>)
  // CHECK: norma.affine kept [] ins(%{{.*}}) outs(%{{.*}} : memref<?x3xbf16>){{$}}
  norma.affine kept [] ins(%x : memref<?x3xi8, strided<[?, 1], offset: ?>>) outs(%y : memref<?x3xbf16>)
  return
}

// CHECK-LABEL: func @moments_tensors(
func.func @moments_tensors(%x: tensor<4x2x3xf64>, %mask: tensor<4x1x1xi8>, %weights: tensor<1x2x3xi32>,
                           %i: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
  // CHECK: norma.moments kept [2] ins(%{{.*}} : tensor<4x2x3xf64>) mask(%{{.*}} : tensor<4x1x1xi8>) weights(%{{.*}} : tensor<1x2x3xi32>)
  // CHECK-SAME: outs(%[[I:.*]], %[[I]], %[[I]] : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {nan = #norma<nan omit>}
  // CHECK-SAME: -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  %n, %m, %s = norma.moments kept [2] ins(%x : tensor<4x2x3xf64>) mask(%mask : tensor<4x1x1xi8>)
      weights(%weights : tensor<1x2x3xi32>)
      outs(%i, %i, %i : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {nan = #norma<nan omit>}
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %n, %m, %s : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
}

// CHECK-LABEL: func @moments_memrefs(
func.func @moments_memrefs(%x: memref<?x5xi16>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  // CHECK: norma.moments kept [1] ins(%{{.*}} : memref<?x5xi16>) unsigned outs(%{{.*}}, %{{.*}}, %{{.*}} : memref<5xf64>, memref<5xf64>, memref<5xf64>){{$}}
  norma.moments kept [1] ins(%x : memref<?x5xi16>) unsigned
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
  return
}

// CHECK-LABEL: func @grad_sums(
func.func @grad_sums(%x: tensor<4x2x3xf64>, %dy: tensor<4x2x3xf16>, %mask: tensor<4x1x1xi8>,
                     %weights: tensor<1x2x3xi32>, %i: tensor<3xf64>, %a: memref<?x5xi16>,
                     %da: memref<?x5xf32, strided<[?, ?], offset: ?>>, %s: memref<5xf64>)
    -> (tensor<3xf64>, tensor<3xf64>) {
  // CHECK: norma.grad_sums kept [2] ins(%{{.*}}, %{{.*}} : tensor<4x2x3xf64>, tensor<4x2x3xf16>) center(%[[I:.*]] : tensor<3xf64>)
  // CHECK-SAME: mask(%{{.*}} : tensor<4x1x1xi8>) weights(%{{.*}} : tensor<1x2x3xi32>)
  // CHECK-SAME: outs(%[[I]], %[[I]] : tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>, tensor<3xf64>
  // GENERIC: "norma.grad_sums"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>
  %b, %c = norma.grad_sums kept [2] ins(%x, %dy : tensor<4x2x3xf64>, tensor<4x2x3xf16>)
      center(%i : tensor<3xf64>) mask(%mask : tensor<4x1x1xi8>) weights(%weights : tensor<1x2x3xi32>)
      outs(%i, %i : tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>, tensor<3xf64>
  // CHECK: norma.grad_sums kept [1] ins(%{{.*}}, %{{.*}} : memref<?x5xi16>, memref<?x5xf32, strided<[?, ?], offset: ?>>) unsigned
  // CHECK-SAME: center(%[[S:.*]] : memref<5xf64>) outs(%[[S]], %[[S]] : memref<5xf64>, memref<5xf64>)
  // CHECK-SAME: {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  norma.grad_sums kept [1] ins(%a, %da : memref<?x5xi16>, memref<?x5xf32, strided<[?, ?], offset: ?>>)
      unsigned center(%s : memref<5xf64>) outs(%s, %s : memref<5xf64>, memref<5xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  return %b, %c : tensor<3xf64>, tensor<3xf64>
}

// CHECK-LABEL: func @grad_map(
func.func @grad_map(%x: tensor<?x3xi8>, %dy: tensor<?x3xf16>, %c: tensor<3xf32>, %mask: tensor<?x1xi1>,
                    %weights: tensor<?x3xbf16>, %i: tensor<?x3xf64>, %a: memref<7xf32>, %s: memref<f64>)
    -> tensor<?x3xf64> {
  // CHECK: norma.grad_map kept [1] ins(%{{.*}}, %{{.*}} : tensor<?x3xi8>, tensor<?x3xf16>) unsigned
  // CHECK-SAME: center(%[[C:.*]] : tensor<3xf32>) slope(%[[C]] : tensor<3xf32>) offset(%[[C]] : tensor<3xf32>) scale(%[[C]] : tensor<3xf32>)
  // CHECK-SAME: mask(%{{.*}} : tensor<?x1xi1>) weights(%{{.*}} : tensor<?x3xbf16>) outs(%{{.*}} : tensor<?x3xf64>) -> tensor<?x3xf64>
  // GENERIC: "norma.grad_map"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 1, 1>
  %y = norma.grad_map kept [1] ins(%x, %dy : tensor<?x3xi8>, tensor<?x3xf16>) unsigned
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) mask(%mask : tensor<?x1xi1>) weights(%weights : tensor<?x3xbf16>)
      outs(%i : tensor<?x3xf64>) -> tensor<?x3xf64>
  // CHECK: norma.grad_map kept [] ins(%[[A:.*]], %[[A]] : memref<7xf32>, memref<7xf32>)
  // CHECK-SAME: scale(%{{.*}} : memref<f64>) outs(%[[A]] : memref<7xf32>) {schedule = #norma.schedule<runs, vector = 8, unroll = 2>}
  norma.grad_map kept [] ins(%a, %a : memref<7xf32>, memref<7xf32>) center(%s : memref<f64>)
      slope(%s : memref<f64>) offset(%s : memref<f64>) scale(%s : memref<f64>)
      outs(%a : memref<7xf32>) {schedule = #norma.schedule<runs, vector = 8, unroll = 2>}
  return %y : tensor<?x3xf64>
}

// CHECK-LABEL: func @schedules(
func.func @schedules(%x: memref<?x13xf32>, %y: memref<?x13xf32>, %n: memref<13xf64>, %m: memref<13xf64>,
                     %s: memref<13xf64>, %t: memref<f64>) {
  // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 8, line = 208, block = 20165, nontemporal = true>}
  norma.affine kept [1] ins(%x : memref<?x13xf32>) outs(%y : memref<?x13xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 8, line = 208, block = 20165, nontemporal = true>}
  // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  norma.moments kept [1] ins(%x : memref<?x13xf32>)
      outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, prefetch = 416>}
  norma.moments kept [1] ins(%x : memref<?x13xf32>)
      outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, prefetch = 416>}
  // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<runs, vector = 1, unroll = 2, parts = 2, streams = 4>}
  norma.moments kept [] ins(%x : memref<?x13xf32>)
      outs(%t, %t, %t : memref<f64>, memref<f64>, memref<f64>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 2, parts = 2, streams = 4>}
  return
}

// A scalar is a run of one element.
// CHECK-LABEL: func @schedule_of_scalar(
func.func @schedule_of_scalar(%x: memref<f32>, %y: memref<f32>) {
  // CHECK: norma.affine kept [] {{.*}} {schedule = #norma.schedule<runs, vector = 1, unroll = 1>}
  norma.affine kept [] ins(%x : memref<f32>) outs(%y : memref<f32>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 1>}
  return
}
