// RUN: norma-opt %s --norma-collapse-axes --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// Axis forms
//===----------------------------------------------------------------------===//

// NHWC batch statistics: RK.
// CHECK-LABEL: func @nhwc(
// CHECK-SAME: %[[X:[^:]*]]: memref<32x56x56x64xf32>, %[[N:[^:]*]]: memref<64xf64>
func.func @nhwc(%x: memref<32x56x56x64xf32>, %n: memref<64xf64>) {
  // CHECK: %[[C:.*]] = memref.collapse_shape %[[X]] {{\[}}[0, 1, 2], [3]] : memref<32x56x56x64xf32> into memref<100352x64xf32>
  // CHECK: norma.moments kept [1] ins(%[[C]] : memref<100352x64xf32>) outs(%[[N]], %[[N]], %[[N]] : memref<64xf64>, memref<64xf64>, memref<64xf64>)
  norma.moments kept [3] ins(%x : memref<32x56x56x64xf32>)
      outs(%n, %n, %n : memref<64xf64>, memref<64xf64>, memref<64xf64>)
  return
}

// -----

// NCHW: RKR. The result is expanded again.
// CHECK-LABEL: func @nchw(
// CHECK-SAME: %[[X:[^:]*]]: tensor<32x64x56x56xf32>, %[[S:[^:]*]]: tensor<64xf32>, %[[INIT:[^:]*]]: tensor<32x64x56x56xf16>
func.func @nchw(%x: tensor<32x64x56x56xf32>, %s: tensor<64xf32>, %init: tensor<32x64x56x56xf16>)
    -> tensor<32x64x56x56xf16> {
  // CHECK: %[[XC:.*]] = tensor.collapse_shape %[[X]] {{\[}}[0], [1], [2, 3]] : tensor<32x64x56x56xf32> into tensor<32x64x3136xf32>
  // CHECK: %[[IC:.*]] = tensor.collapse_shape %[[INIT]] {{\[}}[0], [1], [2, 3]] : tensor<32x64x56x56xf16> into tensor<32x64x3136xf16>
  // CHECK: %[[Y:.*]] = norma.affine kept [1] ins(%[[XC]] : tensor<32x64x3136xf32>) scale(%[[S]] : tensor<64xf32>) outs(%[[IC]] : tensor<32x64x3136xf16>)
  // CHECK: %[[R:.*]] = tensor.expand_shape %[[Y]] {{\[}}[0], [1], [2, 3]] output_shape [32, 64, 56, 56] : tensor<32x64x3136xf16> into tensor<32x64x56x56xf16>
  // CHECK: return %[[R]]
  %y = norma.affine kept [1] ins(%x : tensor<32x64x56x56xf32>) scale(%s : tensor<64xf32>)
      outs(%init : tensor<32x64x56x56xf16>) -> tensor<32x64x56x56xf16>
  return %y : tensor<32x64x56x56xf16>
}

// -----

// No kept axis: R, with a dynamic extent.
// CHECK-LABEL: func @none(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x13x5xf32>, %[[C:[^:]*]]: tensor<f32>, %[[INIT:[^:]*]]: tensor<?x13x5xf32>
func.func @none(%x: tensor<?x13x5xf32>, %c: tensor<f32>, %init: tensor<?x13x5xf32>) -> tensor<?x13x5xf32> {
  // CHECK-DAG: %[[XC:.*]] = tensor.collapse_shape %[[X]] {{\[}}[0, 1, 2]] : tensor<?x13x5xf32> into tensor<?xf32>
  // CHECK-DAG: %[[IC:.*]] = tensor.collapse_shape %[[INIT]] {{\[}}[0, 1, 2]] : tensor<?x13x5xf32> into tensor<?xf32>
  // CHECK: %[[Y:.*]] = norma.affine kept [] ins(%[[XC]] : tensor<?xf32>) center(%[[C]] : tensor<f32>) outs(%[[IC]] : tensor<?xf32>)
  // CHECK: %[[D0:.*]] = tensor.dim %[[INIT]], %c0
  // CHECK: tensor.expand_shape %[[Y]] {{\[}}[0, 1, 2]] output_shape [%[[D0]], 13, 5]
  %y = norma.affine kept [] ins(%x : tensor<?x13x5xf32>) center(%c : tensor<f32>)
      outs(%init : tensor<?x13x5xf32>) -> tensor<?x13x5xf32>
  return %y : tensor<?x13x5xf32>
}

// -----

