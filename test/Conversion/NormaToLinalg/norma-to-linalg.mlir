// RUN: norma-opt %s --convert-norma-to-linalg --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// affine
//===----------------------------------------------------------------------===//

// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$KEPT:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-LABEL: func @affine(
// CHECK-SAME: %[[X:[^:]*]]: tensor<2x?x3xf32>, %[[C:[^:]*]]: tensor<2x3xf32>, %[[S:[^:]*]]: tensor<2x3xf32>, %[[T:[^:]*]]: tensor<2x3xf32>, %[[INIT:[^:]*]]: tensor<2x?x3xf32>
func.func @affine(%x: tensor<2x?x3xf32>, %c: tensor<2x3xf32>, %s: tensor<2x3xf32>, %t: tensor<2x3xf32>,
                  %init: tensor<2x?x3xf32>) -> tensor<2x?x3xf32> {
  // CHECK-NEXT: %[[Y:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]], #[[$ALL]]], iterator_types = ["parallel", "parallel", "parallel"]}
  // CHECK-SAME: ins(%[[X]], %[[C]], %[[S]], %[[T]] : {{.*}}) outs(%[[INIT]] : tensor<2x?x3xf32>)
  // CHECK-NEXT: ^bb0(%[[E:.*]]: f32, %[[CENTER:.*]]: f32, %[[SCALE:.*]]: f32, %[[SHIFT:.*]]: f32, %{{.*}}: f32):
  // CHECK-NEXT: %[[CENTERED:.*]] = arith.subf %[[E]], %[[CENTER]] : f32
  // CHECK-NEXT: %[[SCALED:.*]] = arith.mulf %[[CENTERED]], %[[SCALE]] : f32
  // CHECK-NEXT: %[[SHIFTED:.*]] = arith.addf %[[SCALED]], %[[SHIFT]] : f32
  // CHECK-NEXT: linalg.yield %[[SHIFTED]] : f32
  // CHECK: return %[[Y]]
  %y = norma.affine kept [0, 2] ins(%x : tensor<2x?x3xf32>) center(%c : tensor<2x3xf32>)
      scale(%s : tensor<2x3xf32>) shift(%t : tensor<2x3xf32>) outs(%init : tensor<2x?x3xf32>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1>} -> tensor<2x?x3xf32>
  return %y : tensor<2x?x3xf32>
}

// -----

