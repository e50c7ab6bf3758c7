// RUN: norma-opt %s --norma-decompose --canonicalize --cse --split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// batch_norm
//===----------------------------------------------------------------------===//

// f32 statistics are exact in f32: no shift without beta.
// CHECK-LABEL: func @inference(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf16>, %[[MEAN:[^:]*]]: tensor<4xf32>, %[[VARIANCE:[^:]*]]: tensor<4xf32>
func.func @inference(%x: tensor<?x4xf16>, %mean: tensor<4xf32>, %variance: tensor<4xf32>) -> tensor<?x4xf16> {
  // CHECK-DAG: %[[EPS:.*]] = arith.constant 1.001000e-05 : f64
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f64
  // CHECK: %[[C:.*]]:2 = linalg.generic {{.*}} ins(%[[MEAN]], %[[VARIANCE]] :
  // CHECK: ^bb0(%[[M:.*]]: f32, %[[V:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32):
  // CHECK: %[[V64:.*]] = arith.extf %[[V]] : f32 to f64
  // CHECK: %[[SUM:.*]] = arith.addf %[[V64]], %[[EPS]]
  // CHECK: %[[STD:.*]] = math.sqrt %[[SUM]]
  // CHECK: %[[SCALE:.*]] = arith.divf %[[ONE]], %[[STD]]
  // CHECK: linalg.yield
  // CHECK: norma.affine kept [1] ins(%[[X]] : tensor<?x4xf16>) center(%[[C]]#0 : tensor<4xf32>) scale(%[[C]]#1 : tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf16>)
  %y = norma.batch_norm %x, %mean, %variance kept [1] {epsilon = 1.0e-7, epsilon_floor = 1.001e-5}
      : tensor<?x4xf16>, tensor<4xf32>, tensor<4xf32>
  return %y : tensor<?x4xf16>
}

// -----

// What rounding an f64 mean loses goes into the shift.
// CHECK-LABEL: func @inference_of_wide_statistics(
// CHECK-SAME: %[[GAMMA:[^:]*]]: tensor<4xf32>, %[[BETA:[^:]*]]: tensor<4xf32>)
func.func @inference_of_wide_statistics(%x: tensor<?x4xi8>, %mean: tensor<4xf64>, %variance: tensor<4xf64>,
                                        %gamma: tensor<4xf32>, %beta: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[C:.*]]:3 = linalg.generic {{.*}} ins(%{{.*}}, %{{.*}}, %[[GAMMA]], %[[BETA]] :
  // CHECK: ^bb0(%[[M:.*]]: f64, %{{.*}}: f64, %[[G:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
  // CHECK-DAG: %[[G64:.*]] = arith.extf %[[G]] : f32 to f64
  // CHECK-DAG: %[[B64:.*]] = arith.extf %[[B]] : f32 to f64
  // CHECK-DAG: %[[SCALE:.*]] = arith.divf %[[G64]], %{{.*}}
  // CHECK-DAG: %[[CENTER:.*]] = arith.truncf %[[M]] : f64 to f32
  // CHECK-DAG: %[[CENTER64:.*]] = arith.extf %[[CENTER]] : f32 to f64
  // CHECK-DAG: %[[LOSS:.*]] = arith.subf %[[CENTER64]], %[[M]]
  // CHECK-DAG: %[[SCALED:.*]] = arith.mulf %[[LOSS]], %[[SCALE]]
  // CHECK-DAG: %[[FINITE:.*]] = arith.select %{{.*}}, %[[SCALED]], %{{.*}}
  // CHECK-DAG: %[[SHIFT:.*]] = arith.addf %[[FINITE]], %[[B64]]
  // CHECK: linalg.yield %[[CENTER]]
  // CHECK: norma.affine kept [1] ins(%{{.*}}) unsigned center(%[[C]]#0 : {{.*}}) scale(%[[C]]#1 : {{.*}}) shift(%[[C]]#2
  %y = norma.batch_norm %x, %mean, %variance gamma(%gamma : tensor<4xf32>) beta(%beta : tensor<4xf32>)
      kept [1] unsigned : tensor<?x4xi8>, tensor<4xf64>, tensor<4xf64>
  return %y : tensor<?x4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// batch_norm_training
//===----------------------------------------------------------------------===//

// Nothing but the result is used: nothing else is computed. In f64 without gamma the
// statistics are the coefficients.
// CHECK-LABEL: func @training(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x5x7xf64>
func.func @training(%x: tensor<?x5x7xf64>, %mask: tensor<?x1x1xi1>, %mm: tensor<5xf32>, %mv: tensor<5xf32>)
    -> tensor<?x5x7xf64> {
  // CHECK: %[[S:.*]]:3 = norma.moments kept [1] ins(%[[X]] : {{.*}}) mask(%{{.*}} : tensor<?x1x1xi1>)
  // CHECK: %[[INV:.*]] = linalg.generic {{.*}} ins(%[[S]]#0, %[[S]]#2 :
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[M2:.*]]: f64, %{{.*}}: f64):
  // CHECK-DAG: %[[QUOTIENT:.*]] = arith.divf %[[M2]], %[[N]]
  // CHECK-DAG: %[[EMPTY:.*]] = arith.cmpf oeq, %[[N]]
  // CHECK-DAG: %[[VARIANCE:.*]] = arith.select %[[EMPTY]], %{{.*}}, %[[QUOTIENT]]
  // CHECK: math.sqrt
  // CHECK: arith.divf
  // CHECK-NOT: linalg.generic
  // CHECK: norma.affine kept [1] ins(%[[X]] : {{.*}}) center(%[[S]]#1 : {{.*}}) scale(%[[INV]] : tensor<5xf64>) outs
  // CHECK-NOT: linalg.generic
  // CHECK: return
  %y, %n, %mean, %inv, %mm1, %mv1 = norma.batch_norm_training %x moving(%mm, %mv : tensor<5xf32>, tensor<5xf32>)
      mask(%mask : tensor<?x1x1xi1>) kept [1] : tensor<?x5x7xf64>
  return %y : tensor<?x5x7xf64>
}

