// RUN: norma-opt %s --verify-roundtrip | FileCheck %s
// RUN: norma-opt %s --mlir-print-op-generic | norma-opt | FileCheck %s
// RUN: norma-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: norma-opt %s --emit-bytecode | norma-opt | FileCheck %s

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @inference(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x56x56x64xf16>, %[[M:[^:]*]]: tensor<64xf32>, %[[V:[^:]*]]: tensor<64xf64>
func.func @inference(%x: tensor<?x56x56x64xf16>, %m: tensor<64xf32>, %v: tensor<64xf64>)
    -> (tensor<?x56x56x64xf16>, tensor<?x56x56x64xf64>) {
  // CHECK: norma.batch_norm %[[X]], %[[M]], %[[V]] kept [3] : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf64>
  // GENERIC: "norma.batch_norm"(%{{.*}}, %{{.*}}, %{{.*}}) <{epsilon = 1.000000e-03 : f64, epsilon_floor = 0.000000e+00 : f64, kept = array<i64: 3>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}>
  // GENERIC-SAME: -> tensor<?x56x56x64xf16>
  %y = norma.batch_norm %x, %m, %v kept [3]
      : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf64>
  // CHECK: norma.batch_norm %[[X]], %[[M]], %[[V]] gamma(%[[M]] : tensor<64xf32>) beta(%[[V]] : tensor<64xf64>) kept [3] to f64
  // CHECK-SAME: {epsilon = 1.000000e-05 : f64, epsilon_floor = 1.001000e-05 : f64} :
  // GENERIC: "norma.batch_norm"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>, to = f64}>
  // GENERIC-SAME: -> tensor<?x56x56x64xf64>
  %z = norma.batch_norm %x, %m, %v gamma(%m : tensor<64xf32>) beta(%v : tensor<64xf64>) kept [3]
      to f64 {epsilon = 1.0e-5, epsilon_floor = 1.001e-5}
      : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf64>
  return %y, %z : tensor<?x56x56x64xf16>, tensor<?x56x56x64xf64>
}

// Integers make f32; beta without gamma; a single statistic; several kept axes.
// CHECK-LABEL: func @inference_forms(
func.func @inference_forms(%x: tensor<4x2x3xi8>, %s: tensor<bf16>, %p: tensor<4x3xf32>)
    -> (tensor<4x2x3xf32>, tensor<4x2x3xf32>) {
  // CHECK: norma.batch_norm %{{.*}}, %{{.*}}, %{{.*}} beta(%{{.*}} : tensor<bf16>) kept [] unsigned : tensor<4x2x3xi8>, tensor<bf16>, tensor<bf16>
  %y = norma.batch_norm %x, %s, %s beta(%s : tensor<bf16>) kept [] unsigned
      : tensor<4x2x3xi8>, tensor<bf16>, tensor<bf16>
  // CHECK: norma.batch_norm %{{.*}}, %{{.*}}, %{{.*}} kept [0, 2] : tensor<4x2x3xi8>, tensor<4x3xf32>, tensor<4x3xf32>
  %z = norma.batch_norm %x, %p, %p kept [0, 2] : tensor<4x2x3xi8>, tensor<4x3xf32>, tensor<4x3xf32>
  return %y, %z : tensor<4x2x3xf32>, tensor<4x2x3xf32>
}

//===----------------------------------------------------------------------===//
// Training
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @training(
// CHECK-SAME: %[[X:[^:]*]]: tensor<32x64x7x7xf32>, %[[P:[^:]*]]: tensor<64xf32>, %[[Q:[^:]*]]: tensor<64xf64>
func.func @training(%x: tensor<32x64x7x7xf32>, %p: tensor<64xf32>, %q: tensor<64xf64>)
    -> (tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf32>, tensor<64xf64>) {
  // CHECK: norma.batch_norm_training %[[X]] kept [1] : tensor<32x64x7x7xf32>
  // GENERIC: "norma.batch_norm_training"(%{{[^,]*}}) <{epsilon = 1.000000e-03 : f64, epsilon_floor = 0.000000e+00 : f64, grouping = #norma<grouping strided>, kept = array<i64: 1>, momentum = 0.98{{9+}} : f64
  // GENERIC-SAME: operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, remainder = #norma<remainder error>, renorm_momentum = 0.98{{9+}} : f64, update_moving = true, use_batch_statistics = true}>
  // GENERIC-SAME: : (tensor<32x64x7x7xf32>) -> (tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf64>, tensor<64xf64>)
  %a:4 = norma.batch_norm_training %x kept [1] : tensor<32x64x7x7xf32>
  // The new moving statistics have the types of the old ones.
  // CHECK: norma.batch_norm_training %[[X]] gamma(%[[P]] : tensor<64xf32>) beta(%[[P]] : tensor<64xf32>) moving(%[[P]], %[[Q]] : tensor<64xf32>, tensor<64xf64>)
  // CHECK-SAME: kept [1] {momentum = 9.000000e-01 : f64, sample_variance} : tensor<32x64x7x7xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>{{.*}} sample_variance
  // GENERIC-SAME: -> (tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf64>, tensor<64xf64>, tensor<64xf32>, tensor<64xf64>)
  %y, %n, %mean, %inv_std, %mm, %mv = norma.batch_norm_training %x gamma(%p : tensor<64xf32>)
      beta(%p : tensor<64xf32>) moving(%p, %q : tensor<64xf32>, tensor<64xf64>) kept [1]
      {momentum = 0.9, sample_variance} : tensor<32x64x7x7xf32>
  return %y, %inv_std, %mm, %mv
      : tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf32>, tensor<64xf64>
}

// CHECK-LABEL: func @training_renorm(
func.func @training_renorm(%x: tensor<?x3xf16>, %p: tensor<3xf32>, %q: tensor<3xf64>,
                           %clip: tensor<f32>, %dmax: tensor<f64>, %step: tensor<i64>)
    -> (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf64>) {
  // CHECK: norma.batch_norm_training %{{.*}} moving(%[[P:.*]], %[[P]] : tensor<3xf32>, tensor<3xf32>)
  // CHECK-SAME: renorm(%[[P]], %[[P]], %{{.*}} : tensor<3xf32>, tensor<3xf32>, tensor<3xf64>)
  // CHECK-SAME: rmin(%[[CLIP:.*]] : tensor<f32>) rmax(%[[CLIP]] : tensor<f32>) dmax(%{{.*}} : tensor<f64>)
  // CHECK-SAME: step(%{{.*}} : tensor<i64>) kept [1] to f32 {renorm_momentum = 5.000000e-01 : f64} : tensor<?x3xf16>
  // GENERIC: "norma.batch_norm_training"{{.*}} operandSegmentSizes = array<i32: 1, 0, 0, 2, 3, 1, 1, 1, 1, 0, 0, 0, 0, 0>
  // GENERIC-SAME: -> (tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %q : tensor<3xf32>, tensor<3xf32>, tensor<3xf64>)
      rmin(%clip : tensor<f32>) rmax(%clip : tensor<f32>) dmax(%dmax : tensor<f64>)
      step(%step : tensor<i64>) kept [1] to f32 {renorm_momentum = 0.5} : tensor<?x3xf16>
  return %y#0, %y#7, %y#10 : tensor<?x3xf32>, tensor<3xf32>, tensor<3xf64>
}

// CHECK-LABEL: func @training_element_wise(
func.func @training_element_wise(%x: tensor<4x5x3xi16>, %mask: tensor<4x5x1xi1>,
                                 %bytes: tensor<4x1x1xi8>, %w: tensor<1x5x3xf32>,
                                 %a: tensor<4x1x1xbf16>, %b: tensor<4x1x3xf64>) -> tensor<4x5x3xf32> {
  // CHECK: norma.batch_norm_training %{{.*}} mask(%{{.*}} : tensor<4x5x1xi1>) weights(%{{.*}} : tensor<1x5x3xf32>)
  // CHECK-SAME: adjust_scale(%{{.*}} : tensor<4x1x1xbf16>) adjust_bias(%{{.*}} : tensor<4x1x3xf64>) kept [2] unsigned : tensor<4x5x3xi16>
  // GENERIC: "norma.batch_norm_training"{{.*}} operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0>
  %y:4 = norma.batch_norm_training %x mask(%mask : tensor<4x5x1xi1>) weights(%w : tensor<1x5x3xf32>)
      adjust_scale(%a : tensor<4x1x1xbf16>) adjust_bias(%b : tensor<4x1x3xf64>) kept [2] unsigned
      : tensor<4x5x3xi16>
  // CHECK: norma.batch_norm_training %{{.*}} mask(%{{.*}} : tensor<4x1x1xi8>) adjust_bias(%{{.*}} : tensor<4x1x3xf64>) kept [] : tensor<4x5x3xi16>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<4x5x3xf32>, tensor<f64>, tensor<f64>, tensor<f64>)
  %z:4 = norma.batch_norm_training %x mask(%bytes : tensor<4x1x1xi8>)
      adjust_bias(%b : tensor<4x1x3xf64>) kept [] : tensor<4x5x3xi16>
  return %y#0 : tensor<4x5x3xf32>
}

// CHECK-LABEL: func @training_statistics(
func.func @training_statistics(%x: tensor<?x3xf32>, %n: tensor<3xf64>) -> tensor<?x3xf32> {
  // CHECK: norma.batch_norm_training %{{.*}} statistics(%[[N:.*]], %[[N]], %[[N]] : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1] : tensor<?x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3>
  %y:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1] : tensor<?x3xf32>
  return %y#0 : tensor<?x3xf32>
}

// CHECK-LABEL: func @training_frozen(
func.func @training_frozen(%x: tensor<8x3xf32>, %p: tensor<3xf32>) -> tensor<3xf64> {
  // CHECK: norma.batch_norm_training %{{.*}} moving(%[[P:.*]], %[[P]] : tensor<3xf32>, tensor<3xf32>) kept [1]
  // CHECK-SAME: {update_moving = false, use_batch_statistics = false, virtual_batch_size = 4 : i64} : tensor<8x3xf32>
  // What is saved is not that of ghosts.
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<8x3xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf32>, tensor<3xf32>)
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) kept [1]
      {update_moving = false, use_batch_statistics = false, virtual_batch_size = 4 : i64}
      : tensor<8x3xf32>
  return %y#1 : tensor<3xf64>
}