// Absent coefficients are left out; f64 to f16 goes through f32.
// CHECK-LABEL: func @affine_conversions(
func.func @affine_conversions(%u: tensor<4xi8>, %i: tensor<4xi16>, %h: tensor<4xbf16>, %d: tensor<4xf64>,
                              %c64: tensor<f64>, %c32: tensor<f32>, %to16: tensor<4xf16>,
                              %tob16: tensor<4xbf16>, %to32: tensor<4xf32>, %to64: tensor<4xf64>)
    -> (tensor<4xf16>, tensor<4xbf16>, tensor<4xf64>, tensor<4xf32>) {
  // CHECK: ^bb0(%[[E:.*]]: i8, %[[C:.*]]: f64, %{{.*}}: f16):
  // CHECK-NEXT: %[[F:.*]] = arith.uitofp %[[E]] : i8 to f64
  // CHECK-NEXT: %[[CENTERED:.*]] = arith.subf %[[F]], %[[C]] : f64
  // CHECK-NEXT: %[[SINGLE:.*]] = arith.truncf %[[CENTERED]] : f64 to f32
  // CHECK-NEXT: %[[HALF:.*]] = arith.truncf %[[SINGLE]] : f32 to f16
  // CHECK-NEXT: linalg.yield %[[HALF]]
  %a = norma.affine kept [] ins(%u : tensor<4xi8>) unsigned center(%c64 : tensor<f64>)
      outs(%to16 : tensor<4xf16>) -> tensor<4xf16>
  // CHECK: ^bb0(%[[E:.*]]: i16, %[[S:.*]]: f32, %{{.*}}: bf16):
  // CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[E]] : i16 to f32
  // CHECK-NEXT: %[[SCALED:.*]] = arith.mulf %[[F]], %[[S]] : f32
  // CHECK-NEXT: %[[HALF:.*]] = arith.truncf %[[SCALED]] : f32 to bf16
  // CHECK-NEXT: linalg.yield %[[HALF]]
  %b = norma.affine kept [] ins(%i : tensor<4xi16>) scale(%c32 : tensor<f32>)
      outs(%tob16 : tensor<4xbf16>) -> tensor<4xbf16>
  // CHECK: ^bb0(%[[E:.*]]: bf16, %[[T:.*]]: f32, %{{.*}}: f64):
  // CHECK-NEXT: %[[F:.*]] = arith.extf %[[E]] : bf16 to f32
  // CHECK-NEXT: %[[SHIFTED:.*]] = arith.addf %[[F]], %[[T]] : f32
  // CHECK-NEXT: %[[DOUBLE:.*]] = arith.extf %[[SHIFTED]] : f32 to f64
  // CHECK-NEXT: linalg.yield %[[DOUBLE]]
  %e = norma.affine kept [] ins(%h : tensor<4xbf16>) shift(%c32 : tensor<f32>)
      outs(%to64 : tensor<4xf64>) -> tensor<4xf64>
  // CHECK: ^bb0(%[[E:.*]]: f64, %[[S:.*]]: f32, %{{.*}}: f32):
  // CHECK-NEXT: %[[F:.*]] = arith.truncf %[[E]] : f64 to f32
  // CHECK-NEXT: %[[SCALED:.*]] = arith.mulf %[[F]], %[[S]] : f32
  // CHECK-NEXT: linalg.yield %[[SCALED]]
  %f = norma.affine kept [] ins(%d : tensor<4xf64>) scale(%c32 : tensor<f32>)
      outs(%to32 : tensor<4xf32>) -> tensor<4xf32>
  return %a, %b, %e, %f : tensor<4xf16>, tensor<4xbf16>, tensor<4xf64>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func @affine_scalar(
func.func @affine_scalar(%x: tensor<f32>, %c: tensor<f32>) -> tensor<f32> {
  // CHECK: linalg.generic {{.*}} iterator_types = []} ins(%{{.*}}, %{{.*}} : tensor<f32>, tensor<f32>) outs(%{{.*}} : tensor<f32>)
  %y = norma.affine kept [] ins(%x : tensor<f32>) center(%c : tensor<f32>) outs(%x : tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}

// -----

//===----------------------------------------------------------------------===//
// moments
//===----------------------------------------------------------------------===//

// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$KEPT:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func @moments(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x13xf32>, %[[N0:[^:]*]]: tensor<13xf64>, %[[M0:[^:]*]]: tensor<13xf64>, %[[S0:[^:]*]]: tensor<13xf64>
func.func @moments(%x: tensor<?x13xf32>, %n0: tensor<13xf64>, %m0: tensor<13xf64>, %s0: tensor<13xf64>)
    -> (tensor<13xf64>, tensor<13xf64>, tensor<13xf64>) {
  // CHECK: %[[ZERO:.*]] = arith.constant 0.0{{.*}} : f64
  // CHECK: %[[COUNT0:.*]] = linalg.fill ins(%[[ZERO]] : f64) outs(%[[N0]] : tensor<13xf64>)
  // CHECK: %[[SUM0:.*]] = linalg.fill ins(%{{.*}} : f64)
  // CHECK: %[[INF:.*]] = arith.constant 0x7FF0000000000000 : f64
  // CHECK: %[[LEAST0:.*]] = linalg.fill ins(%[[INF]] : f64)
  // CHECK: %[[NEG_INF:.*]] = arith.constant 0xFFF0000000000000 : f64
  // CHECK: %[[GREATEST0:.*]] = linalg.fill ins(%[[NEG_INF]] : f64)

  // CHECK: %[[SUMS:.*]]:4 = linalg.generic {indexing_maps = [#[[$ALL]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]]], iterator_types = ["reduction", "parallel"]}
  // CHECK-SAME: ins(%[[X]] : tensor<?x13xf32>) outs(%[[COUNT0]], %[[SUM0]], %[[LEAST0]], %[[GREATEST0]] :
  // CHECK: ^bb0(%[[E:.*]]: f32, %[[N:.*]]: f64, %[[SUM:.*]]: f64, %[[LEAST:.*]]: f64, %[[GREATEST:.*]]: f64):
  // CHECK-DAG: %[[F:.*]] = arith.extf %[[E]] : f32 to f64
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1.0{{.*}} : f64
  // CHECK-DAG: %[[WEIGHTED:.*]] = arith.mulf %[[ONE]], %[[F]]
  // CHECK-DAG: %[[NEW_N:.*]] = arith.addf %[[N]], %[[ONE]]
  // CHECK-DAG: %[[NEW_SUM:.*]] = arith.addf %[[SUM]], %[[WEIGHTED]]
  // CHECK-DAG: %[[NEW_LEAST:.*]] = arith.minimumf %[[LEAST]], %[[F]]
  // CHECK-DAG: %[[NEW_GREATEST:.*]] = arith.maximumf %[[GREATEST]], %[[F]]
  // CHECK-NOT: arith.select
  // CHECK: linalg.yield %[[NEW_N]], %[[NEW_SUM]], %[[NEW_LEAST]], %[[NEW_GREATEST]]

  // CHECK: %[[MEAN:.*]] = linalg.generic {indexing_maps = [#[[$ID]], #[[$ID]], #[[$ID]], #[[$ID]], #[[$ID]]], iterator_types = ["parallel"]}
  // CHECK-SAME: ins(%[[SUMS]]#0, %[[SUMS]]#1, %[[SUMS]]#2, %[[SUMS]]#3 : {{.*}}) outs(%[[M0]] : tensor<13xf64>)
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[SUM:.*]]: f64, %[[LEAST:.*]]: f64, %[[GREATEST:.*]]: f64, %{{.*}}: f64):
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.0{{.*}} : f64
  // CHECK-DAG: %[[QUOTIENT:.*]] = arith.divf %[[SUM]], %[[N]]
  // CHECK-DAG: %[[EQUAL:.*]] = arith.cmpf oeq, %[[LEAST]], %[[GREATEST]]
  // CHECK-DAG: %[[ANY:.*]] = arith.select %[[EQUAL]], %[[LEAST]], %[[QUOTIENT]]
  // CHECK-DAG: %[[EMPTY:.*]] = arith.cmpf oeq, %[[N]], %[[ZERO]]
  // CHECK: %[[RESULT:.*]] = arith.select %[[EMPTY]], %[[ZERO]], %[[ANY]]
  // CHECK: linalg.yield %[[RESULT]]

  // CHECK: %[[SQUARES0:.*]] = linalg.fill ins(%{{.*}} : f64) outs(%[[S0]] : tensor<13xf64>)
  // CHECK: %[[M2:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$KEPT]], #[[$KEPT]]], iterator_types = ["reduction", "parallel"]}
  // CHECK-SAME: ins(%[[X]], %[[MEAN]] : tensor<?x13xf32>, tensor<13xf64>) outs(%[[SQUARES0]] : tensor<13xf64>)
  // CHECK: ^bb0(%[[E:.*]]: f32, %[[M:.*]]: f64, %[[S:.*]]: f64):
  // CHECK-DAG: %[[F:.*]] = arith.extf %[[E]] : f32 to f64
  // CHECK-DAG: %[[D:.*]] = arith.subf %[[F]], %[[M]]
  // CHECK-DAG: %[[SQUARE:.*]] = arith.mulf %[[D]], %[[D]]
  // CHECK-DAG: %[[WEIGHTED:.*]] = arith.mulf %{{.*}}, %[[SQUARE]]
  // CHECK-DAG: %[[NEW_S:.*]] = arith.addf %[[S]], %[[WEIGHTED]]
  // CHECK: linalg.yield %[[NEW_S]]
  // CHECK: return %[[SUMS]]#0, %[[MEAN]], %[[M2]]
  %n, %m, %s = norma.moments kept [1] ins(%x : tensor<?x13xf32>)
      outs(%n0, %m0, %s0 : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>)
      -> tensor<13xf64>, tensor<13xf64>, tensor<13xf64>
  return %n, %m, %s : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>
}

// -----

// What takes no part leaves the totals as they are, so a NaN cannot get in.
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$MASK:.*]] = affine_map<(d0, d1, d2) -> (d0, 0, d2)>
// CHECK-DAG: #[[$WEIGHTS:.*]] = affine_map<(d0, d1, d2) -> (0, d1, d2)>
// CHECK-DAG: #[[$KEPT:.*]] = affine_map<(d0, d1, d2) -> (d1)>
// CHECK-LABEL: func @moments_of_some(
func.func @moments_of_some(%x: tensor<?x4x1xf16>, %mask: tensor<?x1x1xi8>, %weights: tensor<1x4x?xi32>,
                           %i: tensor<4xf64>) -> tensor<4xf64> {
  // CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$MASK]], #[[$WEIGHTS]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]]], iterator_types = ["reduction", "parallel", "reduction"]}
  // CHECK: ^bb0(%[[E:.*]]: f16, %[[KEEP:.*]]: i8, %[[W:.*]]: i32, %[[N:.*]]: f64, %[[SUM:.*]]: f64, %[[LEAST:.*]]: f64, %[[GREATEST:.*]]: f64):
  // CHECK-DAG: %[[F:.*]] = arith.extf %[[E]] : f16 to f64
  // CHECK-DAG: %[[KEPT:.*]] = arith.cmpi ne, %[[KEEP]], %c0_i8 : i8
  // CHECK-DAG: %[[WF:.*]] = arith.sitofp %[[W]] : i32 to f64
  // CHECK-DAG: %[[WEIGHS:.*]] = arith.cmpf une, %[[WF]], %{{.*}} : f64
  // CHECK-DAG: %[[BOTH:.*]] = arith.andi %[[KEPT]], %[[WEIGHS]] : i1
  // CHECK-DAG: %[[NUMBER:.*]] = arith.cmpf ord, %[[F]], %[[F]] : f64
  // CHECK-DAG: %[[TAKES_PART:.*]] = arith.andi %[[BOTH]], %[[NUMBER]] : i1
  // CHECK-DAG: %[[WEIGHTED:.*]] = arith.mulf %[[WF]], %[[F]]
  // CHECK-DAG: %[[NEW_N:.*]] = arith.addf %[[N]], %[[WF]]
  // CHECK-DAG: %[[NEW_SUM:.*]] = arith.addf %[[SUM]], %[[WEIGHTED]]
  // CHECK-DAG: %[[NEXT_N:.*]] = arith.select %[[TAKES_PART]], %[[NEW_N]], %[[N]]
  // CHECK-DAG: %[[NEXT_SUM:.*]] = arith.select %[[TAKES_PART]], %[[NEW_SUM]], %[[SUM]]
  // CHECK-DAG: %[[NEXT_LEAST:.*]] = arith.select %[[TAKES_PART]], %{{.*}}, %[[LEAST]]
  // CHECK-DAG: %[[NEXT_GREATEST:.*]] = arith.select %[[TAKES_PART]], %{{.*}}, %[[GREATEST]]
  // CHECK: linalg.yield %[[NEXT_N]], %[[NEXT_SUM]], %[[NEXT_LEAST]], %[[NEXT_GREATEST]]
  // CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$MASK]], #[[$WEIGHTS]], #[[$KEPT]], #[[$KEPT]]], iterator_types = ["reduction", "parallel", "reduction"]}
  // CHECK: ^bb0(%{{.*}}: f16, %{{.*}}: i8, %{{.*}}: i32, %{{.*}}: f64, %[[S:.*]]: f64):
  // CHECK: %[[NEXT:.*]] = arith.select %{{.*}}, %{{.*}}, %[[S]]
  // CHECK-NEXT: linalg.yield %[[NEXT]]
  %n, %m, %s = norma.moments kept [1] ins(%x : tensor<?x4x1xf16>) mask(%mask : tensor<?x1x1xi8>)
      weights(%weights : tensor<1x4x?xi32>) outs(%i, %i, %i : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>)
      {nan = #norma<nan omit>} -> tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
  return %s : tensor<4xf64>
}

// -----

// Integers have no NaN to omit.
// CHECK-LABEL: func @moments_of_integers(
func.func @moments_of_integers(%x: tensor<8xi8>, %i: tensor<f64>) -> tensor<f64> {
  // CHECK: linalg.generic {{.*}} iterator_types = ["reduction"]
  // CHECK: arith.uitofp %{{.*}} : i8 to f64
  // CHECK-NOT: arith.cmpf ord
  // CHECK: return
  %n, %m, %s = norma.moments kept [] ins(%x : tensor<8xi8>) unsigned
      outs(%i, %i, %i : tensor<f64>, tensor<f64>, tensor<f64>) {nan = #norma<nan omit>}
      -> tensor<f64>, tensor<f64>, tensor<f64>
  return %m : tensor<f64>
}

// -----

// CHECK-LABEL: func @moments_scalar(
func.func @moments_scalar(%x: tensor<f64>, %mask: tensor<i1>, %i: tensor<f64>) -> tensor<f64> {
  // CHECK: linalg.generic {{.*}} iterator_types = []} ins(%{{.*}}, %{{.*}} : tensor<f64>, tensor<i1>)
  // CHECK-NOT: norma.
  %n, %m, %s = norma.moments kept [] ins(%x : tensor<f64>) mask(%mask : tensor<i1>)
      outs(%i, %i, %i : tensor<f64>, tensor<f64>, tensor<f64>) -> tensor<f64>, tensor<f64>, tensor<f64>
  return %m : tensor<f64>
}

// -----

// CHECK-LABEL: func @moments_of_every_element(
func.func @moments_of_every_element(%x: tensor<?x?xf32>, %i: tensor<?x?xf64>) -> tensor<?x?xf64> {
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
  // CHECK-NOT: norma.
  %n, %m, %s = norma.moments kept [0, 1] ins(%x : tensor<?x?xf32>)
      outs(%i, %i, %i : tensor<?x?xf64>, tensor<?x?xf64>, tensor<?x?xf64>)
      -> tensor<?x?xf64>, tensor<?x?xf64>, tensor<?x?xf64>
  return %m : tensor<?x?xf64>
}

// -----

// Buffers are for the loop lowering.
// CHECK-LABEL: func @buffers(
func.func @buffers(%x: memref<?x3xf32>, %n: memref<3xf64>) {
  // CHECK-NEXT: norma.affine
  // CHECK-NEXT: norma.moments
  norma.affine kept [1] ins(%x : memref<?x3xf32>) outs(%x : memref<?x3xf32>)
  norma.moments kept [1] ins(%x : memref<?x3xf32>)
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>)
  return
}