// -----

// CHECK-LABEL: func @moving_statistics(
// CHECK-SAME: %[[MM:[^:]*]]: tensor<5xf32>, %[[MV:[^:]*]]: tensor<5xf64>)
func.func @moving_statistics(%x: tensor<?x5xf32>, %mm: tensor<5xf32>, %mv: tensor<5xf64>)
    -> (tensor<5xf32>, tensor<5xf64>, tensor<5xf64>) {
  // CHECK: %[[S:.*]]:3 = norma.moments
  // CHECK: linalg.generic {{.*}} ins(%[[S]]#0, %[[S]]#2 :
  // CHECK: arith.maximumf
  // CHECK: %[[NEW:.*]]:2 = linalg.generic {{.*}} ins(%[[S]]#0, %[[S]]#1, %{{.*}}, %[[MM]], %[[MV]] :
  // CHECK: ^bb0(%[[N:.*]]: f64, %[[MEAN:.*]]: f64, %{{.*}}: f64, %[[OLD:.*]]: f32, %{{.*}}: f64, %{{.*}}: f32, %{{.*}}: f64):
  // CHECK-DAG: %[[OLD64:.*]] = arith.extf %[[OLD]] : f32 to f64
  // CHECK-DAG: %[[EMPTY:.*]] = arith.cmpf oeq, %[[N]]
  // CHECK-DAG: arith.mulf %[[OLD64]], %{{.*}}
  // CHECK-DAG: arith.mulf %[[MEAN]], %{{.*}}
  // CHECK-DAG: %[[SUM:.*]] = arith.addf
  // CHECK-DAG: %[[KEPT:.*]] = arith.select %[[EMPTY]], %[[OLD64]], %{{.*}}
  // CHECK-DAG: arith.truncf %[[KEPT]] : f64 to f32
  // CHECK: return %[[NEW]]#0, %[[NEW]]#1, %[[S]]#0
  %y, %n, %mean, %inv, %mm1, %mv1 = norma.batch_norm_training %x moving(%mm, %mv : tensor<5xf32>, tensor<5xf64>)
      kept [1] {momentum = 0.9 : f64, sample_variance} : tensor<?x5xf32>
  return %mm1, %mv1, %n : tensor<5xf32>, tensor<5xf64>, tensor<5xf64>
}