//===----------------------------------------------------------------------===//
// Ghost batches: how many there are
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @ghosts_of_static_batch(
func.func @ghosts_of_static_batch(%x: tensor<10x3xf32>, %n: tensor<5x3xf64>) {
  // CHECK: norma.batch_norm_training {{.*}} {virtual_batch_size = 5 : i64}
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>)
  %a:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 5} : tensor<10x3xf32>
  // CHECK: norma.batch_norm_training {{.*}} {grouping = #norma<grouping contiguous>, remainder = #norma<remainder smaller>, virtual_batch_size = 4 : i64}
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<3x3xf64>
  %b:4 = norma.batch_norm_training %x kept [1] {grouping = #norma<grouping contiguous>,
      remainder = #norma<remainder smaller>, virtual_batch_size = 4} : tensor<10x3xf32>
  // CHECK: norma.batch_norm_training {{.*}} {remainder = #norma<remainder merge>, virtual_batch_size = 4 : i64}
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<2x3xf64>
  %c:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 4} : tensor<10x3xf32>
  // A batch that divides has no remainder, whatever is said of it.
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<5x3xf64>
  %d:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<5x3xf64>, tensor<5x3xf64>, tensor<5x3xf64>) kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 2} : tensor<10x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<1x3xf64>
  %e:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 10} : tensor<10x3xf32>
  // Fewer samples than one ghost.
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<1x3xf64>
  %f:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 16} : tensor<10x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<10x3xf32>, tensor<1x3xf64>
  %g:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 16} : tensor<10x3xf32>
  return
}

