// RUN: norma-opt %s --convert-norma-to-linalg --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// grad_sums
//===----------------------------------------------------------------------===//

// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$KEPT:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func @grad_sums(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x13xi8>, %[[DY:[^:]*]]: tensor<?x13xbf16>, %[[C:[^:]*]]: tensor<13xf64>, %[[INIT:[^:]*]]: tensor<13xf64>
func.func @grad_sums(%x: tensor<?x13xi8>, %dy: tensor<?x13xbf16>, %c: tensor<13xf64>, %init: tensor<13xf64>,
                     %mask: tensor<?x1xi1>) -> (tensor<13xf64>, tensor<13xf64>) {
  // CHECK-COUNT-2: linalg.fill ins(%{{.*}} : f64) outs(%[[INIT]] : tensor<13xf64>)
  // CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]], #{{.*}}, #[[$KEPT]], #[[$KEPT]], #[[$KEPT]]], iterator_types = ["reduction", "parallel"]}
  // CHECK-SAME: ins(%[[X]], %[[DY]], %{{.*}}, %[[C]] :
  // CHECK: ^bb0(%[[E:.*]]: i8, %[[D:.*]]: bf16, %{{.*}}: i1, %[[CENTER:.*]]: f64, %[[SUM:.*]]: f64, %[[DOT:.*]]: f64):
  // CHECK-DAG: %[[E64:.*]] = arith.uitofp %[[E]] : i8 to f64
  // CHECK-DAG: %[[D64:.*]] = arith.extf %[[D]] : bf16 to f64
  // CHECK-DAG: %[[DEVIATION:.*]] = arith.subf %[[E64]], %[[CENTER]]
  // CHECK-DAG: %[[PRODUCT:.*]] = arith.mulf %[[D64]], %[[DEVIATION]]
  // CHECK-DAG: %[[NEW_SUM:.*]] = arith.addf %[[SUM]], %[[D64]]
  // CHECK-DAG: %[[NEW_DOT:.*]] = arith.addf %[[DOT]], %[[PRODUCT]]
  // An integer is finite: all elements take part.
  // CHECK-NOT: arith.select
  // CHECK: linalg.yield %[[NEW_SUM]], %[[NEW_DOT]]
  %s, %d = norma.grad_sums kept [1] ins(%x, %dy : tensor<?x13xi8>, tensor<?x13xbf16>) unsigned
      center(%c : tensor<13xf64>) mask(%mask : tensor<?x1xi1>) outs(%init, %init : tensor<13xf64>, tensor<13xf64>)
      -> tensor<13xf64>, tensor<13xf64>
  return %s, %d : tensor<13xf64>, tensor<13xf64>
}

// -----

// What mask and weights leave out takes part if it is finite.
// CHECK-LABEL: func @grad_sums_of_some(
func.func @grad_sums_of_some(%x: tensor<6xf32>, %dy: tensor<6xf32>, %c: tensor<f64>, %mask: tensor<6xi8>,
                             %weights: tensor<1xf32>) -> (tensor<f64>, tensor<f64>) {
  // CHECK: ^bb0(%[[E:.*]]: f32, %{{.*}}: f32, %[[MASK:.*]]: i8, %[[WEIGHT:.*]]: f32, %{{.*}}: f64, %[[SUM:.*]]: f64, %[[DOT:.*]]: f64):
  // CHECK-DAG: %[[E64:.*]] = arith.extf %[[E]] : f32 to f64
  // CHECK-DAG: %[[KEEP:.*]] = arith.cmpi ne, %[[MASK]], %{{.*}} : i8
  // CHECK-DAG: %[[WEIGHT64:.*]] = arith.extf %[[WEIGHT]] : f32 to f64
  // CHECK-DAG: %[[WEIGHS:.*]] = arith.cmpf une, %[[WEIGHT64]], %{{.*}} : f64
  // CHECK-DAG: %[[COUNTS:.*]] = arith.andi %[[KEEP]], %[[WEIGHS]]
  // CHECK-DAG: %[[MAGNITUDE:.*]] = math.absf %[[E64]]
  // CHECK-DAG: %[[FINITE:.*]] = arith.cmpf olt, %[[MAGNITUDE]], %{{.*}}
  // CHECK-DAG: %[[TAKES_PART:.*]] = arith.ori %[[COUNTS]], %[[FINITE]]
  // CHECK-DAG: %[[NEXT_SUM:.*]] = arith.select %[[TAKES_PART]], %{{.*}}, %[[SUM]]
  // CHECK-DAG: %[[NEXT_DOT:.*]] = arith.select %[[TAKES_PART]], %{{.*}}, %[[DOT]]
  // CHECK: linalg.yield %[[NEXT_SUM]], %[[NEXT_DOT]]
  %s, %d = norma.grad_sums kept [] ins(%x, %dy : tensor<6xf32>, tensor<6xf32>) center(%c : tensor<f64>)
      mask(%mask : tensor<6xi8>) weights(%weights : tensor<1xf32>) outs(%c, %c : tensor<f64>, tensor<f64>)
      -> tensor<f64>, tensor<f64>
  return %s, %d : tensor<f64>, tensor<f64>
}

