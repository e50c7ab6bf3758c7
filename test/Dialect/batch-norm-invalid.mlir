// RUN: norma-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// Kept axes, data
//===----------------------------------------------------------------------===//

func.func @inference_axis(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{kept axis 2 is out of range for data of rank 2}}
  %y = norma.batch_norm %x, %p, %p kept [2] : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @training_axis_twice(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{kept axis 1 is given twice}}
  %y:4 = norma.batch_norm_training %x kept [1, 1] : tensor<8x3xf32>
  return
}

// -----

func.func @gradient_axes_descending(%x: tensor<8x3xf32>, %s: tensor<8x3xf64>) {
  // expected-error@+1 {{kept axes must be ascending, but 0 follows 1}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<8x3xf64>) kept [1, 0]
      : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @inference_unsigned(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f32'}}
  %y = norma.batch_norm %x, %p, %p kept [1] unsigned : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @training_unsigned(%x: tensor<8x3xf16>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f16'}}
  %y:4 = norma.batch_norm_training %x kept [1] unsigned : tensor<8x3xf16>
  return
}

// -----

func.func @gradient_unsigned(%x: tensor<8x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f32'}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) kept [1] unsigned
      : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @training_bool(%x: tensor<8x3xi1>) {
  // expected-error@+1 {{operand #0 must be ranked tensor of f16, bf16, f32, f64, i8, i16, i32 or i64 values, but got 'tensor<8x3xi1>'}}
  %y:4 = norma.batch_norm_training %x kept [1] : tensor<8x3xi1>
  return
}

// -----

func.func @inference_result_type(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{inferred type(s) 'tensor<8x3xf32>' are incompatible with return type(s) of operation 'tensor<8x3xf64>'}}
  %y = "norma.batch_norm"(%x, %p, %p)
      {kept = array<i64: 1>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
      : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<8x3xf64>
  return
}

// -----

func.func @training_result_type(%x: tensor<8x3xf32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{inferred type(s) 'tensor<8x3xf32>', 'tensor<2x3xf64>', 'tensor<2x3xf64>', 'tensor<2x3xf64>' are incompatible with return type(s) of operation 'tensor<8x3xf32>', 'tensor<3xf64>', 'tensor<3xf64>', 'tensor<3xf64>'}}
  %y:4 = "norma.batch_norm_training"(%x) {kept = array<i64: 1>, virtual_batch_size = 4,
      operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<8x3xf32>) -> (tensor<8x3xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

func.func @inference_mean_rank(%x: tensor<8x3xf32>, %m: tensor<1x3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{mean has rank 2, expected 1, one axis for every kept axis}}
  %y = norma.batch_norm %x, %m, %v kept [1] : tensor<8x3xf32>, tensor<1x3xf32>, tensor<3xf32>
  return
}

// -----

func.func @inference_variance_extent(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %v: tensor<4xf32>) {
  // expected-error@+1 {{variance has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y = norma.batch_norm %x, %p, %v kept [1] : tensor<8x3xf32>, tensor<3xf32>, tensor<4xf32>
  return
}

// -----

func.func @inference_gamma(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{gamma has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y = norma.batch_norm %x, %p, %p gamma(%g : tensor<4xf32>) kept [1]
      : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @inference_beta(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %b: tensor<f32>) {
  // expected-error@+1 {{beta has rank 0, expected 1, one axis for every kept axis}}
  %y = norma.batch_norm %x, %p, %p beta(%b : tensor<f32>) kept [1]
      : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @training_gamma(%x: tensor<8x3xf32>, %g: tensor<8xf32>) {
  // expected-error@+1 {{gamma has extent 8 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y:4 = norma.batch_norm_training %x gamma(%g : tensor<8xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @training_beta(%x: tensor<8x3xf32>, %b: tensor<1x3xf32>) {
  // expected-error@+1 {{beta has rank 2, expected 1, one axis for every kept axis}}
  %y:4 = norma.batch_norm_training %x beta(%b : tensor<1x3xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @gradient_gamma(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %g: tensor<8xf32>) {
  // expected-error@+1 {{gamma has extent 8 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) gamma(%g : tensor<8xf32>)
      kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_dy_rank(%x: tensor<8x3xf32>, %dy: tensor<24xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{dy has rank 1, expected 2, the rank of the data}}
  %y:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>) kept [1]
      : tensor<24xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_dy_extent(%x: tensor<8x3xf32>, %dy: tensor<4x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{dy has extent 4 at axis 0, expected 8, the extent of the data}}
  %y:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>) kept [1]
      : tensor<4x3xf32>, tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

func.func @inference_epsilon_negative(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{epsilon -1.000000e+00, expected a finite number not below 0}}
  %y = norma.batch_norm %x, %p, %p kept [1] {epsilon = -1.0}
      : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @inference_epsilon_nan(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error-re@+1 {{epsilon {{nan|NaN}}, expected a finite number not below 0}}
  %y = norma.batch_norm %x, %p, %p kept [1] {epsilon = 0x7FF8000000000000 : f64}
      : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @inference_epsilon_floor_infinite(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error-re@+1 {{epsilon_floor {{inf|INF}}, expected a finite number not below 0}}
  %y = norma.batch_norm %x, %p, %p kept [1] {epsilon_floor = 0x7FF0000000000000 : f64}
      : tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @training_epsilon_infinite(%x: tensor<8x3xf32>) {
  // expected-error-re@+1 {{epsilon {{inf|INF}}, expected a finite number not below 0}}
  %y:4 = norma.batch_norm_training %x kept [1] {epsilon = 0x7FF0000000000000 : f64}
      : tensor<8x3xf32>
  return
}

// -----

func.func @training_epsilon_floor_negative(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{epsilon_floor -1.000000e-05, expected a finite number not below 0}}
  %y:4 = norma.batch_norm_training %x kept [1] {epsilon_floor = -1.0e-5}
      : tensor<8x3xf32>
  return
}

// -----

func.func @training_momentum_nan(%x: tensor<8x3xf32>) {
  // expected-error-re@+1 {{momentum {{nan|NaN}}, expected a finite number}}
  %y:4 = norma.batch_norm_training %x kept [1] {momentum = 0x7FF8000000000000 : f64}
      : tensor<8x3xf32>
  return
}

// -----

func.func @training_renorm_momentum_infinite(%x: tensor<8x3xf32>) {
  // expected-error-re@+1 {{renorm_momentum {{-inf|-INF}}, expected a finite number}}
  %y:4 = norma.batch_norm_training %x kept [1] {renorm_momentum = 0xFFF0000000000000 : f64}
      : tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Moving statistics, renorm
//===----------------------------------------------------------------------===//

func.func @moving_incomplete(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{moving has 1 values, expected 2: moving_mean, moving_variance}}
  %y:5 = norma.batch_norm_training %x moving(%p : tensor<3xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @moving_extent(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %q: tensor<4xf32>) {
  // expected-error@+1 {{moving_variance has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y:6 = norma.batch_norm_training %x moving(%p, %q : tensor<3xf32>, tensor<4xf32>) kept [1]
      : tensor<8x3xf32>
  return
}

// -----

func.func @moving_type(%x: tensor<8x3xf32>, %p: tensor<3xf16>) {
  // expected-error@+1 {{operand #1 must be variadic of ranked tensor of 32-bit float or 64-bit float values, but got 'tensor<3xf16>'}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf16>, tensor<3xf16>) kept [1]
      : tensor<8x3xf32>
  return
}

// -----

func.func @renorm_incomplete(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{renorm has 2 values, expected 3: moving_stddev, renorm_mean, renorm_stddev}}
  %y:10 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p : tensor<3xf32>, tensor<3xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @renorm_rank(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %q: tensor<f32>) {
  // expected-error@+1 {{renorm_mean has rank 0, expected 1, one axis for every kept axis}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %q, %p : tensor<3xf32>, tensor<f32>, tensor<3xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @renorm_without_moving(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  // expected-error@+1 {{renorm is given without moving, which it needs}}
  %y:9 = norma.batch_norm_training %x renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @step_without_moving(%x: tensor<8x3xf32>, %n: tensor<i64>) {
  // expected-error@+1 {{step is given without moving, which it needs}}
  %y:4 = norma.batch_norm_training %x step(%n : tensor<i64>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @step_type(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %n: tensor<i32>) {
  // expected-error@+1 {{must be 0D tensor of 64-bit signless integer values, but got 'tensor<i32>'}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) step(%n : tensor<i32>)
      kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @rmin_without_renorm(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %c: tensor<f32>) {
  // expected-error@+1 {{rmin is given without renorm, which it limits}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) rmin(%c : tensor<f32>)
      kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @rmax_without_renorm(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %c: tensor<f32>) {
  // expected-error@+1 {{rmax is given without renorm, which it limits}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) rmax(%c : tensor<f32>)
      kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @dmax_without_renorm(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %c: tensor<f32>) {
  // expected-error@+1 {{dmax is given without renorm, which it limits}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) dmax(%c : tensor<f32>)
      kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @rmax_below_rmin(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  %rmin = arith.constant dense<1.0> : tensor<f32>
  %rmax = arith.constant dense<0.5> : tensor<f64>
  // expected-error@+1 {{rmax is 5.000000e-01, expected at least rmin, which is 1.000000e+00}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      rmin(%rmin : tensor<f32>) rmax(%rmax : tensor<f64>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @rmin_negative(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  %rmin = arith.constant dense<-1.0> : tensor<f32>
  // expected-error@+1 {{rmin is -1.000000e+00, expected a number not below 0}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      rmin(%rmin : tensor<f32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @rmax_nan(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  %rmax = arith.constant dense<0x7FC00000> : tensor<f32>
  // expected-error-re@+1 {{rmax is {{nan|NaN}}, expected a number not below 0}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      rmax(%rmax : tensor<f32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @dmax_negative(%x: tensor<8x3xf32>, %p: tensor<3xf32>) {
  %dmax = arith.constant dense<-2.0> : tensor<f64>
  // expected-error@+1 {{dmax is -2.000000e+00, expected a number not below 0}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      dmax(%dmax : tensor<f64>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @clip_rank(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %c: tensor<1xf32>) {
  // expected-error@+1 {{must be 0D tensor of 32-bit float or 64-bit float values, but got 'tensor<1xf32>'}}
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %p : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
      rmin(%c : tensor<1xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Switches
//===----------------------------------------------------------------------===//

func.func @frozen_without_moving(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{use_batch_statistics = false needs moving statistics, but there are none}}
  %y:4 = norma.batch_norm_training %x kept [1] {use_batch_statistics = false}
      : tensor<8x3xf32>
  return
}

// -----

func.func @frozen_with_statistics(%x: tensor<8x3xf32>, %p: tensor<3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{use_batch_statistics = false, but statistics of the batch are given}}
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      statistics(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1]
      {use_batch_statistics = false} : tensor<8x3xf32>
  return
}

// -----

func.func @frozen_with_sums(%x: tensor<8x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{use_batch_statistics = false, but sums over the groups are given}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      sums(%s, %s : tensor<3xf64>, tensor<3xf64>) kept [1] {use_batch_statistics = false}
      : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Mask, weights, adjustment
//===----------------------------------------------------------------------===//

func.func @training_mask_extent(%x: tensor<8x3xf32>, %m: tensor<8x2xi1>) {
  // expected-error@+1 {{mask has extent 2 at axis 1, expected 1 or 3, the extent of the data}}
  %y:4 = norma.batch_norm_training %x mask(%m : tensor<8x2xi1>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @training_mask_type(%x: tensor<8x3xf32>, %m: tensor<8x1xf32>) {
  // expected-error@+1 {{must be ranked tensor of 1-bit signless integer or 8-bit signless integer values, but got 'tensor<8x1xf32>'}}
  %y:4 = norma.batch_norm_training %x mask(%m : tensor<8x1xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @training_weights_rank(%x: tensor<8x3xf32>, %w: tensor<3xf32>) {
  // expected-error@+1 {{weights has rank 1, expected 2, the rank of the data}}
  %y:4 = norma.batch_norm_training %x weights(%w : tensor<3xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @training_adjust_scale(%x: tensor<8x3xf32>, %a: tensor<4x1xf32>) {
  // expected-error@+1 {{adjust_scale has extent 4 at axis 0, expected 1 or 8, the extent of the data}}
  %y:4 = norma.batch_norm_training %x adjust_scale(%a : tensor<4x1xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @training_adjust_bias(%x: tensor<8x3xf32>, %a: tensor<8xf32>) {
  // expected-error@+1 {{adjust_bias has rank 1, expected 2, the rank of the data}}
  %y:4 = norma.batch_norm_training %x adjust_bias(%a : tensor<8xf32>) kept [1] : tensor<8x3xf32>
  return
}

// -----

func.func @gradient_mask(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %m: tensor<8xi1>) {
  // expected-error@+1 {{mask has rank 1, expected 2, the rank of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      mask(%m : tensor<8xi1>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_weights(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %w: tensor<8x2xf32>) {
  // expected-error@+1 {{weights has extent 2 at axis 1, expected 1 or 3, the extent of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      weights(%w : tensor<8x2xf32>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_adjust_scale(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %a: tensor<3xf32>) {
  // expected-error@+1 {{adjust_scale has rank 1, expected 2, the rank of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      adjust_scale(%a : tensor<3xf32>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_adjust_bias(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %a: tensor<2x3xf32>) {
  // expected-error@+1 {{adjust_bias has extent 2 at axis 0, expected 1 or 8, the extent of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      adjust_bias(%a : tensor<2x3xf32>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Statistics of groups
//===----------------------------------------------------------------------===//

func.func @statistics_incomplete(%x: tensor<8x3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{statistics has 2 values, expected 3: count, mean, m2}}
  %y:4 = norma.batch_norm_training %x statistics(%n, %n : tensor<3xf64>, tensor<3xf64>) kept [1]
      : tensor<8x3xf32>
  return
}

// -----

func.func @statistics_extent(%x: tensor<8x3xf32>, %n: tensor<3xf64>, %s: tensor<2xf64>) {
  // expected-error@+1 {{m2 is 'tensor<2xf64>', expected 'tensor<3xf64>', one value for every statistics group}}
  %y:4 = norma.batch_norm_training %x
      statistics(%n, %n, %s : tensor<3xf64>, tensor<3xf64>, tensor<2xf64>) kept [1]
      : tensor<8x3xf32>
  return
}

// -----

func.func @statistics_without_ghosts(%x: tensor<8x3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{count is 'tensor<3xf64>', expected 'tensor<2x3xf64>', one value for every statistics group}}
  %y:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1]
      {virtual_batch_size = 4} : tensor<8x3xf32>
  return
}

// -----

func.func @saved_extent(%x: tensor<8x3xf32>, %s: tensor<4xf64>) {
  // expected-error@+1 {{saved is 'tensor<4xf64>', expected 'tensor<3xf64>', one value for every statistics group}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<4xf64>) kept [1]
      : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @saved_without_ghosts(%x: tensor<8x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{saved is 'tensor<3xf64>', expected 'tensor<2x3xf64>', one value for every statistics group}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>) kept [1]
      {virtual_batch_size = 4} : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @saved_of_ghosts_frozen(%x: tensor<8x3xf32>, %s: tensor<2x3xf64>) {
  // expected-error@+1 {{saved is 'tensor<2x3xf64>', expected 'tensor<3xf64>', one value for every statistics group}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<2x3xf64>) kept [1]
      {use_batch_statistics = false, virtual_batch_size = 4} : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @saved_types_differ(%x: tensor<8x?xf32>, %n: tensor<3xf64>, %m: tensor<?xf64>) {
  // expected-error@+1 {{all of {saved_count, saved_mean, saved_inv_std} have same type}}
  %y:3 = "norma.batch_norm_grad"(%x, %x, %n, %m, %m) {kept = array<i64: 1>,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<8x?xf32>, tensor<8x?xf32>, tensor<3xf64>, tensor<?xf64>, tensor<?xf64>)
      -> (tensor<8x?xf32>, tensor<?xf32>, tensor<?xf32>)
  return
}

// -----

func.func @sums_incomplete(%x: tensor<8x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{sums has 1 values, expected 2: S1, S2}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      sums(%s : tensor<3xf64>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @sums_extent(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %d: tensor<1xf64>) {
  // expected-error@+1 {{S2 is 'tensor<1xf64>', expected 'tensor<3xf64>', one value for every statistics group}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      sums(%s, %d : tensor<3xf64>, tensor<1xf64>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @corrections_incomplete(%x: tensor<8x3xf32>, %s: tensor<3xf64>) {
  // expected-error@+1 {{renorm has 1 values, expected 2: r, d}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      renorm(%s : tensor<3xf64>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @corrections_extent(%x: tensor<8x3xf32>, %s: tensor<3xf64>, %d: tensor<2xf64>) {
  // expected-error@+1 {{d has extent 2 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<3xf64>)
      renorm(%s, %d : tensor<3xf64>, tensor<2xf64>) kept [1] : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Ghost batches
//===----------------------------------------------------------------------===//

func.func @ghosts_of_none(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{attribute 'virtual_batch_size' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %y:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 0}
      : tensor<8x3xf32>
  return
}

// -----

func.func @ghosts_of_scalar(%x: tensor<f32>) {
  // expected-error@+1 {{virtual_batch_size = 4 cuts axis 0 of the data, which has rank 0}}
  %y:4 = norma.batch_norm_training %x kept [] {virtual_batch_size = 4} : tensor<f32>
  return
}

// -----

func.func @ghosts_of_kept_axis(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{virtual_batch_size = 4 cuts axis 0, which must not be kept}}
  %y:4 = norma.batch_norm_training %x kept [0] {virtual_batch_size = 4} : tensor<8x3xf32>
  return
}

// -----

func.func @ghosts_dynamic(%x: tensor<?x3xf32>) {
  // expected-error@+1 {{virtual_batch_size = 4, but the batch is dynamic, expected a static one or remainder 'smaller' or 'merge'}}
  %y:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 4} : tensor<?x3xf32>
  return
}

// -----

func.func @ghosts_remainder(%x: tensor<8x3xf32>) {
  // expected-error@+1 {{virtual_batch_size: 3 does not divide the batch of 8 samples, expected a divisor or remainder 'smaller' or 'merge'}}
  %y:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 3}
      : tensor<8x3xf32>
  return
}

// -----

func.func @gradient_ghosts_of_kept_axis(%x: tensor<8x3xf32>, %s: tensor<2x8xf64>) {
  // expected-error@+1 {{virtual_batch_size = 4 cuts axis 0, which must not be kept}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<2x8xf64>) kept [0]
      {virtual_batch_size = 4} : tensor<8x3xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @gradient_ghosts_dynamic(%x: tensor<?x3xf32>, %s: tensor<2x3xf64>) {
  // expected-error@+1 {{virtual_batch_size = 4, but the batch is dynamic, expected a static one or remainder 'smaller' or 'merge'}}
  %y:3 = norma.batch_norm_grad %x, %x saved(%s, %s, %s : tensor<2x3xf64>) kept [1]
      {virtual_batch_size = 4} : tensor<?x3xf32>, tensor<?x3xf32>
  return
}

// -----

func.func @ghosts_grouping(%x: tensor<8x3xf32>) {
  // expected-error@+2 {{expected one of [strided, contiguous] for Which samples make a ghost batch, got: shuffled}}
  // expected-error@+1 {{failed to parse}}
  %y:4 = norma.batch_norm_training %x kept [1] {grouping = #norma<grouping shuffled>}
      : tensor<8x3xf32>
  return
}

// -----

// The result's type is inferred before its attribute is verified.
func.func @to_integer(%x: tensor<4x3xf32>, %m: tensor<3xf64>) {
  // expected-error @+1 {{the result is to be of 'i32', expected a float type}}
  %y = norma.batch_norm %x, %m, %m kept [1] to i32 : tensor<4x3xf32>, tensor<3xf64>, tensor<3xf64>
  return
}
