// RUN: norma-opt %s --canonicalize --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// batch_norm with constants
//===----------------------------------------------------------------------===//

// 3/sqrt(3 + 1), 8/sqrt(15 + 1) and what has no square root.
// CHECK-LABEL: func @constants(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>
func.func @constants(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  // CHECK-DAG: %[[CENTER:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>
  // CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<[1.500000e+00, 2.000000e+00, 0x{{[7F]}}FC00000]> : tensor<3xf32>
  // CHECK-DAG: %[[SHIFT:.*]] = arith.constant dense<[4.000000e+00, 5.000000e+00, 6.000000e+00]> : tensor<3xf32>
  // CHECK-DAG: %[[EXTENT:.*]] = tensor.dim %[[X]]
  // CHECK: %[[INIT:.*]] = tensor.empty(%[[EXTENT]]) : tensor<?x3xf32>
  // CHECK: %[[Y:.*]] = norma.affine kept [1] ins(%[[X]] : tensor<?x3xf32>) center(%[[CENTER]] : tensor<3xf32>) scale(%[[SCALE]] : tensor<3xf32>) shift(%[[SHIFT]] : tensor<3xf32>) outs(%[[INIT]] : tensor<?x3xf32>)
  // CHECK: return %[[Y]]
  %m = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf64>
  %v = arith.constant dense<[3.0, 15.0, -2.0]> : tensor<3xf32>
  %g = arith.constant dense<[3.0, 8.0, 1.0]> : tensor<3xf16>
  %b = arith.constant dense<[4.0, 5.0, 6.0]> : tensor<3xbf16>
  %y = norma.batch_norm %x, %m, %v gamma(%g : tensor<3xf16>) beta(%b : tensor<3xbf16>) kept [1]
      {epsilon = 1.0} : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf32>
  return %y : tensor<?x3xf32>
}

// -----

// Without gamma and beta; the floor decides over epsilon; rounded once, to f64.
// CHECK-LABEL: func @constants_floor(
func.func @constants_floor(%x: tensor<2x4xi8>) -> tensor<2x4xf64> {
  // CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<5.000000e-01> : tensor<f64>
  // CHECK-DAG: %[[CENTER:.*]] = arith.constant dense<1.000000e-01> : tensor<f64>
  // CHECK: norma.affine kept [] ins(%{{.*}} : tensor<2x4xi8>) unsigned center(%[[CENTER]] : tensor<f64>) scale(%[[SCALE]] : tensor<f64>) outs(%{{.*}} : tensor<2x4xf64>)
  %m = arith.constant dense<0.1> : tensor<f64>
  %v = arith.constant dense<3.0> : tensor<f64>
  %y = norma.batch_norm %x, %m, %v kept [] unsigned to f64 {epsilon = 0.5, epsilon_floor = 1.0}
      : tensor<2x4xi8>, tensor<f64>, tensor<f64>
  return %y : tensor<2x4xf64>
}

// -----

