// RUN: norma-opt %s --norma-decompose --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// normalize
//===----------------------------------------------------------------------===//

// CHECK: #[[$ID:.*]] = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func @forward(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x13xf32>, %[[MEAN:[^:]*]]: tensor<13xf64>, %[[VARIANCE:[^:]*]]: tensor<13xf64>
func.func @forward(%x: tensor<?x13xf32>, %mean: tensor<13xf64>, %variance: tensor<13xf64>)
    -> tensor<?x13xf32> {
  // CHECK: %[[C:.*]]:2 = linalg.generic {indexing_maps = [#[[$ID]], #[[$ID]], #[[$ID]], #[[$ID]]], iterator_types = ["parallel"]}
  // CHECK-SAME: ins(%[[MEAN]], %[[VARIANCE]] : tensor<13xf64>, tensor<13xf64>) outs(%{{.*}}, %{{.*}} : tensor<13xf32>, tensor<13xf32>)
  // CHECK: ^bb0(%[[M:.*]]: f64, %[[V:.*]]: f64, %{{.*}}: f32, %{{.*}}: f32):
  // CHECK-DAG: %[[EPS:.*]] = arith.constant 9.9{{[0-9]*}}E-8 : f64
  // CHECK-DAG: %[[STD:.*]] = math.sqrt %[[V]] : f64
  // CHECK: %[[DIVISOR:.*]] = arith.maximumf %[[STD]], %[[EPS]] : f64
  // CHECK: %[[ONE:.*]] = arith.constant 1.0{{.*}} : f64
  // CHECK: %[[SCALE:.*]] = arith.divf %[[ONE]], %[[DIVISOR]] : f64
  // CHECK-DAG: %[[M32:.*]] = arith.truncf %[[M]] : f64 to f32
  // CHECK-DAG: %[[S32:.*]] = arith.truncf %[[SCALE]] : f64 to f32
  // CHECK: linalg.yield %[[M32]], %[[S32]] : f32, f32
  // CHECK: %[[EXTENT:.*]] = tensor.dim %[[X]], %{{.*}}
  // CHECK: %[[INIT:.*]] = tensor.empty(%[[EXTENT]]) : tensor<?x13xf32>
  // CHECK: %[[Y:.*]] = norma.affine kept [1] ins(%[[X]] : tensor<?x13xf32>) center(%[[C]]#0 : tensor<13xf32>) scale(%[[C]]#1 : tensor<13xf32>) outs(%[[INIT]] : tensor<?x13xf32>) -> tensor<?x13xf32>
  // CHECK: return %[[Y]]
  %y = norma.normalize %x, %mean, %variance kept [1] : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %y : tensor<?x13xf32>
}

// -----

// The inverse multiplies by the divisor; f16 statistics are widened; f64 needs no
// rounding.
// CHECK-LABEL: func @inverse(
func.func @inverse(%x: tensor<2x3xi8>, %mean: tensor<3xf16>, %variance: tensor<3xf16>) -> tensor<2x3xf16> {
  // CHECK: ^bb0(%[[M:.*]]: f16, %[[V:.*]]: f16, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK-DAG: %[[M64:.*]] = arith.extf %[[M]] : f16 to f64
  // CHECK-DAG: %[[V64:.*]] = arith.extf %[[V]] : f16 to f64
  // CHECK: %[[STD:.*]] = math.sqrt %[[V64]]
  // CHECK: %[[DIVISOR:.*]] = arith.maximumf %[[STD]]
  // CHECK-NOT: arith.divf
  // CHECK: linalg.yield %[[M64]], %[[DIVISOR]] : f64, f64
  // CHECK: -> (tensor<3xf64>, tensor<3xf64>)
  // CHECK: norma.affine kept [1] ins(%{{.*}} : tensor<2x3xi8>) unsigned scale(%[[C:.*]]#1 : tensor<3xf64>) shift(%[[C]]#0 : tensor<3xf64>) outs(%{{.*}} : tensor<2x3xf16>)
  %y = norma.normalize %x, %mean, %variance kept [1] inverse unsigned to f16 compute f64
      : tensor<2x3xi8>, tensor<3xf16>, tensor<3xf16>
  return %y : tensor<2x3xf16>
}

// -----