// -----

// CHECK-LABEL: func @cumulative(
func.func @cumulative(%x: tensor<?x5xf32>, %mm: tensor<5xf64>, %mv: tensor<5xf64>, %step: tensor<i64>)
    -> tensor<5xf64> {
  // CHECK: %[[K:.*]] = arith.sitofp %{{.*}} : i64 to f64
  // CHECK: arith.divf %{{.*}}, %[[K]]
  %y, %n, %mean, %inv, %mm1, %mv1 = norma.batch_norm_training %x moving(%mm, %mv : tensor<5xf64>, tensor<5xf64>)
      step(%step : tensor<i64>) kept [1] : tensor<?x5xf32>
  return %mm1 : tensor<5xf64>
}

// -----

// A frozen layer reads its data once; what does not move is returned.
// CHECK-LABEL: func @frozen(
// CHECK-SAME: %[[MM:[^:]*]]: tensor<5xf32>, %[[MV:[^:]*]]: tensor<5xf32>)
func.func @frozen(%x: tensor<?x5xf32>, %mm: tensor<5xf32>, %mv: tensor<5xf32>) -> (tensor<?x5xf32>, tensor<5xf32>) {
  // CHECK-NOT: norma.moments
  // CHECK: %[[INV:.*]] = linalg.generic {{.*}} ins(%[[MV]] :
  // CHECK: %[[C:.*]]:2 = linalg.generic {{.*}} ins(%[[MM]], %[[INV]] :
  // CHECK: %[[Y:.*]] = norma.affine kept [1] {{.*}} center(%[[C]]#0 : {{.*}}) scale(%[[C]]#1 : tensor<5xf32>) outs
  // CHECK: return %[[Y]], %[[MV]]
  %y, %n, %mean, %inv, %mm1, %mv1 = norma.batch_norm_training %x moving(%mm, %mv : tensor<5xf32>, tensor<5xf32>)
      kept [1] {use_batch_statistics = false, update_moving = false, virtual_batch_size = 2 : i64,
                remainder = #norma<remainder smaller>} : tensor<?x5xf32>
  return %y, %mv1 : tensor<?x5xf32>, tensor<5xf32>
}

// -----

// Statistics that are given are not computed.
// CHECK-LABEL: func @synchronized(
// CHECK-SAME: %[[N:[^:]*]]: tensor<5xf64>, %[[M:[^:]*]]: tensor<5xf64>, %[[S:[^:]*]]: tensor<5xf64>)
func.func @synchronized(%x: tensor<?x5xf32>, %n: tensor<5xf64>, %m: tensor<5xf64>, %s: tensor<5xf64>)
    -> (tensor<?x5xf32>, tensor<5xf64>) {
  // CHECK-NOT: norma.moments
  // CHECK: linalg.generic {{.*}} ins(%[[N]], %[[S]] :
  // CHECK: norma.affine
  // CHECK: return %{{.*}}, %[[M]]
  %y, %c, %mean, %inv = norma.batch_norm_training %x
      statistics(%n, %m, %s : tensor<5xf64>, tensor<5xf64>, tensor<5xf64>) kept [1] : tensor<?x5xf32>
  return %y, %mean : tensor<?x5xf32>, tensor<5xf64>
}

// -----

// CHECK-LABEL: func @renorm(
func.func @renorm(%x: tensor<?x5xf32>, %mm: tensor<5xf64>, %mv: tensor<5xf64>, %ms: tensor<5xf64>,
                  %rm: tensor<5xf64>, %rs: tensor<5xf64>, %rmax: tensor<f32>, %dmax: tensor<f32>)
    -> (tensor<?x5xf32>, tensor<5xf64>, tensor<5xf64>) {
  // CHECK: norma.moments
  // CHECK: %[[RD:.*]]:2 = linalg.generic
  // CHECK-SAME: ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : {{.*}}, tensor<f32>, tensor<f32>)
  // CHECK-DAG: arith.minimumf
  // CHECK-DAG: arith.maximumf
  // CHECK-DAG: arith.negf
  // CHECK: %[[C:.*]]:3 = linalg.generic {{.*}} ins(%{{.*}}, %{{.*}}, %[[RD]]#0, %[[RD]]#1 :
  // CHECK: norma.affine {{.*}} shift(%[[C]]#2
  // CHECK: return %{{.*}}, %[[RD]]#0, %[[RD]]#1
  %y, %n, %mean, %inv, %mm1, %mv1, %ms1, %rm1, %rs1, %r, %d = norma.batch_norm_training %x
      moving(%mm, %mv : tensor<5xf64>, tensor<5xf64>) renorm(%ms, %rm, %rs : tensor<5xf64>, tensor<5xf64>, tensor<5xf64>)
      rmax(%rmax : tensor<f32>) dmax(%dmax : tensor<f32>) kept [1] : tensor<?x5xf32>
  return %y, %r, %d : tensor<?x5xf32>, tensor<5xf64>, tensor<5xf64>
}

// -----

// Coefficients have the extents of the kept axis and of those the adjustment varies
// along.
// CHECK-DAG: #[[$GROUP:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[$ADJUST:.*]] = affine_map<(d0, d1) -> (d0, 0, 0)>
// CHECK-LABEL: func @adjustment(
func.func @adjustment(%x: tensor<8x3x5xf32>, %a: tensor<8x1x1xf32>, %b: tensor<1x1x1xf32>) -> tensor<8x3x5xf32> {
  // CHECK: norma.moments kept [2]
  // CHECK: %[[C:.*]]:3 = linalg.generic {indexing_maps = [#[[$GROUP]], #[[$GROUP]], #[[$ADJUST]],
  // CHECK-SAME: outs({{.*}} : tensor<8x5xf32>, tensor<8x5xf32>, tensor<8x5xf32>)
  // CHECK: norma.affine kept [0, 2] {{.*}} center(%[[C]]#0 : tensor<8x5xf32>)
  %y, %n, %mean, %inv = norma.batch_norm_training %x adjust_scale(%a : tensor<8x1x1xf32>)
      adjust_bias(%b : tensor<1x1x1xf32>) kept [2] : tensor<8x3x5xf32>
  return %y : tensor<8x3x5xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Ghost batches
//===----------------------------------------------------------------------===//

// Whole ghosts only: no slices.
// CHECK-LABEL: func @strided(
// CHECK-SAME: %[[X:[^:]*]]: tensor<12x3xf32>, %[[W:[^:]*]]: tensor<1x3xf32>
func.func @strided(%x: tensor<12x3xf32>, %w: tensor<1x3xf32>, %g: tensor<3xf32>) -> (tensor<12x3xf32>, tensor<3x3xf64>) {
  // CHECK-NOT: tensor.extract_slice
  // CHECK-DAG: %[[CUT:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0, 1], [2]] output_shape [4, 3, 3] : tensor<12x3xf32> into tensor<4x3x3xf32>
  // CHECK-DAG: %[[WEIGHTS:.*]] = tensor.expand_shape %[[W]] {{\[\[}}0, 1], [2]] output_shape [1, 1, 3]
  // CHECK: %[[S:.*]]:3 = norma.moments kept [1, 2] ins(%[[CUT]] : {{.*}}) weights(%[[WEIGHTS]] : tensor<1x1x3xf32>)
  // CHECK: %[[C:.*]]:3 = linalg.generic {{.*}} outs({{.*}} : tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>)
  // CHECK: %[[MAPPED:.*]] = norma.affine kept [1, 2] ins(%[[CUT]] : tensor<4x3x3xf32>) center(%[[C]]#0 :
  // CHECK: %[[Y:.*]] = tensor.collapse_shape %[[MAPPED]] {{\[\[}}0, 1], [2]]
  // CHECK-NOT: tensor.insert_slice
  // CHECK: return %[[Y]], %[[S]]#1
  %y, %n, %mean, %inv = norma.batch_norm_training %x gamma(%g : tensor<3xf32>) weights(%w : tensor<1x3xf32>) kept [1]
      {virtual_batch_size = 4 : i64} : tensor<12x3xf32>
  return %y, %mean : tensor<12x3xf32>, tensor<3x3xf64>
}

// -----

// CHECK-LABEL: func @contiguous(
func.func @contiguous(%x: tensor<12x3xf32>) -> tensor<12x3xf32> {
  // CHECK: tensor.expand_shape {{.*}} into tensor<3x4x3xf32>
  // CHECK: norma.moments kept [0, 2]
  // CHECK: norma.affine kept [0, 2]
  %y, %n, %mean, %inv = norma.batch_norm_training %x kept [1]
      {virtual_batch_size = 4 : i64, grouping = #norma<grouping contiguous>} : tensor<12x3xf32>
  return %y : tensor<12x3xf32>
}

// -----

// The two samples behind the whole ghosts are one more.
// CHECK-LABEL: func @smaller(
// CHECK-SAME: %[[X:[^:]*]]: tensor<10x3xf32>
func.func @smaller(%x: tensor<10x3xf32>) -> (tensor<10x3xf32>, tensor<3x3xf64>) {
  // CHECK: %[[FRONT:.*]] = tensor.extract_slice %[[X]][0, 0] [8, 3] [1, 1]
  // CHECK: tensor.expand_shape %[[FRONT]] {{.*}} into tensor<4x2x3xf32>
  // CHECK: %[[S:.*]]:3 = norma.moments kept [1, 2]
  // CHECK: %[[BACK:.*]] = tensor.extract_slice %[[X]][8, 0] [2, 3] [1, 1]
  // CHECK: tensor.expand_shape %[[BACK]] {{.*}} into tensor<2x1x3xf32>
  // CHECK: %[[T:.*]]:3 = norma.moments kept [1, 2]
  // CHECK: %[[WHOLE:.*]] = tensor.insert_slice %[[S]]#1 into %{{.*}}[0, 0] [2, 3] [1, 1] : tensor<2x3xf64> into tensor<3x3xf64>
  // CHECK: %[[MEAN:.*]] = tensor.insert_slice %[[T]]#1 into %[[WHOLE]][2, 0] [1, 3] [1, 1]
  // CHECK: norma.affine kept [1, 2]
  // CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [8, 3] [1, 1]
  // CHECK: norma.affine kept [1, 2]
  // CHECK: %[[Y:.*]] = tensor.insert_slice %{{.*}} into %{{.*}}[8, 0] [2, 3] [1, 1]
  // CHECK: return %[[Y]], %[[MEAN]]
  %y, %n, %mean, %inv = norma.batch_norm_training %x kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder smaller>} : tensor<10x3xf32>
  return %y, %mean : tensor<10x3xf32>, tensor<3x3xf64>
}

// -----

// The last ghost has the samples behind it, too: both pieces use what is merged.
// CHECK-LABEL: func @merge(
func.func @merge(%x: tensor<10x3xf32>) -> tensor<2x3xf64> {
  // CHECK: %[[S:.*]]:3 = norma.moments
  // CHECK: %[[T:.*]]:3 = norma.moments
  // CHECK: %[[LAST:.*]] = tensor.extract_slice %[[S]]#1[1, 0] [1, 3] [1, 1]
  // CHECK: %[[MERGED:.*]]:3 = linalg.generic {{.*}} ins(%{{.*}}, %[[LAST]], %{{.*}}, %[[T]]#0, %[[T]]#1, %[[T]]#2 :
  // CHECK: %[[MEAN:.*]] = tensor.insert_slice %[[MERGED]]#1 into %[[S]]#1[1, 0] [1, 3] [1, 1]
  // CHECK: return %[[MEAN]]
  %y, %n, %mean, %inv = norma.batch_norm_training %x kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder merge>} : tensor<10x3xf32>
  return %mean : tensor<2x3xf64>
}

// -----

// Fewer samples than a ghost wants: one piece.
// CHECK-LABEL: func @tail_only(
func.func @tail_only(%x: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<1x3xf64>) {
  // CHECK-NOT: extract_slice
  // CHECK: tensor.expand_shape {{.*}} into tensor<3x1x3xf32>
  // CHECK: norma.moments
  // CHECK-NOT: norma.moments
  // CHECK: return
  %y, %n, %mean, %inv = norma.batch_norm_training %x kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder merge>} : tensor<3x3xf32>
  return %y, %mean : tensor<3x3xf32>, tensor<1x3xf64>
}