// Everything has to be known.
// CHECK-LABEL: func @partly_constant(
func.func @partly_constant(%x: tensor<2x3xf32>, %p: tensor<3xf32>)
    -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK-COUNT-4: norma.batch_norm
  // CHECK-NOT: norma.affine
  %c = arith.constant dense<2.0> : tensor<3xf32>
  %0 = norma.batch_norm %x, %p, %c kept [1] : tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>
  %1 = norma.batch_norm %x, %c, %p kept [1] : tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>
  %2 = norma.batch_norm %x, %c, %c gamma(%p : tensor<3xf32>) kept [1]
      : tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>
  %3 = norma.batch_norm %x, %c, %c beta(%p : tensor<3xf32>) kept [1]
      : tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>
  return %0, %1, %2, %3 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Neutral operands
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @neutral_inference(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>, %[[P:[^:]*]]: tensor<3xf32>
func.func @neutral_inference(%x: tensor<?x3xf32>, %p: tensor<3xf32>)
    -> (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) {
  %one = arith.constant dense<1.0> : tensor<3xf64>
  %zero = arith.constant dense<0.0> : tensor<3xf16>
  %minus_zero = arith.constant dense<-0.0> : tensor<3xf16>
  // CHECK: norma.batch_norm %[[X]], %[[P]], %[[P]] kept [1] :
  %0 = norma.batch_norm %x, %p, %p gamma(%one : tensor<3xf64>) beta(%zero : tensor<3xf16>) kept [1]
      : tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>
  // CHECK: norma.batch_norm %[[X]], %[[P]], %[[P]] gamma(%[[P]] : tensor<3xf32>) kept [1] :
  %1 = norma.batch_norm %x, %p, %p gamma(%p : tensor<3xf32>) beta(%minus_zero : tensor<3xf16>)
      kept [1] : tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>
  // CHECK: norma.batch_norm %[[X]], %[[P]], %[[P]] gamma({{.*}}) beta({{.*}}) kept [1] :
  %2 = norma.batch_norm %x, %p, %p gamma(%zero : tensor<3xf16>) beta(%one : tensor<3xf64>) kept [1]
      : tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>
  return %0, %1, %2 : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @neutral_training(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4x3xf32>, %[[W:[^:]*]]: tensor<4x1xf32>, %[[N:[^:]*]]: tensor<3xf64>
func.func @neutral_training(%x: tensor<4x3xf32>, %w: tensor<4x1xf32>, %n: tensor<3xf64>)
    -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %zero = arith.constant dense<0.0> : tensor<3xf32>
  %scale = arith.constant dense<1.0> : tensor<4x1xf16>
  %bias = arith.constant dense<0.0> : tensor<1x3xf64>
  %mask = arith.constant dense<true> : tensor<4x1xi1>
  %bytes = arith.constant dense<[[1], [2], [-1], [1]]> : tensor<4x1xi8>
  // What is between the dropped operands stays.
  // CHECK: norma.batch_norm_training %[[X]] weights(%[[W]] : tensor<4x1xf32>) statistics(%[[N]], %[[N]], %[[N]] : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1] :
  %a:4 = norma.batch_norm_training %x gamma(%one : tensor<3xf32>) beta(%zero : tensor<3xf32>)
      mask(%mask : tensor<4x1xi1>) weights(%w : tensor<4x1xf32>)
      adjust_scale(%scale : tensor<4x1xf16>) adjust_bias(%bias : tensor<1x3xf64>)
      statistics(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1]
      : tensor<4x3xf32>
  // CHECK: norma.batch_norm_training %[[X]] kept [1] :
  %b:4 = norma.batch_norm_training %x mask(%bytes : tensor<4x1xi8>) kept [1] : tensor<4x3xf32>
  return %a#0, %b#0 : tensor<4x3xf32>, tensor<4x3xf32>
}

// -----

// CHECK-LABEL: func @not_neutral_training(
func.func @not_neutral_training(%x: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %gamma = arith.constant dense<[1.0, 1.0, 2.0]> : tensor<3xf32>
  %beta = arith.constant dense<[0.0, 0.0, 1.0]> : tensor<3xf32>
  %zero = arith.constant dense<0.0> : tensor<4x1xf32>
  %one = arith.constant dense<1.0> : tensor<4x1xf32>
  %mask = arith.constant dense<[[true], [true], [true], [false]]> : tensor<4x1xi1>
  %nothing = arith.constant dense<0> : tensor<4x1xi8>
  // CHECK: norma.batch_norm_training %{{.*}} gamma({{.*}}) beta({{.*}}) mask({{.*}}) adjust_scale({{.*}}) adjust_bias({{.*}}) kept [1]
  %a:4 = norma.batch_norm_training %x gamma(%gamma : tensor<3xf32>) beta(%beta : tensor<3xf32>)
      mask(%mask : tensor<4x1xi1>) adjust_scale(%zero : tensor<4x1xf32>)
      adjust_bias(%one : tensor<4x1xf32>) kept [1] : tensor<4x3xf32>
  // CHECK: norma.batch_norm_training %{{.*}} mask({{.*}}) kept [1]
  %b:4 = norma.batch_norm_training %x mask(%nothing : tensor<4x1xi8>) kept [1] : tensor<4x3xf32>
  return %a#0, %b#0 : tensor<4x3xf32>, tensor<4x3xf32>
}

// -----

// gamma is the type of its gradient: it goes only where that stays the same.
// CHECK-LABEL: func @neutral_gradient(
func.func @neutral_gradient(%x: tensor<4x3xf16>, %y: tensor<?x?xf32>, %s: tensor<3xf64>,
                            %sy: tensor<?xf64>)
    -> (tensor<3xf32>, tensor<3xf16>, tensor<3xf32>, tensor<4x3xf16>) {
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %half = arith.constant dense<1.0> : tensor<3xf16>
  %scale = arith.constant dense<1.0> : tensor<4x1xf32>
  %bias = arith.constant dense<0.0> : tensor<4x1xf32>
  %mask = arith.constant dense<true> : tensor<4x3xi1>
  // CHECK: norma.batch_norm_grad {{.*}} saved({{[^)]*}}) kept [1] :
  %a:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) gamma(%one : tensor<3xf32>)
      mask(%mask : tensor<4x3xi1>) adjust_scale(%scale : tensor<4x1xf32>)
      adjust_bias(%bias : tensor<4x1xf32>) kept [1] : tensor<4x3xf16>, tensor<4x3xf16>
  // CHECK: norma.batch_norm_grad {{.*}} gamma({{[^)]*}} : tensor<3xf16>) kept [1] :
  %b:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) gamma(%half : tensor<3xf16>)
      kept [1] : tensor<4x3xf16>, tensor<4x3xf16>
  // CHECK: norma.batch_norm_grad {{.*}} gamma({{[^)]*}} : tensor<3xf32>) kept [1] :
  %c:3 = norma.batch_norm_grad %y, %y saved(%sy, %sy, %sy : tensor<?xf64>)
      gamma(%one : tensor<3xf32>) kept [1] : tensor<?x?xf32>, tensor<?x?xf32>
  // CHECK: norma.batch_norm_grad {{.*}} saved({{[^)]*}}) kept [1] {trainable_affine = false} :
  %d = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) gamma(%half : tensor<3xf16>)
      kept [1] {trainable_affine = false} : tensor<4x3xf16>, tensor<4x3xf16>
  return %a#1, %b#1, %c#1, %d : tensor<3xf32>, tensor<3xf16>, tensor<3xf32>, tensor<4x3xf16>
}