// CHECK-LABEL: func @none_of_dynamic_buffer(
func.func @none_of_dynamic_buffer(%x: memref<?x13x?xf32>) {
  // CHECK: norma.affine kept [] ins(%{{.*}} : memref<?xf32>) outs(%{{.*}} : memref<?xf32>)
  norma.affine kept [] ins(%x : memref<?x13x?xf32>) outs(%x : memref<?x13x?xf32>)
  return
}

// -----

// Results whose extents cannot be told from their product keep their axes.
// CHECK-LABEL: func @several_dynamic_extents(
func.func @several_dynamic_extents(%x: tensor<2x?x13x?xf32>, %y: tensor<2x?x13x?xf32>, %init: tensor<f64>,
                                   %inits: tensor<?x13x?xf64>)
    -> (tensor<2x?x13x?xf32>, tensor<f64>, tensor<?x13x?xf64>) {
  // CHECK: norma.affine kept [] ins(%{{.*}} : tensor<2x?x13x?xf32>)
  %z = norma.affine kept [] ins(%x : tensor<2x?x13x?xf32>) outs(%y : tensor<2x?x13x?xf32>)
      -> tensor<2x?x13x?xf32>
  // CHECK: norma.moments kept [] ins(%{{.*}} : tensor<?xf32>)
  %s:3 = norma.moments kept [] ins(%x : tensor<2x?x13x?xf32>)
      outs(%init, %init, %init : tensor<f64>, tensor<f64>, tensor<f64>)
      -> tensor<f64>, tensor<f64>, tensor<f64>
  // CHECK: norma.moments kept [1, 2, 3] ins(%{{.*}} : tensor<2x?x13x?xf32>)
  %t:3 = norma.moments kept [1, 2, 3] ins(%x : tensor<2x?x13x?xf32>)
      outs(%inits, %inits, %inits : tensor<?x13x?xf64>, tensor<?x13x?xf64>, tensor<?x13x?xf64>)
      -> tensor<?x13x?xf64>, tensor<?x13x?xf64>, tensor<?x13x?xf64>
  return %z, %s#0, %t#0 : tensor<2x?x13x?xf32>, tensor<f64>, tensor<?x13x?xf64>
}

// -----

// All axes kept: K. What has one element for every kept index collapses too.
// CHECK-LABEL: func @all(
func.func @all(%x: memref<3x5xf32>, %c: memref<3x5xf32>, %y: memref<3x5xf32>) {
  // CHECK: norma.affine kept [0] ins(%{{.*}} : memref<15xf32>) center(%{{.*}} : memref<15xf32>) outs(%{{.*}} : memref<15xf32>)
  norma.affine kept [0, 1] ins(%x : memref<3x5xf32>) center(%c : memref<3x5xf32>)
      outs(%y : memref<3x5xf32>)
  return
}

// -----

// CHECK-LABEL: func @adjacent_kept(
// CHECK-SAME: %{{.*}}: tensor<2x?x4xf32>, %[[INIT:[^:]*]]: tensor<?x4xf64>
func.func @adjacent_kept(%x: tensor<2x?x4xf32>, %init: tensor<?x4xf64>) -> tensor<?x4xf64> {
  // CHECK: %[[IC:.*]] = tensor.collapse_shape %[[INIT]] {{\[}}[0, 1]] : tensor<?x4xf64> into tensor<?xf64>
  // CHECK: %[[S:.*]]:3 = norma.moments kept [1] ins(%{{.*}} : tensor<2x?xf32>) outs(%[[IC]], %{{.*}}, %{{.*}} : tensor<?xf64>, tensor<?xf64>, tensor<?xf64>)
  // CHECK: %[[D:.*]] = tensor.dim %[[INIT]], %c0
  // CHECK: tensor.expand_shape %[[S]]#0 {{\[}}[0, 1]] output_shape [%[[D]], 4] : tensor<?xf64> into tensor<?x4xf64>
  %s:3 = norma.moments kept [1, 2] ins(%x : tensor<2x?x4xf32>)
      outs(%init, %init, %init : tensor<?x4xf64>, tensor<?x4xf64>, tensor<?x4xf64>)
      -> tensor<?x4xf64>, tensor<?x4xf64>, tensor<?x4xf64>
  return %s#0 : tensor<?x4xf64>
}

// -----