// -----

// The moving statistics take the average of the ghosts in which something was counted.
// CHECK-LABEL: func @average_of_ghosts(
func.func @average_of_ghosts(%x: tensor<12x3xf32>, %mm: tensor<3xf64>, %mv: tensor<3xf64>) -> tensor<3xf64> {
  // CHECK: %[[S:.*]]:3 = norma.moments
  // CHECK: %[[SUMS:.*]]:3 = linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%[[S]]#0, %[[S]]#1, %[[S]]#2 :
  // CHECK: arith.select
  // CHECK: %[[AVERAGE:.*]]:2 = linalg.generic {{.*}} ins(%[[SUMS]]#0, %[[SUMS]]#1, %[[SUMS]]#2 :
  // CHECK: linalg.generic {{.*}} ins(%[[SUMS]]#0, %[[AVERAGE]]#0, %[[AVERAGE]]#1,
  %y, %n, %mean, %inv, %mm1, %mv1 = norma.batch_norm_training %x moving(%mm, %mv : tensor<3xf64>, tensor<3xf64>)
      kept [1] {virtual_batch_size = 4 : i64} : tensor<12x3xf32>
  return %mm1 : tensor<3xf64>
}

// -----

// A batch known at run time has both pieces, either of which may be empty.
// CHECK-LABEL: func @dynamic_batch(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>
func.func @dynamic_batch(%x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf64>) {
  // CHECK-DAG: %[[BATCH:.*]] = tensor.dim %[[X]], %c0
  // CHECK-DAG: %[[WHOLE:.*]] = arith.divui %[[BATCH]], %c4
  // CHECK-DAG: %[[TAIL:.*]] = arith.remui %[[BATCH]], %c4
  // CHECK-DAG: %[[GHOSTS:.*]] = arith.ceildivui %[[BATCH]], %c4
  // CHECK-DAG: %[[FIRST:.*]] = arith.muli %[[WHOLE]], %c4
  // CHECK: tensor.extract_slice %[[X]][0, 0] [%[[FIRST]], 3] [1, 1]
  // CHECK: tensor.expand_shape {{.*}} output_shape [4, %[[WHOLE]], 3]
  // CHECK: norma.moments kept [1, 2]
  // CHECK: tensor.extract_slice %[[X]][%[[FIRST]], 0] [%[[TAIL]], 3] [1, 1]
  // CHECK: tensor.expand_shape {{.*}} output_shape [%[[TAIL]], 1, 3]
  // CHECK: norma.moments kept [1, 2]
  // CHECK: tensor.empty(%[[GHOSTS]]) : tensor<?x3xf64>
  %y, %n, %mean, %inv = norma.batch_norm_training %x kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder smaller>} : tensor<?x3xf32>
  return %y, %mean : tensor<?x3xf32>, tensor<?x3xf64>
}