// -----

//===----------------------------------------------------------------------===//
// Frozen training
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @frozen(
// CHECK-SAME: %[[X:[^:]*]]: tensor<8x3xi8>, %[[G:[^:]*]]: tensor<3xf32>, %[[M:[^:]*]]: tensor<3xf32>, %[[V:[^:]*]]: tensor<3xf64>
func.func @frozen(%x: tensor<8x3xi8>, %g: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf64>)
    -> (tensor<8x3xf16>, tensor<3xf32>, tensor<3xf64>) {
  // CHECK-NEXT: %[[Y:.*]] = norma.batch_norm %[[X]], %[[M]], %[[V]] gamma(%[[G]] : tensor<3xf32>) beta(%[[M]] : tensor<3xf32>) kept [1] unsigned to f16 {epsilon = 1.000000e-05 : f64, epsilon_floor = 1.001000e-05 : f64} : tensor<8x3xi8>, tensor<3xf32>, tensor<3xf64>
  // CHECK-NEXT: return %[[Y]], %[[M]], %[[V]]
  %y:6 = norma.batch_norm_training %x gamma(%g : tensor<3xf32>) beta(%m : tensor<3xf32>)
      moving(%m, %v : tensor<3xf32>, tensor<3xf64>) kept [1] unsigned to f16
      {use_batch_statistics = false, update_moving = false, virtual_batch_size = 4,
       epsilon = 1.0e-5, epsilon_floor = 1.001e-5} : tensor<8x3xi8>
  return %y#0, %y#4, %y#5 : tensor<8x3xf16>, tensor<3xf32>, tensor<3xf64>
}

// -----

// Mask and renorm do not matter to a frozen layer.
// CHECK-LABEL: func @frozen_renorm(
// CHECK-SAME: %[[X:[^:]*]]: tensor<8x3xf32>, %[[M:[^:]*]]: tensor<3xf32>, %[[V:[^:]*]]: tensor<3xf32>, %[[S:[^:]*]]: tensor<3xf64>
func.func @frozen_renorm(%x: tensor<8x3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>, %s: tensor<3xf64>,
                         %mask: tensor<8x1xi1>) -> (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf64>) {
  // CHECK-NEXT: %[[Y:.*]] = norma.batch_norm %[[X]], %[[M]], %[[V]] kept [1] : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  // CHECK-NEXT: return %[[Y]], %[[V]], %[[S]]
  %y:11 = norma.batch_norm_training %x moving(%m, %v : tensor<3xf32>, tensor<3xf32>)
      renorm(%m, %m, %s : tensor<3xf32>, tensor<3xf32>, tensor<3xf64>) mask(%mask : tensor<8x1xi1>)
      kept [1] {use_batch_statistics = false, update_moving = false} : tensor<8x3xf32>
  return %y#0, %y#5, %y#8 : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf64>
}

// -----

// What is saved for a gradient, an adjustment, or a half-frozen layer keep the op.
// CHECK-LABEL: func @not_frozen(
func.func @not_frozen(%x: tensor<8x3xf32>, %m: tensor<3xf32>, %a: tensor<8x1xf32>)
    -> (tensor<3xf64>, tensor<3xf64>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>) {
  // CHECK-COUNT-5: norma.batch_norm_training
  // CHECK-NOT: norma.batch_norm %
  %0:6 = norma.batch_norm_training %x moving(%m, %m : tensor<3xf32>, tensor<3xf32>) kept [1]
      {use_batch_statistics = false, update_moving = false} : tensor<8x3xf32>
  %1:11 = norma.batch_norm_training %x moving(%m, %m : tensor<3xf32>, tensor<3xf32>)
      renorm(%m, %m, %m : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) kept [1]
      {use_batch_statistics = false, update_moving = false} : tensor<8x3xf32>
  %2:6 = norma.batch_norm_training %x moving(%m, %m : tensor<3xf32>, tensor<3xf32>)
      adjust_bias(%a : tensor<8x1xf32>) kept [1]
      {use_batch_statistics = false, update_moving = false} : tensor<8x3xf32>
  %3:6 = norma.batch_norm_training %x moving(%m, %m : tensor<3xf32>, tensor<3xf32>) kept [1]
      {use_batch_statistics = false} : tensor<8x3xf32>
  %4:6 = norma.batch_norm_training %x moving(%m, %m : tensor<3xf32>, tensor<3xf32>) kept [1]
      {update_moving = false} : tensor<8x3xf32>
  return %0#3, %1#9, %2#0, %3#0, %4#0
      : tensor<3xf64>, tensor<3xf64>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @dead(
func.func @dead(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %s: tensor<3xf64>, %c: tensor<3xf32>,
                %a: memref<8x3xf32>, %q: memref<3xf32>, %t: memref<3xf64>) {
  // CHECK-NEXT: norma.grad_sums
  // CHECK-NEXT: norma.grad_map
  // CHECK-NEXT: return
  %0 = norma.batch_norm %x, %p, %p kept [1] : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  %1:4 = norma.batch_norm_training %x kept [1] : tensor<8x3xf32>
  %2:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) kept [1]
      : tensor<8x3xf32>, tensor<8x3xf32>
  %3:2 = norma.grad_sums kept [1] ins(%x, %x : tensor<8x3xf32>, tensor<8x3xf32>)
      center(%s : tensor<3xf64>) outs(%s, %s : tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>
  %4 = norma.grad_map kept [1] ins(%x, %x : tensor<8x3xf32>, tensor<8x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%x : tensor<8x3xf32>) -> tensor<8x3xf32>
  norma.grad_sums kept [1] ins(%a, %a : memref<8x3xf32>, memref<8x3xf32>)
      center(%t : memref<3xf64>) outs(%t, %t : memref<3xf64>, memref<3xf64>)
  norma.grad_map kept [1] ins(%a, %a : memref<8x3xf32>, memref<8x3xf32>)
      center(%q : memref<3xf32>) slope(%q : memref<3xf32>) offset(%q : memref<3xf32>)
      scale(%q : memref<3xf32>) outs(%a : memref<8x3xf32>)
  return
}