// RKRK has nothing to merge.
// CHECK-LABEL: func @alternating(
func.func @alternating(%x: tensor<2x3x4x5xf32>, %init: tensor<3x5xf64>) -> tensor<3x5xf64> {
  // CHECK-NEXT: norma.moments kept [1, 3] ins(%{{.*}} : tensor<2x3x4x5xf32>)
  %s:3 = norma.moments kept [1, 3] ins(%x : tensor<2x3x4x5xf32>)
      outs(%init, %init, %init : tensor<3x5xf64>, tensor<3x5xf64>, tensor<3x5xf64>)
      -> tensor<3x5xf64>, tensor<3x5xf64>, tensor<3x5xf64>
  return %s#0 : tensor<3x5xf64>
}

// -----

// Other attributes survive.
// CHECK-LABEL: func @attributes(
func.func @attributes(%x: memref<2x4x3xi8>, %n: memref<3xf64>) {
  // CHECK: norma.moments kept [1] ins(%{{.*}} : memref<8x3xi8>) unsigned {{.*}} {nan = #norma<nan omit>, tag}
  norma.moments kept [2] ins(%x : memref<2x4x3xi8>) unsigned
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>) {nan = #norma<nan omit>, tag}
  return
}

// -----

//===----------------------------------------------------------------------===//
// Extents of 1
//===----------------------------------------------------------------------===//

// Kept or reduced, they join their neighbours.
// CHECK-LABEL: func @units(
// CHECK-SAME: %[[X:[^:]*]]: tensor<1x4x1x3x1xf32>, %[[INIT:[^:]*]]: tensor<1x1x3xf64>
func.func @units(%x: tensor<1x4x1x3x1xf32>, %init: tensor<1x1x3xf64>) -> tensor<1x1x3xf64> {
  // CHECK-DAG: tensor.collapse_shape %[[X]] {{\[}}[0, 1, 2], [3, 4]] : tensor<1x4x1x3x1xf32> into tensor<4x3xf32>
  // CHECK-DAG: tensor.collapse_shape %[[INIT]] {{\[}}[0, 1, 2]] : tensor<1x1x3xf64> into tensor<3xf64>
  // CHECK: norma.moments kept [1] ins(%{{.*}} : tensor<4x3xf32>)
  // CHECK: tensor.expand_shape %{{.*}} {{\[}}[0, 1, 2]] output_shape [1, 1, 3] : tensor<3xf64> into tensor<1x1x3xf64>
  %s:3 = norma.moments kept [0, 2, 3] ins(%x : tensor<1x4x1x3x1xf32>)
      outs(%init, %init, %init : tensor<1x1x3xf64>, tensor<1x1x3xf64>, tensor<1x1x3xf64>)
      -> tensor<1x1x3xf64>, tensor<1x1x3xf64>, tensor<1x1x3xf64>
  return %s#2 : tensor<1x1x3xf64>
}

// -----

// One kept index is no kept axis.
// CHECK-LABEL: func @kept_unit(
func.func @kept_unit(%x: tensor<1x5xf32>, %init: tensor<1xf64>) -> tensor<1xf64> {
  // CHECK-DAG: tensor.collapse_shape %{{.*}} {{\[}}[0, 1]] : tensor<1x5xf32> into tensor<5xf32>
  // CHECK-DAG: tensor.collapse_shape %{{.*}} [] : tensor<1xf64> into tensor<f64>
  // CHECK: norma.moments kept [] ins(%{{.*}} : tensor<5xf32>)
  // CHECK: tensor.expand_shape %{{.*}} [] output_shape [1] : tensor<f64> into tensor<1xf64>
  %s:3 = norma.moments kept [0] ins(%x : tensor<1x5xf32>)
      outs(%init, %init, %init : tensor<1xf64>, tensor<1xf64>, tensor<1xf64>)
      -> tensor<1xf64>, tensor<1xf64>, tensor<1xf64>
  return %s#1 : tensor<1xf64>
}

// -----

// CHECK-LABEL: func @only_units(
func.func @only_units(%x: memref<1x1xf32>, %c: memref<1xf32>) {
  // CHECK: norma.affine kept [] ins(%{{.*}} : memref<1xf32>) center(%{{.*}} : memref<f32>) outs(%{{.*}} : memref<1xf32>)
  norma.affine kept [1] ins(%x : memref<1x1xf32>) center(%c : memref<1xf32>) outs(%x : memref<1x1xf32>)
  return
}

// -----