// -----

//===----------------------------------------------------------------------===//
// batch_norm_grad
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @gradient(
// CHECK-SAME: %[[DY:[^:]*]]: tensor<?x5xf32>, %[[X:[^:]*]]: tensor<?x5xf16>, %[[N:[^:]*]]: tensor<5xf64>, %[[M:[^:]*]]: tensor<5xf64>, %[[I:[^:]*]]: tensor<5xf64>, %[[G:[^:]*]]: tensor<5xf32>
func.func @gradient(%dy: tensor<?x5xf32>, %x: tensor<?x5xf16>, %n: tensor<5xf64>, %m: tensor<5xf64>,
                    %i: tensor<5xf64>, %g: tensor<5xf32>, %mask: tensor<?x1xi8>)
    -> (tensor<?x5xf32>, tensor<5xf32>, tensor<5xf32>) {
  // CHECK: %[[S:.*]]:2 = norma.grad_sums kept [1] ins(%[[X]], %[[DY]] : {{.*}}) center(%[[M]] : tensor<5xf64>) mask(%{{.*}} : tensor<?x1xi8>)
  // CHECK: %[[C:.*]]:4 = linalg.generic {{.*}} ins(%[[N]], %[[M]], %[[I]], %[[S]]#0, %[[S]]#1, %[[G]] :
  // CHECK-COUNT-2: arith.select %{{.*}}, %cst{{.*}}, %{{.*}} : f64
  // CHECK: %[[DX:.*]] = norma.grad_map kept [1] ins(%[[X]], %[[DY]] : {{.*}}) center(%[[C]]#0 : {{.*}}) slope(%[[C]]#1 : {{.*}}) offset(%[[C]]#2 : {{.*}}) scale(%[[C]]#3 : {{.*}}) mask
  // CHECK: %[[PARAMETERS:.*]]:2 = linalg.generic {{.*}} ins(%[[S]]#0, %[[S]]#1, %[[I]] :
  // CHECK: return %[[DX]], %[[PARAMETERS]]#0, %[[PARAMETERS]]#1
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<5xf64>) gamma(%g : tensor<5xf32>)
      mask(%mask : tensor<?x1xi8>) kept [1] : tensor<?x5xf32>, tensor<?x5xf16>
  return %dx, %dgamma, %dbeta : tensor<?x5xf32>, tensor<5xf32>, tensor<5xf32>
}