// -----

//===----------------------------------------------------------------------===//
// grad_map
//===----------------------------------------------------------------------===//

// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$KEPT:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func @grad_map(
func.func @grad_map(%x: tensor<?x3xf64>, %dy: tensor<?x3xf16>, %c: tensor<3xf32>, %init: tensor<?x3xbf16>)
    -> tensor<?x3xbf16> {
  // CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]], #[[$KEPT]], #[[$ALL]]], iterator_types = ["parallel", "parallel"]}
  // CHECK: ^bb0(%[[E:.*]]: f64, %[[D:.*]]: f16, %[[CENTER:.*]]: f32, %[[SLOPE:.*]]: f32, %[[OFFSET:.*]]: f32, %[[SCALE:.*]]: f32, %{{.*}}: bf16):
  // CHECK-DAG: %[[E32:.*]] = arith.truncf %[[E]] : f64 to f32
  // CHECK-DAG: %[[D32:.*]] = arith.extf %[[D]] : f16 to f32
  // CHECK-DAG: %[[DEVIATION:.*]] = arith.subf %[[E32]], %[[CENTER]]
  // CHECK-DAG: %[[SLOPED:.*]] = arith.mulf %[[DEVIATION]], %[[SLOPE]]
  // CHECK-DAG: %[[CORRECTION:.*]] = arith.addf %[[SLOPED]], %[[OFFSET]]
  // CHECK-DAG: %[[SCALED:.*]] = arith.mulf %[[D32]], %[[SCALE]]
  // CHECK-DAG: %[[DX:.*]] = arith.addf %[[SCALED]], %[[CORRECTION]]
  // CHECK: %[[RESULT:.*]] = arith.truncf %[[DX]] : f32 to bf16
  // CHECK: linalg.yield %[[RESULT]]
  %dx = norma.grad_map kept [1] ins(%x, %dy : tensor<?x3xf64>, tensor<?x3xf16>) center(%c : tensor<3xf32>)
      slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>) scale(%c : tensor<3xf32>)
      outs(%init : tensor<?x3xbf16>) -> tensor<?x3xbf16>
  return %dx : tensor<?x3xbf16>
}

// -----

// Where mask or weight is 0 the correction is 0, whatever the data.
// CHECK-LABEL: func @grad_map_of_some(
func.func @grad_map_of_some(%x: tensor<4x3xf32>, %dy: tensor<4x3xf32>, %c: tensor<3xf32>, %mask: tensor<4x1xi1>,
                            %weights: tensor<4x1xi32>) -> tensor<4x3xf32> {
  // CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %[[MASK:.*]]: i1, %[[WEIGHT:.*]]: i32, %{{.*}}: f32, %{{.*}}: f32, %[[OFFSET:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32):
  // CHECK-DAG: %[[W:.*]] = arith.sitofp %[[WEIGHT]] : i32 to f32
  // CHECK-DAG: %[[WEIGHS:.*]] = arith.cmpf une, %[[W]], %{{.*}} : f32
  // CHECK-DAG: %[[COUNTS:.*]] = arith.andi %{{.*}}, %[[WEIGHS]]
  // CHECK-DAG: %[[CORRECTION:.*]] = arith.addf %{{.*}}, %[[OFFSET]]
  // CHECK-DAG: %[[WEIGHTED:.*]] = arith.mulf %[[CORRECTION]], %[[W]]
  // CHECK-DAG: %[[SELECTED:.*]] = arith.select %[[COUNTS]], %[[WEIGHTED]], %{{.*}}
  // CHECK: %[[DX:.*]] = arith.addf %{{.*}}, %[[SELECTED]]
  // CHECK: linalg.yield %[[DX]]
  %dx = norma.grad_map kept [1] ins(%x, %dy : tensor<4x3xf32>, tensor<4x3xf32>) center(%c : tensor<3xf32>)
      slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>) scale(%c : tensor<3xf32>) mask(%mask : tensor<4x1xi1>)
      weights(%weights : tensor<4x1xi32>) outs(%x : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %dx : tensor<4x3xf32>
}

// -----

// Buffers are for the loop lowering.
// CHECK-LABEL: func @buffers(
func.func @buffers(%x: memref<4xf32>, %c: memref<f32>, %s: memref<f64>, %d: memref<f64>) {
  // CHECK-NEXT: norma.grad_sums
  // CHECK-NEXT: norma.grad_map
  norma.grad_sums kept [] ins(%x, %x : memref<4xf32>, memref<4xf32>) center(%s : memref<f64>)
      outs(%s, %d : memref<f64>, memref<f64>)
  norma.grad_map kept [] ins(%x, %x : memref<4xf32>, memref<4xf32>) center(%c : memref<f32>)
      slope(%c : memref<f32>) offset(%c : memref<f32>) scale(%c : memref<f32>) outs(%x : memref<4xf32>)
  return
}