// CHECK-LABEL: func @epsilon_in_variance(
func.func @epsilon_in_variance(%x: tensor<4xf64>, %mean: tensor<f64>, %variance: tensor<f64>) -> tensor<4xf64> {
  // CHECK: %[[EPS:.*]] = arith.constant 1.000000e-03 : f64
  // CHECK: %[[SUM:.*]] = arith.addf %[[V:.*]], %[[EPS]] : f64
  // CHECK: %[[STD:.*]] = math.sqrt %[[SUM]]
  // CHECK-NOT: arith.maximumf
  // CHECK-NOT: arith.select
  // CHECK: arith.divf %{{.*}}, %[[STD]]
  %y = norma.normalize %x, %mean, %variance kept []
      {epsilon = 1.0e-3, epsilon_mode = #norma<epsilon_mode add_to_variance>}
      : tensor<4xf64>, tensor<f64>, tensor<f64>
  return %y : tensor<4xf64>
}

// -----

// CHECK-LABEL: func @epsilon_beside_deviation(
func.func @epsilon_beside_deviation(%x: tensor<4xf64>, %mean: tensor<f64>, %variance: tensor<f64>)
    -> tensor<4xf64> {
  // CHECK: ^bb0(%{{.*}}: f64, %[[V:.*]]: f64, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK: %[[STD:.*]] = math.sqrt %[[V]]
  // CHECK: %[[SUM:.*]] = arith.addf %[[STD]], %{{.*}} : f64
  // CHECK: %[[IS_ZERO:.*]] = arith.cmpf oeq, %[[V]], %{{.*}} : f64
  // CHECK: %[[DIVISOR:.*]] = arith.select %[[IS_ZERO]], %{{.*}}, %[[SUM]] : f64
  // CHECK: arith.divf %{{.*}}, %[[DIVISOR]]
  %y = norma.normalize %x, %mean, %variance kept []
      {epsilon_mode = #norma<epsilon_mode add_to_std>, zero_variance = #norma<zero_variance unit>}
      : tensor<4xf64>, tensor<f64>, tensor<f64>
  return %y : tensor<4xf64>
}

// -----

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @adapt(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x13xi8>, %[[N:[^:]*]]: tensor<13xf64>, %[[M:[^:]*]]: tensor<13xf64>, %[[S:[^:]*]]: tensor<13xf64>, %[[MASK:[^:]*]]: tensor<?x1xi1>, %[[W:[^:]*]]: tensor<?x1xf32>
func.func @adapt(%x: tensor<?x13xi8>, %n: tensor<13xf64>, %m: tensor<13xf64>, %s: tensor<13xf64>,
                 %mask: tensor<?x1xi1>, %weights: tensor<?x1xf32>) -> (tensor<13xf64>, tensor<13xf64>, tensor<13xf64>) {
  // CHECK: %[[B:.*]]:3 = norma.moments kept [1] ins(%[[X]] : tensor<?x13xi8>) unsigned mask(%[[MASK]] : tensor<?x1xi1>) weights(%[[W]] : tensor<?x1xf32>)
  // CHECK-SAME: outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>) {nan = #norma<nan omit>}
  // CHECK: %[[R:.*]]:3 = linalg.generic {{.*}} ins(%[[N]], %[[M]], %[[S]], %[[B]]#0, %[[B]]#1, %[[B]]#2 :
  // CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2
  %a, %b, %c = norma.adapt %x into (%n, %m, %s) mask %mask : tensor<?x1xi1>
      weights %weights : tensor<?x1xf32> kept [1] unsigned {nan = #norma<nan omit>}
      : tensor<?x13xi8>, tensor<13xf64>
  return %a, %b, %c : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>
}

// -----

// CHECK-LABEL: func @merge(
func.func @merge(%a: tensor<2x?xf64>, %b: tensor<2x?xf64>, %c: tensor<2x?xf64>, %d: tensor<2x?xf64>,
                 %e: tensor<2x?xf64>, %f: tensor<2x?xf64>) -> (tensor<2x?xf64>, tensor<2x?xf64>, tensor<2x?xf64>) {
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
  // CHECK: ^bb0(%[[NA:.*]]: f64, %[[MA:.*]]: f64, %[[SA:.*]]: f64, %[[NB:.*]]: f64, %[[MB:.*]]: f64, %[[SB:.*]]: f64, %{{.*}}: f64, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK-DAG: %[[N:.*]] = arith.addf %[[NA]], %[[NB]]
  // CHECK-DAG: %[[SHARE:.*]] = arith.divf %[[NB]], %[[N]]
  // CHECK-DAG: %[[D:.*]] = arith.subf %[[MB]], %[[MA]]
  // CHECK-DAG: %[[STEP:.*]] = arith.mulf %[[D]], %[[SHARE]]
  // CHECK-DAG: %[[MOVED:.*]] = arith.addf %[[MA]], %[[STEP]]
  // CHECK-DAG: %[[INFINITE:.*]] = arith.addf %[[MA]], %[[MB]]
  // CHECK-DAG: %[[DISTANCE:.*]] = math.absf %[[D]]
  // CHECK-DAG: %[[FINITE:.*]] = arith.cmpf olt, %[[DISTANCE]]
  // CHECK-DAG: %[[MEAN:.*]] = arith.select %[[FINITE]], %[[MOVED]], %[[INFINITE]]
  // CHECK-DAG: %[[SQUARE:.*]] = arith.mulf %[[D]], %[[D]]
  // CHECK-DAG: %[[WEIGHT:.*]] = arith.mulf %[[NA]], %[[SHARE]]
  // CHECK-DAG: %[[BETWEEN:.*]] = arith.mulf %[[SQUARE]], %[[WEIGHT]]
  // CHECK-DAG: %[[WITHIN:.*]] = arith.addf %[[SA]], %[[SB]]
  // CHECK-DAG: %[[M2:.*]] = arith.addf %[[WITHIN]], %[[BETWEEN]]
  // CHECK-DAG: %[[EMPTY_A:.*]] = arith.cmpf oeq, %[[NA]]
  // CHECK-DAG: %[[EMPTY_B:.*]] = arith.cmpf oeq, %[[NB]]
  // CHECK-DAG: %[[MEAN_B:.*]] = arith.select %[[EMPTY_A]], %[[MB]], %[[MEAN]]
  // CHECK-DAG: %[[NEW_MEAN:.*]] = arith.select %[[EMPTY_B]], %[[MA]], %[[MEAN_B]]
  // CHECK-DAG: %[[M2_B:.*]] = arith.select %[[EMPTY_A]], %[[SB]], %[[M2]]
  // CHECK-DAG: %[[NEW_M2:.*]] = arith.select %[[EMPTY_B]], %[[SA]], %[[M2_B]]
  // CHECK: linalg.yield %[[N]], %[[NEW_MEAN]], %[[NEW_M2]]
  %n, %m, %s = norma.merge (%a, %b, %c), (%d, %e, %f) : tensor<2x?xf64>
  return %n, %m, %s : tensor<2x?xf64>, tensor<2x?xf64>, tensor<2x?xf64>
}

// -----

// CHECK-LABEL: func @finalize(
func.func @finalize(%n: tensor<13xf64>, %m: tensor<13xf64>, %s: tensor<13xf64>) -> (tensor<13xf64>, tensor<13xf64>) {
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[M:.*]]: f64, %[[S:.*]]: f64, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK: %[[ZERO:.*]] = arith.constant 0.0{{.*}} : f64
  // CHECK: %[[EMPTY:.*]] = arith.cmpf oeq, %[[N]], %[[ZERO]] : f64
  // CHECK: %[[QUOTIENT:.*]] = arith.divf %[[S]], %[[N]] : f64
  // CHECK: %[[VARIANCE:.*]] = arith.select %[[EMPTY]], %[[ZERO]], %[[QUOTIENT]] : f64
  // CHECK: %[[MEAN:.*]] = arith.select %[[EMPTY]], %[[ZERO]], %[[M]] : f64
  // CHECK: linalg.yield %[[MEAN]], %[[VARIANCE]]
  %mean, %variance = norma.finalize %n, %m, %s : tensor<13xf64>
  return %mean, %variance : tensor<13xf64>, tensor<13xf64>
}

// -----

// CHECK-LABEL: func @finalize_sample(
func.func @finalize_sample(%n: tensor<f64>, %m: tensor<f64>, %s: tensor<f64>) -> tensor<f64> {
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[M:.*]]: f64, %[[S:.*]]: f64, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK: %[[ONE:.*]] = arith.constant 1.0{{.*}} : f64
  // CHECK: %[[LESS:.*]] = arith.subf %[[N]], %[[ONE]] : f64
  // CHECK: %[[DIVISOR:.*]] = arith.maximumf %[[LESS]], %[[ONE]] : f64
  // CHECK: arith.divf %[[S]], %[[DIVISOR]] : f64
  %mean, %variance = norma.finalize %n, %m, %s sample : tensor<f64>
  return %variance : tensor<f64>
}

// -----

// variance <= n*u*variance + (n*mean*u)^2 counts as zero.
// CHECK-LABEL: func @finalize_constant(
func.func @finalize_constant(%n: tensor<f64>, %m: tensor<f64>, %s: tensor<f64>) -> tensor<f64> {
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[M:.*]]: f64, %[[S:.*]]: f64, %{{.*}}: f64, %{{.*}}: f64):
  // CHECK: %[[VARIANCE:.*]] = arith.select
  // CHECK-DAG: %[[U:.*]] = arith.constant 2.2204460492503131E-16 : f64
  // CHECK-DAG: %[[NU:.*]] = arith.mulf %[[N]], %[[U]]
  // CHECK-DAG: %[[SHARE:.*]] = arith.mulf %[[NU]], %[[VARIANCE]]
  // CHECK-DAG: %[[NM:.*]] = arith.mulf %[[N]], %[[M]]
  // CHECK-DAG: %[[ERROR:.*]] = arith.mulf %[[NM]], %[[U]]
  // CHECK-DAG: %[[SQUARE:.*]] = arith.mulf %[[ERROR]], %[[ERROR]]
  // CHECK: %[[BOUND:.*]] = arith.addf %[[SHARE]], %[[SQUARE]]
  // CHECK: %[[CONSTANT:.*]] = arith.cmpf ole, %[[VARIANCE]], %[[BOUND]]
  // CHECK: arith.select %[[CONSTANT]], %{{.*}}, %[[VARIANCE]]
  %mean, %variance = norma.finalize %n, %m, %s detect_constant : tensor<f64>
  return %variance : tensor<f64>
}

// -----

// Kernel ops stay.
// CHECK-LABEL: func @kernel_op(
func.func @kernel_op(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: norma.affine
  // CHECK-NEXT: return
  %y = norma.affine kept [] ins(%x : tensor<4xf32>) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