// CHECK-LABEL: func @scalar(
func.func @scalar(%x: memref<f32>, %c: memref<f32>) {
  // CHECK-NEXT: norma.affine kept [] ins(%{{.*}} : memref<f32>) center(%{{.*}} : memref<f32>) outs(%{{.*}} : memref<f32>)
  norma.affine kept [] ins(%x : memref<f32>) center(%c : memref<f32>) outs(%x : memref<f32>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// Mask and weights
//===----------------------------------------------------------------------===//

// Axes along which a mask repeats differently stay apart.
// CHECK-LABEL: func @mask_of_samples(
func.func @mask_of_samples(%x: tensor<8x4x5x3xf32>, %mask: tensor<8x1x1x1xi1>, %n: tensor<3xf64>)
    -> tensor<3xf64> {
  // CHECK: norma.moments kept [2] ins(%{{.*}} : tensor<8x20x3xf32>) mask(%{{.*}} : tensor<8x1x1xi1>)
  %s:3 = norma.moments kept [3] ins(%x : tensor<8x4x5x3xf32>) mask(%mask : tensor<8x1x1x1xi1>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %s#0 : tensor<3xf64>
}

// -----

// CHECK-LABEL: func @mask_of_pixels(
func.func @mask_of_pixels(%x: tensor<8x4x5x3xf32>, %mask: tensor<8x4x5x1xi1>, %n: tensor<3xf64>)
    -> tensor<3xf64> {
  // CHECK: norma.moments kept [1] ins(%{{.*}} : tensor<160x3xf32>) mask(%{{.*}} : tensor<160x1xi1>)
  %s:3 = norma.moments kept [3] ins(%x : tensor<8x4x5x3xf32>) mask(%mask : tensor<8x4x5x1xi1>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %s#0 : tensor<3xf64>
}

// -----

// The mask joins axes 1 and 2, the weights do not.
// CHECK-LABEL: func @mask_and_weights(
func.func @mask_and_weights(%x: tensor<8x4x5x3xf32>, %mask: tensor<8x1x1x1xi1>, %w: tensor<8x4x1x3xf32>,
                            %n: tensor<3xf64>) -> tensor<3xf64> {
  // CHECK-NOT: collapse_shape
  // CHECK: norma.moments kept [3] ins(%{{.*}} : tensor<8x4x5x3xf32>)
  %s:3 = norma.moments kept [3] ins(%x : tensor<8x4x5x3xf32>) mask(%mask : tensor<8x1x1x1xi1>)
      weights(%w : tensor<8x4x1x3xf32>) outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %s#0 : tensor<3xf64>
}

// -----

// A dynamic extent is the data's; a static 1 repeats along a dynamic one.
// CHECK-LABEL: func @dynamic_mask(
func.func @dynamic_mask(%x: tensor<?x4x3xf32>, %mask: tensor<?x?x?xi1>, %w: tensor<1x4x1xf32>,
                        %n: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>) {
  // CHECK: norma.moments kept [1] ins(%{{.*}} : tensor<?x3xf32>) mask(%{{.*}} : tensor<?x?xi1>)
  %s:3 = norma.moments kept [2] ins(%x : tensor<?x4x3xf32>) mask(%mask : tensor<?x?x?xi1>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  // CHECK: norma.moments kept [2] ins(%{{.*}} : tensor<?x4x3xf32>) weights(%{{.*}} : tensor<1x4x1xf32>)
  %t:3 = norma.moments kept [2] ins(%x : tensor<?x4x3xf32>) weights(%w : tensor<1x4x1xf32>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %s#0, %t#0 : tensor<3xf64>, tensor<3xf64>
}

// -----

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

// Center and sums have kept extents, which collapse where kept axes do.
// CHECK-LABEL: func @gradient_sums(
// CHECK-SAME: %[[X:[^:]*]]: tensor<8x4x5x3xf32>, %[[DY:[^:]*]]: tensor<8x4x5x3xbf16>, %[[C:[^:]*]]: tensor<5x3xf64>, %[[INIT:[^:]*]]: tensor<5x3xf64>
func.func @gradient_sums(%x: tensor<8x4x5x3xf32>, %dy: tensor<8x4x5x3xbf16>, %c: tensor<5x3xf64>,
                         %init: tensor<5x3xf64>) -> (tensor<5x3xf64>, tensor<5x3xf64>) {
  // CHECK-DAG: %[[XC:.*]] = tensor.collapse_shape %[[X]] {{\[}}[0, 1], [2, 3]] : tensor<8x4x5x3xf32> into tensor<32x15xf32>
  // CHECK-DAG: %[[DYC:.*]] = tensor.collapse_shape %[[DY]] {{\[}}[0, 1], [2, 3]] : tensor<8x4x5x3xbf16> into tensor<32x15xbf16>
  // CHECK-DAG: %[[CC:.*]] = tensor.collapse_shape %[[C]] {{\[}}[0, 1]] : tensor<5x3xf64> into tensor<15xf64>
  // CHECK: %[[S:.*]]:2 = norma.grad_sums kept [1] ins(%[[XC]], %[[DYC]] : tensor<32x15xf32>, tensor<32x15xbf16>) center(%[[CC]] : tensor<15xf64>) outs(%{{.*}}, %{{.*}} : tensor<15xf64>, tensor<15xf64>)
  // CHECK: tensor.expand_shape %[[S]]#0 {{\[}}[0, 1]] output_shape [5, 3] : tensor<15xf64> into tensor<5x3xf64>
  // CHECK: tensor.expand_shape %[[S]]#1 {{\[}}[0, 1]] output_shape [5, 3] : tensor<15xf64> into tensor<5x3xf64>
  %s:2 = norma.grad_sums kept [2, 3] ins(%x, %dy : tensor<8x4x5x3xf32>, tensor<8x4x5x3xbf16>)
      center(%c : tensor<5x3xf64>) outs(%init, %init : tensor<5x3xf64>, tensor<5x3xf64>)
      -> tensor<5x3xf64>, tensor<5x3xf64>
  return %s#0, %s#1 : tensor<5x3xf64>, tensor<5x3xf64>
}

// -----

// The result is expanded as the data was collapsed.
// CHECK-LABEL: func @gradient_map(
// CHECK-SAME: %[[X:[^:]*]]: tensor<8x3x4x5xi8>, %[[DY:[^:]*]]: tensor<8x3x4x5xf32>, %[[C:[^:]*]]: tensor<3xf32>, %[[INIT:[^:]*]]: tensor<8x3x4x5xf32>
func.func @gradient_map(%x: tensor<8x3x4x5xi8>, %dy: tensor<8x3x4x5xf32>, %c: tensor<3xf32>,
                        %init: tensor<8x3x4x5xf32>) -> tensor<8x3x4x5xf32> {
  // CHECK: %[[DX:.*]] = norma.grad_map kept [1] ins(%{{.*}}, %{{.*}} : tensor<8x3x20xi8>, tensor<8x3x20xf32>) unsigned center(%[[C]] : tensor<3xf32>) slope(%[[C]] : tensor<3xf32>) offset(%[[C]] : tensor<3xf32>) scale(%[[C]] : tensor<3xf32>) outs(%{{.*}} : tensor<8x3x20xf32>)
  // CHECK: tensor.expand_shape %[[DX]] {{\[}}[0], [1], [2, 3]] output_shape [8, 3, 4, 5] : tensor<8x3x20xf32> into tensor<8x3x4x5xf32>
  %dx = norma.grad_map kept [1] ins(%x, %dy : tensor<8x3x4x5xi8>, tensor<8x3x4x5xf32>) unsigned
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%init : tensor<8x3x4x5xf32>) -> tensor<8x3x4x5xf32>
  return %dx : tensor<8x3x4x5xf32>
}

// -----

// Mask and weights keep axes apart, as those of moments do.
// CHECK-LABEL: func @gradient_masks(
func.func @gradient_masks(%x: memref<8x4x5x3xf32>, %mask: memref<8x1x1x1xi8>, %w: memref<8x4x5x1xf32>,
                          %c: memref<3xf32>, %s: memref<3xf64>) {
  // CHECK: norma.grad_sums kept [2] ins(%{{.*}}, %{{.*}} : memref<8x20x3xf32>, memref<8x20x3xf32>) center(%{{.*}} : memref<3xf64>) mask(%{{.*}} : memref<8x1x1xi8>) outs
  norma.grad_sums kept [3] ins(%x, %x : memref<8x4x5x3xf32>, memref<8x4x5x3xf32>)
      center(%s : memref<3xf64>) mask(%mask : memref<8x1x1x1xi8>) outs(%s, %s : memref<3xf64>, memref<3xf64>)
  // CHECK: norma.grad_map kept [1] ins(%{{.*}}, %{{.*}} : memref<160x3xf32>, memref<160x3xf32>) {{.*}} weights(%{{.*}} : memref<160x1xf32>) outs(%{{.*}} : memref<160x3xf32>)
  norma.grad_map kept [3] ins(%x, %x : memref<8x4x5x3xf32>, memref<8x4x5x3xf32>) center(%c : memref<3xf32>)
      slope(%c : memref<3xf32>) offset(%c : memref<3xf32>) scale(%c : memref<3xf32>)
      weights(%w : memref<8x4x5x1xf32>) outs(%x : memref<8x4x5x3xf32>)
  return
}

// -----

// A strided gradient leaves the op as it is.
// CHECK-LABEL: func @gradient_strides(
func.func @gradient_strides(%x: memref<8x4x3xf32>, %dy: memref<8x4x3xf32, strided<[24, 3, 1]>>,
                            %s: memref<3xf64>) {
  // CHECK-NEXT: norma.grad_sums kept [2]
  norma.grad_sums kept [2] ins(%x, %dy : memref<8x4x3xf32>, memref<8x4x3xf32, strided<[24, 3, 1]>>)
      center(%s : memref<3xf64>) outs(%s, %s : memref<3xf64>, memref<3xf64>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

// Strides that allow it collapse.
// CHECK-LABEL: func @padded_columns(
func.func @padded_columns(%x: memref<8x4x3xf32, strided<[16, 4, 1], offset: ?>>, %y: memref<8x4x3xf32>) {
  // CHECK: norma.affine kept [1] ins(%{{.*}} : memref<32x3xf32, strided<[4, 1], offset: ?>>) outs(%{{.*}} : memref<32x3xf32>)
  norma.affine kept [2] ins(%x : memref<8x4x3xf32, strided<[16, 4, 1], offset: ?>>)
      outs(%y : memref<8x4x3xf32>)
  return
}

// -----

// Those that do not, or may not, leave the op as it is, whichever buffer it is.
// CHECK-LABEL: func @strided(
func.func @strided(%x: memref<8x4x3xf32, strided<[24, 3, 1]>>, %y: memref<8x4x3xf32>,
                   %z: memref<8x4x3xf32, strided<[?, ?, 1], offset: ?>>) {
  // CHECK-NOT: collapse_shape
  // CHECK-COUNT-2: norma.affine kept [2]
  norma.affine kept [2] ins(%x : memref<8x4x3xf32, strided<[24, 3, 1]>>) outs(%y : memref<8x4x3xf32>)
  norma.affine kept [2] ins(%y : memref<8x4x3xf32>)
      outs(%z : memref<8x4x3xf32, strided<[?, ?, 1], offset: ?>>)
  return
}

// -----

// A schedule was made for the form the op has.
// CHECK-LABEL: func @scheduled(
func.func @scheduled(%x: memref<8x4x3xf32>) {
  // CHECK-NEXT: norma.affine kept [2] {{.*}} {schedule = #norma.schedule<rows, vector = 2, unroll = 1>}
  norma.affine kept [2] ins(%x : memref<8x4x3xf32>) outs(%x : memref<8x4x3xf32>)
      {schedule = #norma.schedule<rows, vector = 2, unroll = 1>}
  return
}

// -----

// Nothing to go over: left as it is.

// CHECK-LABEL: func @no_data
// CHECK-NOT:     collapse_shape
// CHECK:         norma.moments kept [2] ins(%{{.*}} : memref<?x0x5xf32>)
func.func @no_data(%x: memref<?x0x5xf32>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  norma.moments kept [2] ins(%x : memref<?x0x5xf32>)
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
  return
}

// -----

// One value as data and as a coefficient: what it is collapsed to depends on the place.

// CHECK-LABEL: func @data_is_coefficient
// CHECK-SAME:      %[[X:[^:]*]]: memref<1x1xf32>, %[[Y:[^:]*]]: memref<1x1xf64>
func.func @data_is_coefficient(%x: memref<1x1xf32>, %y: memref<1x1xf64>) {
  // CHECK-DAG:   %[[DATA:.*]] = memref.collapse_shape %[[X]] {{\[}}[0, 1]] : memref<1x1xf32> into memref<1xf32>
  // CHECK-DAG:   %[[SHIFT:.*]] = memref.collapse_shape %[[X]] [] : memref<1x1xf32> into memref<f32>
  // CHECK:       norma.affine kept [] ins(%[[DATA]] : memref<1xf32>) shift(%[[SHIFT]] : memref<f32>)
  norma.affine kept [0, 1] ins(%x : memref<1x1xf32>) shift(%x : memref<1x1xf32>)
      outs(%y : memref<1x1xf64>)
  return
}