// -----

// Sums that are given replace those of the data, which nobody asks for then.
// CHECK-LABEL: func @gradient_synchronized(
func.func @gradient_synchronized(%dy: tensor<?x5xf32>, %x: tensor<?x5xf32>, %n: tensor<5xf64>, %m: tensor<5xf64>,
                                 %i: tensor<5xf64>, %s1: tensor<5xf64>, %s2: tensor<5xf64>) -> tensor<?x5xf32> {
  // CHECK-NOT: norma.grad_sums
  // CHECK: norma.grad_map
  %dx = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<5xf64>)
      sums(%s1, %s2 : tensor<5xf64>, tensor<5xf64>) kept [1] {trainable_affine = false}
      : tensor<?x5xf32>, tensor<?x5xf32>
  return %dx : tensor<?x5xf32>
}

// -----

// CHECK-LABEL: func @gradient_frozen(
// CHECK-SAME: %[[DY:[^:]*]]: tensor<?x5xbf16>
func.func @gradient_frozen(%dy: tensor<?x5xbf16>, %x: tensor<?x5xi8>, %n: tensor<5xf64>, %m: tensor<5xf64>,
                           %i: tensor<5xf64>) -> tensor<?x5xbf16> {
  // CHECK-NOT: norma.grad
  // CHECK: %[[SCALE:.*]] = linalg.generic
  // CHECK: norma.affine kept [1] ins(%[[DY]] : tensor<?x5xbf16>) scale(%[[SCALE]] : tensor<5xf32>) outs
  // CHECK-NOT: norma.grad
  // CHECK: return
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<5xf64>) kept [1] unsigned
      {use_batch_statistics = false} : tensor<?x5xbf16>, tensor<?x5xi8>
  return %dx : tensor<?x5xbf16>
}