// GENERIC-LABEL: sym_name = "ghosts_of_nothing"
func.func @ghosts_of_nothing(%x: tensor<0x3xf32>) {
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<0x3xf32>, tensor<0x3xf64>
  %a:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 5} : tensor<0x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<0x3xf32>, tensor<0x3xf64>
  %b:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 5} : tensor<0x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<0x3xf32>, tensor<0x3xf64>
  %c:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 5} : tensor<0x3xf32>
  return
}

// The number of ghosts is static when the batch is, the others when the kept axes are.
// GENERIC-LABEL: sym_name = "ghosts_dynamic"
func.func @ghosts_dynamic(%x: tensor<?x3xf32>, %y: tensor<8x?x2xf32>, %n: tensor<2x3xf64>) {
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<?x3xf32>, tensor<?x3xf64>, tensor<?x3xf64>, tensor<?x3xf64>)
  %a:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>) kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 4} : tensor<?x3xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<8x?x2xf32>, tensor<2x?x2xf64>
  %b:4 = norma.batch_norm_training %y kept [1, 2] {virtual_batch_size = 4} : tensor<8x?x2xf32>
  // GENERIC: "norma.batch_norm_training"{{.*}} -> (tensor<8x?x2xf32>, tensor<2xf64>
  %c:4 = norma.batch_norm_training %y kept [] {virtual_batch_size = 4} : tensor<8x?x2xf32>
  return
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @gradient(
// CHECK-SAME: %[[DY:[^:]*]]: tensor<32x64x7x7xf32>, %[[X:[^:]*]]: tensor<32x64x7x7xf16>, %[[S:[^:]*]]: tensor<64xf64>, %[[G:[^:]*]]: tensor<64xbf16>
func.func @gradient(%dy: tensor<32x64x7x7xf32>, %x: tensor<32x64x7x7xf16>, %s: tensor<64xf64>,
                    %g: tensor<64xbf16>)
    -> (tensor<32x64x7x7xf32>, tensor<64xf32>, tensor<64xbf16>, tensor<32x64x7x7xf16>) {
  // CHECK: norma.batch_norm_grad %[[DY]], %[[X]] saved(%[[S]], %[[S]], %[[S]] : tensor<64xf64>) kept [1] : tensor<32x64x7x7xf32>, tensor<32x64x7x7xf16>
  // GENERIC: "norma.batch_norm_grad"(%{{.*}}) <{grouping = #norma<grouping strided>, kept = array<i64: 1>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, remainder = #norma<remainder error>, trainable_affine = true, use_batch_statistics = true}>
  // GENERIC-SAME: -> (tensor<32x64x7x7xf32>, tensor<64xf32>, tensor<64xf32>)
  %a:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<64xf64>) kept [1]
      : tensor<32x64x7x7xf32>, tensor<32x64x7x7xf16>
  // The gradients of the parameters have the type of gamma.
  // CHECK: norma.batch_norm_grad {{.*}} gamma(%[[G]] : tensor<64xbf16>) kept [1] to f16 :
  // GENERIC: "norma.batch_norm_grad"{{.*}} -> (tensor<32x64x7x7xf16>, tensor<64xbf16>, tensor<64xbf16>)
  %b:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<64xf64>) gamma(%g : tensor<64xbf16>)
      kept [1] to f16 : tensor<32x64x7x7xf32>, tensor<32x64x7x7xf16>
  return %a#0, %a#1, %b#2, %b#0
      : tensor<32x64x7x7xf32>, tensor<64xf32>, tensor<64xbf16>, tensor<32x64x7x7xf16>
}

