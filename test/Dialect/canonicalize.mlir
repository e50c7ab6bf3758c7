// RUN: norma-opt %s --canonicalize --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// normalize undone by its inverse
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @forward_then_inverse(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>
func.func @forward_then_inverse(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>)
    -> tensor<?x3xf32> {
  // CHECK-NEXT: return %[[X]]
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @inverse_then_forward(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4xf32>
func.func @inverse_then_forward(%x: tensor<4xf32>, %m: tensor<f32>, %v: tensor<f32>) -> tensor<4xf32> {
  // CHECK-NEXT: return %[[X]]
  %y = norma.normalize %x, %m, %v kept [] inverse {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<4xf32>, tensor<f32>, tensor<f32>
  %z = norma.normalize %y, %m, %v kept [] {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<4xf32>, tensor<f32>, tensor<f32>
  return %z : tensor<4xf32>
}

// -----

// The constants do not get in the way.
// CHECK-LABEL: func @pair_of_constants(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x2xf32>
func.func @pair_of_constants(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // CHECK-NEXT: return %[[X]]
  %m = arith.constant dense<[1.0, 2.0]> : tensor<2xf64>
  %v = arith.constant dense<[3.0, 4.0]> : tensor<2xf64>
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x2xf32>, tensor<2xf64>, tensor<2xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x2xf32>, tensor<2xf64>, tensor<2xf64>
  return %z : tensor<?x2xf32>
}

// -----

// CHECK-LABEL: func @same_direction(
func.func @same_direction(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @other_epsilon(
func.func @other_epsilon(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse {epsilon = 1.0e-3}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// With an epsilon of zero the divisor may be zero, and x * 0 / 0 is not x.
// CHECK-LABEL: func @no_epsilon(
func.func @no_epsilon(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] {epsilon = 0.0}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse {epsilon = 0.0}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @other_epsilon_mode(
func.func @other_epsilon_mode(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>)
    -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @other_zero_variance(
func.func @other_zero_variance(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>)
    -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] {zero_variance = #norma<zero_variance unit>}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @other_statistics(
func.func @other_statistics(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %v, %m kept [1] inverse : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @other_axis(
func.func @other_axis(%x: tensor<3x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<3x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<3x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [0] inverse : tensor<3x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<3x3xf32>
}

// -----

// The way back does not lead to the type it came from.
// CHECK-LABEL: func @other_type(
func.func @other_type(%x: tensor<?x3xi8>, %m: tensor<3xf64>, %v: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK-COUNT-2: norma.normalize
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xi8>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}

// -----

//===----------------------------------------------------------------------===//
// normalize with constant statistics
//===----------------------------------------------------------------------===//

// Standard deviations 2, 0 (clamped to 1e-7) and a variance that has none.
// CHECK-LABEL: func @constant_statistics(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>
func.func @constant_statistics(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  // CHECK-DAG: %[[CENTER:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>
  // CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<[5.000000e-01, 1.000000e+07, 0x{{[7F]}}FC00000]> : tensor<3xf32>
  // CHECK-DAG: %[[EXTENT:.*]] = tensor.dim %[[X]]
  // CHECK: %[[INIT:.*]] = tensor.empty(%[[EXTENT]]) : tensor<?x3xf32>
  // CHECK: %[[Y:.*]] = norma.affine kept [1] ins(%[[X]] : tensor<?x3xf32>) center(%[[CENTER]] : tensor<3xf32>) scale(%[[SCALE]] : tensor<3xf32>) outs(%[[INIT]] : tensor<?x3xf32>)
  // CHECK: return %[[Y]]
  %m = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf64>
  %v = arith.constant dense<[4.0, 0.0, -1.0]> : tensor<3xf64>
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func @constant_statistics_inverse(
func.func @constant_statistics_inverse(%x: tensor<2x4xi8>) -> tensor<2x4xf16> {
  // CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<1.500000e+00> : tensor<f32>
  // CHECK-DAG: %[[SHIFT:.*]] = arith.constant dense<1.000000e-01> : tensor<f32>
  // CHECK: norma.affine kept [] ins(%{{.*}} : tensor<2x4xi8>) unsigned scale(%[[SCALE]] : tensor<f32>) shift(%[[SHIFT]] : tensor<f32>) outs(%{{.*}} : tensor<2x4xf16>)
  %m = arith.constant dense<0.1> : tensor<f64>
  %v = arith.constant dense<2.25> : tensor<f32>
  %y = norma.normalize %x, %m, %v kept [] inverse unsigned to f16
      : tensor<2x4xi8>, tensor<f64>, tensor<f32>
  return %y : tensor<2x4xf16>
}

// -----

// CHECK-LABEL: func @constant_statistics_unit(
func.func @constant_statistics_unit(%x: tensor<?x2xf64>) -> tensor<?x2xf64> {
  // CHECK: arith.constant dense<[1.000000e+00, 2.500000e-01]> : tensor<2xf64>
  // CHECK: norma.affine
  %m = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %v = arith.constant dense<[0.0, 16.0]> : tensor<2xf32>
  %y = norma.normalize %x, %m, %v kept [1] {zero_variance = #norma<zero_variance unit>}
      : tensor<?x2xf64>, tensor<2xf32>, tensor<2xf32>
  return %y : tensor<?x2xf64>
}

// -----

// 1/sqrt(3 + 1) and 1/(sqrt(4) + 2).
// CHECK-LABEL: func @constant_statistics_epsilon(
func.func @constant_statistics_epsilon(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  // CHECK-DAG: arith.constant dense<5.000000e-01> : tensor<f32>
  // CHECK-DAG: arith.constant dense<2.500000e-01> : tensor<f32>
  // CHECK-COUNT-2: norma.affine
  %m = arith.constant dense<7.0> : tensor<f32>
  %v = arith.constant dense<3.0> : tensor<f32>
  %w = arith.constant dense<4.0> : tensor<f32>
  %y = norma.normalize %x, %m, %v kept [] {epsilon = 1.0, epsilon_mode = #norma<epsilon_mode add_to_variance>}
      : tensor<2xf32>, tensor<f32>, tensor<f32>
  %z = norma.normalize %x, %m, %w kept [] {epsilon = 2.0, epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<2xf32>, tensor<f32>, tensor<f32>
  return %y, %z : tensor<2xf32>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func @one_constant_statistic(
func.func @one_constant_statistic(%x: tensor<2xf32>, %v: tensor<f32>) -> tensor<2xf32> {
  // CHECK: norma.normalize
  // CHECK-NOT: norma.affine
  %m = arith.constant dense<7.0> : tensor<f32>
  %y = norma.normalize %x, %m, %v kept [] : tensor<2xf32>, tensor<f32>, tensor<f32>
  return %y : tensor<2xf32>
}

// -----

//===----------------------------------------------------------------------===//
// affine
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @drop_neutral(
// CHECK-SAME: %{{.*}}: tensor<?x3xf32>, %[[C:[^:]*]]: tensor<3xf32>
func.func @drop_neutral(%x: tensor<?x3xf32>, %c: tensor<3xf32>, %init: tensor<?x3xf32>)
    -> (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) {
  %zero = arith.constant dense<0.0> : tensor<3xf32>
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %minus_zero = arith.constant dense<-0.0> : tensor<3xf32>
  // CHECK: norma.affine kept [1] ins(%{{[^)]*}}) scale(%[[C]] : tensor<3xf32>) outs(
  %a = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%zero : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%init : tensor<?x3xf32>) -> tensor<?x3xf32>
  // CHECK: norma.affine kept [1] ins(%{{[^)]*}}) shift(%[[C]] : tensor<3xf32>) outs(
  %b = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%zero : tensor<3xf32>)
      scale(%one : tensor<3xf32>) shift(%c : tensor<3xf32>) outs(%init : tensor<?x3xf32>)
      -> tensor<?x3xf32>
  // CHECK: norma.affine kept [1] ins(%{{[^)]*}}) center(%[[C]] : tensor<3xf32>) outs(
  %d = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%c : tensor<3xf32>)
      shift(%minus_zero : tensor<3xf32>) outs(%init : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %a, %b, %d : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
}

// -----

// Adding +0 turns -0 into +0; subtracting -0 does too.
// CHECK-LABEL: func @keep_zeros_of_the_wrong_sign(
func.func @keep_zeros_of_the_wrong_sign(%x: tensor<?x3xf32>, %s: tensor<3xf32>, %init: tensor<?x3xf32>)
    -> tensor<?x3xf32> {
  // CHECK: norma.affine {{.*}} center({{.*}} scale({{.*}} shift(
  %zero = arith.constant dense<0.0> : tensor<3xf32>
  %minus_zero = arith.constant dense<-0.0> : tensor<3xf32>
  %y = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%minus_zero : tensor<3xf32>)
      scale(%s : tensor<3xf32>) shift(%zero : tensor<3xf32>) outs(%init : tensor<?x3xf32>)
      -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// -----

// The last coefficient stays: without it the formula would be evaluated in f32.
// CHECK-LABEL: func @keep_compute_type(
func.func @keep_compute_type(%x: tensor<?x3xi32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  // CHECK: norma.affine kept [1] ins(%{{[^)]*}}) scale(%{{.*}} : tensor<3xf64>) outs(
  %zero = arith.constant dense<0.0> : tensor<3xf64>
  %one = arith.constant dense<1.0> : tensor<3xf64>
  %y = norma.affine kept [1] ins(%x : tensor<?x3xi32>) center(%zero : tensor<3xf64>)
      scale(%one : tensor<3xf64>) outs(%init : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @merge_with_nothing(
// CHECK-SAME: %[[N:[^:]*]]: tensor<3xf64>, %[[M:[^:]*]]: tensor<3xf64>, %[[S:[^:]*]]: tensor<3xf64>
func.func @merge_with_nothing(%n: tensor<3xf64>, %m: tensor<3xf64>, %s: tensor<3xf64>)
    -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
  // CHECK-NEXT: return %[[N]], %[[M]], %[[S]], %[[N]], %[[M]], %[[S]]
  %zero = arith.constant dense<0.0> : tensor<3xf64>
  %a:3 = norma.merge (%zero, %zero, %zero), (%n, %m, %s) : tensor<3xf64>
  %b:3 = norma.merge (%n, %m, %s), (%zero, %m, %s) : tensor<3xf64>
  return %a#0, %a#1, %a#2, %b#0, %b#1, %b#2
      : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
}

// -----

// One kept index with data is enough to keep the merge.
// CHECK-LABEL: func @merge_with_something(
func.func @merge_with_something(%n: tensor<3xf64>, %m: tensor<3xf64>, %s: tensor<3xf64>) -> tensor<3xf64> {
  // CHECK: norma.merge
  %count = arith.constant dense<[0.0, 0.0, 1.0]> : tensor<3xf64>
  %a:3 = norma.merge (%count, %m, %s), (%n, %m, %s) : tensor<3xf64>
  return %a#1 : tensor<3xf64>
}

// -----

// CHECK-LABEL: func @finalize_constants(
func.func @finalize_constants() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  // CHECK-DAG: %[[MEAN:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00, 0.000000e+00, 1.000000e+08]>
  // CHECK-DAG: %[[POPULATION:.*]] = arith.constant dense<[3.000000e+00, 5.000000e+00, 0.000000e+00, 1.000000e-18]>
  // CHECK-DAG: %[[SAMPLE:.*]] = arith.constant dense<[4.000000e+00, 5.000000e+00, 0.000000e+00, 0.000000e+00]>
  // CHECK: return %[[MEAN]], %[[POPULATION]], %[[SAMPLE]]
  %n = arith.constant dense<[4.0, 1.0, 0.0, 10.0]> : tensor<4xf64>
  %m = arith.constant dense<[1.0, 2.0, 7.0, 1.0e8]> : tensor<4xf64>
  %s = arith.constant dense<[12.0, 5.0, 9.0, 1.0e-17]> : tensor<4xf64>
  %mean, %population = norma.finalize %n, %m, %s : tensor<4xf64>
  %mean2, %sample = norma.finalize %n, %m, %s sample detect_constant : tensor<4xf64>
  return %mean, %population, %sample : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// -----

// Constants of a few characters that have more elements than there is memory.
// CHECK-LABEL: func @huge_constants(
func.func @huge_constants(%x: tensor<2x4611686018427387904xf32>)
    -> (tensor<4611686018427387904xf64>, tensor<2x4611686018427387904xf32>) {
  %s = arith.constant dense<4.0> : tensor<4611686018427387904xf64>
  // CHECK: norma.finalize
  %mean, %variance = norma.finalize %s, %s, %s : tensor<4611686018427387904xf64>
  // CHECK: norma.normalize
  %y = norma.normalize %x, %s, %s kept [1] : tensor<2x4611686018427387904xf32>,
      tensor<4611686018427387904xf64>, tensor<4611686018427387904xf64>
  return %variance, %y : tensor<4611686018427387904xf64>, tensor<2x4611686018427387904xf32>
}

// -----

// CHECK-LABEL: func @finalize_partly_constant(
func.func @finalize_partly_constant(%s: tensor<f64>) -> tensor<f64> {
  // CHECK: norma.finalize
  %n = arith.constant dense<4.0> : tensor<f64>
  %mean, %variance = norma.finalize %n, %n, %s : tensor<f64>
  return %variance : tensor<f64>
}

// -----

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

// On tensors every op is pure; on memrefs the kernel ops write.
// CHECK-LABEL: func @dead(
func.func @dead(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %a: memref<?x3xf32>, %b: memref<?x3xf32>,
                %n: memref<3xf64>) {
  // CHECK-NEXT: norma.affine
  // CHECK-NEXT: norma.moments
  // CHECK-NEXT: return
  %y = norma.normalize %x, %m, %m kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %s:3 = norma.adapt %x into (%m, %m, %m) kept [1] : tensor<?x3xf32>, tensor<3xf64>
  %t:3 = norma.merge (%m, %m, %m), (%s#0, %s#1, %s#2) : tensor<3xf64>
  %f:2 = norma.finalize %t#0, %t#1, %t#2 : tensor<3xf64>
  %z = norma.affine kept [1] ins(%x : tensor<?x3xf32>) outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32>
  %u:3 = norma.moments kept [1] ins(%x : tensor<?x3xf32>)
      outs(%m, %m, %m : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  norma.affine kept [1] ins(%a : memref<?x3xf32>) outs(%b : memref<?x3xf32>)
  norma.moments kept [1] ins(%a : memref<?x3xf32>)
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>)
  return
}