// -----

// Sums for every sample, since the adjustment varies by sample; those of the groups
// are made of them.
// CHECK-LABEL: func @gradient_adjustment(
func.func @gradient_adjustment(%dy: tensor<8x5x3xf32>, %x: tensor<8x5x3xf32>, %n: tensor<3xf64>, %m: tensor<3xf64>,
                               %i: tensor<3xf64>, %a: tensor<8x1x1xf32>)
    -> (tensor<8x5x3xf32>, tensor<3xf32>) {
  // CHECK: %[[S:.*]]:2 = norma.grad_sums kept [0, 2] {{.*}} -> tensor<8x3xf64>, tensor<8x3xf64>
  // CHECK: %[[GROUPS:.*]]:2 = linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%[[S]]#0, %[[S]]#1, %{{.*}} :
  // CHECK: linalg.generic {{.*}} %[[GROUPS]]#0, %[[GROUPS]]#1, {{.*}} outs({{.*}} : tensor<8x3xf32>,
  // CHECK: norma.grad_map kept [0, 2]
  // CHECK: %[[SUMS:.*]]:2 = linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%[[S]]#0, %[[S]]#1,
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<3xf64>)
      adjust_scale(%a : tensor<8x1x1xf32>) kept [2] : tensor<8x5x3xf32>, tensor<8x5x3xf32>
  return %dx, %dgamma : tensor<8x5x3xf32>, tensor<3xf32>
}