// CHECK-LABEL: func @gradient_forms(
func.func @gradient_forms(%dy: tensor<?x3xf64>, %x: tensor<?x3xi8>, %s: tensor<3xf64>,
                          %mask: tensor<?x1xi1>, %w: tensor<?x3xi32>, %a: tensor<1x3xf32>)
    -> tensor<?x3xf64> {
  // CHECK: norma.batch_norm_grad {{.*}} renorm(%[[S:.*]], %[[S]] : tensor<3xf64>, tensor<3xf64>) mask(%{{.*}} : tensor<?x1xi1>) weights(%{{.*}} : tensor<?x3xi32>)
  // CHECK-SAME: adjust_scale(%[[A:.*]] : tensor<1x3xf32>) adjust_bias(%[[A]] : tensor<1x3xf32>) sums(%[[S]], %[[S]] : tensor<3xf64>, tensor<3xf64>) kept [1] unsigned : tensor<?x3xf64>, tensor<?x3xi8>
  // GENERIC: "norma.batch_norm_grad"{{.*}} operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 2, 1, 1, 1, 1, 2>
  // GENERIC-SAME: -> (tensor<?x3xf64>, tensor<3xf64>, tensor<3xf64>)
  %y:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>)
      renorm(%s, %s : tensor<3xf64>, tensor<3xf64>) mask(%mask : tensor<?x1xi1>)
      weights(%w : tensor<?x3xi32>) adjust_scale(%a : tensor<1x3xf32>)
      adjust_bias(%a : tensor<1x3xf32>) sums(%s, %s : tensor<3xf64>, tensor<3xf64>)
      kept [1] unsigned : tensor<?x3xf64>, tensor<?x3xi8>
  // A frozen layer may have a mask, too. Without parameters to train there is one result.
  // CHECK: %{{[^:,]*}} = norma.batch_norm_grad {{.*}} mask(%{{.*}}) kept [1] {trainable_affine = false, use_batch_statistics = false} :
  // GENERIC: "norma.batch_norm_grad"{{.*}} -> tensor<?x3xf64>
  %z = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>) mask(%mask : tensor<?x1xi1>)
      kept [1] {trainable_affine = false, use_batch_statistics = false}
      : tensor<?x3xf64>, tensor<?x3xi8>
  return %z : tensor<?x3xf64>
}

// CHECK-LABEL: func @gradient_ghosts(
func.func @gradient_ghosts(%x: tensor<8x?xf32>, %saved: tensor<2x?xf64>, %frozen: tensor<?xf64>) {
  // CHECK: norma.batch_norm_grad {{.*}} sums(%{{.*}} : tensor<2x?xf64>, tensor<2x?xf64>) kept [1] {virtual_batch_size = 4 : i64} :
  // GENERIC: "norma.batch_norm_grad"{{.*}} -> (tensor<8x?xf32>, tensor<?xf32>, tensor<?xf32>)
  %a:3 = norma.batch_norm_grad %x, %x saved(%saved, %saved, %saved : tensor<2x?xf64>)
      sums(%saved, %saved : tensor<2x?xf64>, tensor<2x?xf64>) kept [1] {virtual_batch_size = 4}
      : tensor<8x?xf32>, tensor<8x?xf32>
  // CHECK: norma.batch_norm_grad {{.*}} kept [1] {grouping = #norma<grouping contiguous>, remainder = #norma<remainder merge>, use_batch_statistics = false, virtual_batch_size = 3 : i64} :
  %b:3 = norma.batch_norm_grad %x, %x saved(%frozen, %frozen, %frozen : tensor<?xf64>) kept [1]
      {grouping = #norma<grouping contiguous>, remainder = #norma<remainder merge>,
       use_batch_statistics = false, virtual_batch_size = 3} : tensor<8x?xf32>, tensor<8x?xf32>
  return
}