// -----

// gamma's gradient is the sum over all ghosts.
// CHECK-LABEL: func @gradient_of_ghosts(
func.func @gradient_of_ghosts(%dy: tensor<10x3xf32>, %x: tensor<10x3xf32>, %n: tensor<2x3xf64>, %m: tensor<2x3xf64>,
                              %i: tensor<2x3xf64>, %r: tensor<3xf64>, %d: tensor<3xf64>)
    -> (tensor<10x3xf32>, tensor<3xf32>) {
  // CHECK: %[[S:.*]]:2 = norma.grad_sums kept [1, 2] {{.*}} -> tensor<2x3xf64>, tensor<2x3xf64>
  // CHECK: %[[T:.*]]:2 = norma.grad_sums kept [1, 2] {{.*}} -> tensor<1x3xf64>, tensor<1x3xf64>
  // CHECK: %[[LAST:.*]]:2 = linalg.generic {{.*}} ins(%{{.*}}, %{{.*}}, %[[T]]#0, %[[T]]#1 :
  // CHECK: tensor.insert_slice %[[LAST]]#0 into %[[S]]#0[1, 0] [1, 3] [1, 1]
  // CHECK: norma.grad_map kept [1, 2]
  // CHECK: linalg.generic {{.*}} %[[LAST]]#0, %[[LAST]]#1, {{.*}} outs({{.*}} : tensor<1x3xf32>,
  // CHECK: norma.grad_map kept [1, 2]
  // CHECK: %[[A:.*]]:2 = linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%[[S]]#0, %[[S]]#1,
  // CHECK: %[[B:.*]]:2 = linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%[[T]]#0, %[[T]]#1,
  // CHECK: linalg.generic {{.*}} ins(%[[A]]#0, %[[A]]#1, %[[B]]#0, %[[B]]#1 :
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<2x3xf64>)
      renorm(%r, %d : tensor<3xf64>, tensor<3xf64>) kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder merge>} : tensor<10x3xf32>, tensor<10x3xf32>
  return %dx, %dgamma : tensor<10x3xf32>, tensor<3xf32>
}

// -----

// An empty batch has no ghost whose statistics the tail could take: zeros, not whatever
// is in memory, since gamma's gradient adds up what the tail makes of them.
// CHECK-LABEL: func @gradient_of_dynamic_batch(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3xf32>, %{{[^:]*}}: tensor<?x3xf64>, %[[M:[^:]*]]: tensor<?x3xf64>
func.func @gradient_of_dynamic_batch(%x: tensor<?x3xf32>, %n: tensor<?x3xf64>, %m: tensor<?x3xf64>,
                                     %i: tensor<?x3xf64>) -> tensor<3xf32> {
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f64
  // CHECK-DAG: %[[GHOSTS:.*]] = arith.ceildivui
  // CHECK: %[[PRESENT:.*]] = arith.minui %[[GHOSTS]], %c1
  // CHECK: %[[LAST:.*]] = arith.subi %[[GHOSTS]], %[[PRESENT]]
  // CHECK: %[[OF_TAIL:.*]] = tensor.extract_slice %[[M]][%[[LAST]], 0] [%[[PRESENT]], 3] [1, 1]
  // CHECK: %[[ZEROS:.*]] = linalg.fill ins(%[[ZERO]] : f64) outs(%{{.*}} : tensor<1x3xf64>)
  // CHECK: %[[CENTER:.*]] = tensor.insert_slice %[[OF_TAIL]] into %[[ZEROS]][0, 0] [%[[PRESENT]], 3] [1, 1]
  // CHECK: norma.grad_sums {{.*}} center(%[[CENTER]] : tensor<1x3xf64>)
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %x, %x saved(%n, %m, %i : tensor<?x3xf64>) kept [1]
      {virtual_batch_size = 4 : i64, remainder = #norma<remainder smaller>} : tensor<?x3xf32>, tensor<?x3xf32>
  return %dgamma : tensor<3xf32>
}
