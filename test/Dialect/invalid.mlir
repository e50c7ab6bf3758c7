// RUN: norma-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// Kept axes
//===----------------------------------------------------------------------===//

func.func @axis_out_of_range(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{kept axis 2 is out of range for data of rank 2}}
  %y = norma.normalize %x, %m, %m kept [2] : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @axis_negative(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{kept axis -1 is out of range for data of rank 2}}
  %y = norma.normalize %x, %m, %m kept [-1] : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @axis_twice(%x: tensor<4x3xf32>, %n: tensor<3x3xf64>) {
  // expected-error@+1 {{kept axis 1 is given twice}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [1, 1] : tensor<4x3xf32>, tensor<3x3xf64>
  return
}

// -----

func.func @axes_descending(%x: memref<4x3xf32>, %y: memref<4x3xf32>) {
  // expected-error@+1 {{kept axes must be ascending, but 0 follows 1}}
  norma.affine kept [1, 0] ins(%x : memref<4x3xf32>) outs(%y : memref<4x3xf32>)
  return
}

// -----

func.func @axis_of_scalar(%x: memref<f32>, %n: memref<1xf64>) {
  // expected-error@+1 {{kept axis 0 is out of range for data of rank 0}}
  norma.moments kept [0] ins(%x : memref<f32>)
      outs(%n, %n, %n : memref<1xf64>, memref<1xf64>, memref<1xf64>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// normalize
//===----------------------------------------------------------------------===//

func.func @normalize_mean_rank(%x: tensor<4x3xf32>, %m: tensor<1x3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{mean has rank 2, expected 1, one axis for every kept axis}}
  %y = norma.normalize %x, %m, %v kept [1] : tensor<4x3xf32>, tensor<1x3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_variance_extent(%x: tensor<2x4x3xf32>, %m: tensor<2x3xf32>, %v: tensor<2x4xf32>) {
  // expected-error@+1 {{variance has extent 4 at axis 1, expected 3, the extent of kept axis 2 of the data}}
  %y = norma.normalize %x, %m, %v kept [0, 2] : tensor<2x4x3xf32>, tensor<2x3xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @normalize_compute(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{compute type 'f16', expected f32 or f64}}
  %y = norma.normalize %x, %m, %m kept [1] compute f16 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_epsilon_negative(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{epsilon -1.000000e+00, expected a finite number not below 0}}
  %y = norma.normalize %x, %m, %m kept [1] {epsilon = -1.0}
      : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_epsilon_nan(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error-re@+1 {{epsilon {{nan|NaN}}, expected a finite number not below 0}}
  %y = norma.normalize %x, %m, %m kept [1] {epsilon = 0x7FF8000000000000 : f64}
      : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_epsilon_infinite(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error-re@+1 {{epsilon {{inf|INF}}, expected a finite number not below 0}}
  %y = norma.normalize %x, %m, %m kept [1] {epsilon = 0x7FF0000000000000 : f64}
      : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_unsigned(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f32'}}
  %y = norma.normalize %x, %m, %m kept [1] unsigned : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_bool(%x: tensor<4x3xi1>, %m: tensor<3xf32>) {
  // expected-error@+1 {{operand #0 must be ranked tensor of f16, bf16, f32, f64, i8, i16, i32 or i64 values, but got 'tensor<4x3xi1>'}}
  %y = norma.normalize %x, %m, %m kept [1] : tensor<4x3xi1>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_to_unsupported(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+1 {{result #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values, but got 'tensor<4x3xf8E5M2>'}}
  %y = norma.normalize %x, %m, %m kept [1] to f8E5M2 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @normalize_result_type(%x: tensor<4x3xf32>, %m: tensor<3xf32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{inferred type(s) 'tensor<4x3xf32>' are incompatible with return type(s) of operation 'tensor<4x3xf64>'}}
  %y = "norma.normalize"(%x, %m, %m) {kept = array<i64: 1>}
      : (tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<4x3xf64>
  return
}

// -----

//===----------------------------------------------------------------------===//
// adapt, merge, finalize
//===----------------------------------------------------------------------===//

func.func @adapt_count_extent(%x: tensor<4x3xf32>, %n: tensor<4xf64>) {
  // expected-error@+1 {{count has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [1] : tensor<4x3xf32>, tensor<4xf64>
  return
}

// -----

func.func @adapt_statistics_differ(%x: tensor<?x?xf32>, %n: tensor<4xf64>, %m: tensor<3xf64>) {
  // expected-error@+1 {{all of {count, mean, m2, new_count, new_mean, new_m2} have same type}}
  %a, %b, %c = "norma.adapt"(%x, %n, %m, %n)
      {kept = array<i64: 1>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0>}
      : (tensor<?x?xf32>, tensor<4xf64>, tensor<3xf64>, tensor<4xf64>)
      -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>)
  return
}

// -----

func.func @adapt_mask_extent(%x: tensor<4x3xf32>, %n: tensor<3xf64>, %mask: tensor<4x2xi1>) {
  // expected-error@+1 {{mask has extent 2 at axis 1, expected 1 or 3, the extent of the data}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) mask %mask : tensor<4x2xi1> kept [1]
      : tensor<4x3xf32>, tensor<3xf64>
  return
}

// -----

func.func @adapt_weights_rank(%x: tensor<4x3xf32>, %n: tensor<3xf64>, %w: tensor<4xf32>) {
  // expected-error@+1 {{weights has rank 1, expected 2, the rank of the data}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) weights %w : tensor<4xf32> kept [1]
      : tensor<4x3xf32>, tensor<3xf64>
  return
}

// -----

func.func @adapt_unsigned(%x: tensor<4x3xf16>, %n: tensor<3xf64>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f16'}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [1] unsigned : tensor<4x3xf16>, tensor<3xf64>
  return
}

// -----

func.func @adapt_narrow_statistics(%x: tensor<4x3xf32>, %n: tensor<3xf32>) {
  // expected-error@+1 {{operand #1 must be ranked tensor of 64-bit float values, but got 'tensor<3xf32>'}}
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [1] : tensor<4x3xf32>, tensor<3xf32>
  return
}

// -----

func.func @merge_types(%a: tensor<3xf64>, %b: tensor<4xf64>) {
  // expected-error@+1 {{all of {count_a, mean_a, m2_a, count_b, mean_b, m2_b, count, mean, m2} have same type}}
  %n, %m, %s = "norma.merge"(%a, %a, %a, %b, %b, %b)
      : (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>)
      -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
  return
}

// -----

func.func @finalize_types(%a: tensor<3xf64>) {
  // expected-error@+1 {{all of {count, mean, m2, result_mean, variance} have same type}}
  %m, %v = "norma.finalize"(%a, %a, %a)
      : (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) -> (tensor<3xf64>, tensor<2xf64>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// affine
//===----------------------------------------------------------------------===//

func.func @affine_mixed(%x: tensor<4x3xf32>, %y: memref<4x3xf32>) {
  // expected-error@+1 {{mixes tensors and memrefs}}
  norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%y : memref<4x3xf32>)
  return
}

// -----

func.func @affine_missing_result(%x: tensor<4x3xf32>) {
  // expected-error@+1 {{has 0 results, expected 1, one for every tensor in outs}}
  norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%x : tensor<4x3xf32>)
  return
}

// -----

func.func @affine_result_of_memref(%x: memref<4x3xf32>) {
  // expected-error@+1 {{has 1 results, expected 0 on memrefs}}
  %y = norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%x : memref<4x3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @affine_result_type(%x: tensor<4x3xf32>) {
  // expected-error@+1 {{expected type of operand #1 ('tensor<4x3xf32>') to match type of corresponding result ('tensor<4x3xf16>')}}
  %y = norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%x : tensor<4x3xf32>) -> tensor<4x3xf16>
  return
}

// -----

func.func @affine_out_rank(%x: memref<4x3xf32>, %y: memref<12xf32>) {
  // expected-error@+1 {{outs has rank 1, expected 2, the rank of the data}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<12xf32>)
  return
}

// -----

func.func @affine_out_extent(%x: memref<4x3xf32>, %y: memref<?x1xf32>) {
  // expected-error@+1 {{outs has extent 1 at axis 1, expected 3, the extent of the data}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<?x1xf32>)
  return
}

// -----

func.func @affine_out_integer(%x: memref<4x3xf32>, %y: memref<4x3xi32>) {
  // expected-error@+1 {{operand #1 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values or strided memref of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values, but got 'memref<4x3xi32>'}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<4x3xi32>)
  return
}

// -----

func.func @affine_unsigned(%x: memref<4x3xf64>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f64'}}
  norma.affine kept [1] ins(%x : memref<4x3xf64>) unsigned outs(%x : memref<4x3xf64>)
  return
}

// -----

func.func @affine_coefficient_types(%x: memref<4x3xf32>, %c: memref<3xf32>, %s: memref<3xf64>) {
  // expected-error@+1 {{scale is of 'f64', expected 'f32' like the other coefficients}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) center(%c : memref<3xf32>)
      scale(%s : memref<3xf64>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @affine_coefficient_extent(%x: memref<4x3xf32>, %t: memref<4xf32>) {
  // expected-error@+1 {{shift has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) shift(%t : memref<4xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @affine_coefficient_rank(%x: memref<4x3xf32>, %c: memref<3xf32>) {
  // expected-error@+1 {{center has rank 1, expected 0, one axis for every kept axis}}
  norma.affine kept [] ins(%x : memref<4x3xf32>) center(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// moments
//===----------------------------------------------------------------------===//

func.func @moments_mixed(%x: tensor<4x3xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{mixes tensors and memrefs}}
  norma.moments kept [1] ins(%x : tensor<4x3xf32>)
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @moments_results(%x: tensor<4x3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{has 1 results, expected 3, one for every tensor in outs}}
  %a = norma.moments kept [1] ins(%x : tensor<4x3xf32>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  return
}

// -----

func.func @moments_exact_on_tensors(%x: tensor<4x3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{part: exact goes on with what is in `outs`, expected memrefs}}
  %a, %b, %c = norma.moments kept [1] ins(%x : tensor<4x3xf32>)
      outs(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {part = #norma<part exact>}
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return
}

// -----

func.func @moments_m2_extent(%x: memref<4x3xf32>, %n: memref<3xf64>, %s: memref<2xf64>) {
  // expected-error@+1 {{m2 has extent 2 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  norma.moments kept [1] ins(%x : memref<4x3xf32>)
      outs(%n, %n, %s : memref<3xf64>, memref<3xf64>, memref<2xf64>)
  return
}

// -----

func.func @moments_mask_rank(%x: memref<4x3xf32>, %mask: memref<i1>, %n: memref<3xf64>) {
  // expected-error@+1 {{mask has rank 0, expected 2, the rank of the data}}
  norma.moments kept [1] ins(%x : memref<4x3xf32>) mask(%mask : memref<i1>)
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @moments_weights_extent(%x: memref<4x3xf32>, %w: memref<3x1xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{weights has extent 3 at axis 0, expected 1 or 4, the extent of the data}}
  norma.moments kept [1] ins(%x : memref<4x3xf32>) weights(%w : memref<3x1xf32>)
      outs(%n, %n, %n : memref<3xf64>, memref<3xf64>, memref<3xf64>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// grad_sums
//===----------------------------------------------------------------------===//

func.func @grad_sums_mixed(%x: tensor<4x3xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{mixes tensors and memrefs}}
  norma.grad_sums kept [1] ins(%x, %x : tensor<4x3xf32>, tensor<4x3xf32>)
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_results(%x: tensor<4x3xf32>, %n: tensor<3xf64>) {
  // expected-error@+1 {{has 1 results, expected 2, one for every tensor in outs}}
  %a = norma.grad_sums kept [1] ins(%x, %x : tensor<4x3xf32>, tensor<4x3xf32>)
      center(%n : tensor<3xf64>) outs(%n, %n : tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  return
}

// -----

func.func @grad_sums_axis(%x: memref<4x3xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{kept axis 2 is out of range for data of rank 2}}
  norma.grad_sums kept [2] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_dy_extent(%x: memref<4x3xf32>, %n: memref<3xf64>, %dy: memref<4x1xf32>) {
  // expected-error@+1 {{dy has extent 1 at axis 1, expected 3, the extent of the data}}
  norma.grad_sums kept [1] ins(%x, %dy : memref<4x3xf32>, memref<4x1xf32>)
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_dy_integer(%x: memref<4x3xf32>, %n: memref<3xf64>, %dy: memref<4x3xi8>) {
  // expected-error@+1 {{operand #1 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values or strided memref of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values, but got 'memref<4x3xi8>'}}
  norma.grad_sums kept [1] ins(%x, %dy : memref<4x3xf32>, memref<4x3xi8>)
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_unsigned(%x: memref<4x3xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f32'}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>) unsigned
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_center_rank(%x: memref<4x3xf32>, %n: memref<3xf64>, %c: memref<f64>) {
  // expected-error@+1 {{center has rank 0, expected 1, one axis for every kept axis}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<f64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_dot_extent(%x: memref<4x3xf32>, %n: memref<3xf64>, %d: memref<4xf64>) {
  // expected-error@+1 {{dot has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%n : memref<3xf64>) outs(%n, %d : memref<3xf64>, memref<4xf64>)
  return
}

// -----

func.func @grad_sums_mask_rank(%x: memref<4x3xf32>, %n: memref<3xf64>, %m: memref<4xi1>) {
  // expected-error@+1 {{mask has rank 1, expected 2, the rank of the data}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%n : memref<3xf64>) mask(%m : memref<4xi1>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
  return
}

// -----

func.func @grad_sums_schedule(%x: memref<4x3xf32>, %n: memref<3xf64>) {
  // expected-error@+1 {{schedule: runs needs a reduced innermost axis}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%n : memref<3xf64>) outs(%n, %n : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1>}
  return
}

// -----

//===----------------------------------------------------------------------===//
// grad_map
//===----------------------------------------------------------------------===//

func.func @grad_map_mixed(%x: memref<4x3xf32>, %c: tensor<3xf32>) {
  // expected-error@+1 {{mixes tensors and memrefs}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_missing_result(%x: tensor<4x3xf32>, %c: tensor<3xf32>) {
  // expected-error@+1 {{has 0 results, expected 1, one for every tensor in outs}}
  norma.grad_map kept [1] ins(%x, %x : tensor<4x3xf32>, tensor<4x3xf32>)
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) outs(%x : tensor<4x3xf32>)
  return
}

// -----

func.func @grad_map_axes(%x: memref<4x3xf32>, %c: memref<3xf32>) {
  // expected-error@+1 {{kept axis -1 is out of range for data of rank 2}}
  norma.grad_map kept [-1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_dy_rank(%x: memref<4x3xf32>, %c: memref<3xf32>, %dy: memref<12xf32>) {
  // expected-error@+1 {{dy has rank 1, expected 2, the rank of the data}}
  norma.grad_map kept [1] ins(%x, %dy : memref<4x3xf32>, memref<12xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_out_extent(%x: memref<4x3xf32>, %c: memref<3xf32>, %o: memref<3x3xf32>) {
  // expected-error@+1 {{outs has extent 3 at axis 0, expected 4, the extent of the data}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%o : memref<3x3xf32>)
  return
}

// -----

func.func @grad_map_unsigned(%x: memref<4x3xf32>, %c: memref<3xf32>) {
  // expected-error@+1 {{unsigned is for integer data, the data is of 'f32'}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>) unsigned
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_coefficient_types(%x: memref<4x3xf32>, %c: memref<3xf32>, %d: memref<3xf64>) {
  // expected-error@+1 {{offset is of 'f64', expected 'f32' like the other coefficients}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%d : memref<3xf64>)
      scale(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_coefficient_extent(%x: memref<4x3xf32>, %c: memref<3xf32>, %d: memref<4xf32>) {
  // expected-error@+1 {{slope has extent 4 at axis 0, expected 3, the extent of kept axis 1 of the data}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<3xf32>) slope(%d : memref<4xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_weights_extent(%x: memref<4x3xf32>, %c: memref<3xf32>, %w: memref<4x2xf32>) {
  // expected-error@+1 {{weights has extent 2 at axis 1, expected 1 or 3, the extent of the data}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) weights(%w : memref<4x2xf32>) outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @grad_map_schedule(%x: memref<4x3xf32>, %c: memref<4xf32>) {
  // expected-error@+1 {{schedule: rows needs a kept innermost axis}}
  norma.grad_map kept [0] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>)
      center(%c : memref<4xf32>) slope(%c : memref<4xf32>) offset(%c : memref<4xf32>)
      scale(%c : memref<4xf32>) outs(%x : memref<4x3xf32>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1>}
  return
}

// -----

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

func.func @schedule_rows(%x: memref<4x3xf32>) {
  // expected-error@+1 {{schedule: rows needs a kept innermost axis}}
  norma.affine kept [0] ins(%x : memref<4x3xf32>) outs(%x : memref<4x3xf32>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1>}
  return
}

// -----

func.func @schedule_runs(%x: memref<4x3xf32>) {
  // expected-error@+1 {{schedule: runs needs a reduced innermost axis}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%x : memref<4x3xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1>}
  return
}

// -----

func.func @schedule_interleave(%x: memref<4x3xf32>, %n: memref<4xf64>) {
  // expected-error@+1 {{schedule: interleave is for the map, which goes before the reduction}}
  norma.moments kept [0] ins(%x : memref<4x3xf32>)
      outs(%n, %n, %n : memref<4xf64>, memref<4xf64>, memref<4xf64>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 1, interleave = true>}
  return
}

// -----

// expected-error@+1 {{schedule: interleave is for traversals by runs}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 1, interleave = true>

// -----

// expected-error@+1 {{schedule: vector = 12, expected a power of two from 1 to 64}}
#schedule = #norma.schedule<runs, vector = 12, unroll = 1>

// -----

// expected-error@+1 {{schedule: vector = 128, expected a power of two from 1 to 64}}
#schedule = #norma.schedule<runs, vector = 128, unroll = 1>

// -----

// expected-error@+1 {{schedule: unroll = 0, expected 1 to 64}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 0>

// -----

// expected-error@+1 {{schedule: group = 1025, expected 1 to 1024}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 2, group = 1025>

// -----

// expected-error@+1 {{schedule: line = 0, expected a positive multiple of vector for a flat traversal, one or none for runs, and none for rows}}
#schedule = #norma.schedule<flat, vector = 4, unroll = 1>

// -----

// expected-error@+1 {{schedule: line = 13, expected a positive multiple of vector for a flat traversal, one or none for runs, and none for rows}}
#schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 13>

// -----

// expected-error@+1 {{schedule: line = 8, expected a positive multiple of vector for a flat traversal, one or none for runs, and none for rows}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 1, line = 8>

// -----

// expected-error@+1 {{schedule: accumulate = 'f16', expected f32, f64 or i32}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 1, accumulate = f16>

// -----

// expected-error@+1 {{schedule: group = 1024 and unroll = 32, expected a product from 1 to 16512 where accumulate = i32}}
#schedule = #norma.schedule<rows, vector = 16, unroll = 32, group = 1024, accumulate = i32>

// -----

// expected-error@+1 {{schedule: block = -1, expected a positive number}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 1, block = -1>

// -----

// expected-error@+1 {{schedule: prefetch = -1, expected 1 to 1073741824}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 1, prefetch = -1>

// -----

// expected-error@+1 {{schedule: parts = 3, expected what divides unroll = 4}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 4, parts = 3>

// -----

// expected-error@+1 {{schedule: parts is for traversals by runs, without line or interleave}}
#schedule = #norma.schedule<rows, vector = 4, unroll = 4, parts = 2>

// -----

// expected-error@+1 {{schedule: streams = 32, expected a power of two from 1 to 16}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 1, streams = 32>

// -----

// expected-error@+1 {{schedule: streams = 3, expected a power of two from 1 to 16}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 1, streams = 3>

// -----

// expected-error@+1 {{schedule: streams is for traversals by rows, lines or runs, for these without line or interleave}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 1, line = 8, streams = 2>

// -----

// expected-error@+1 {{schedule: streams is for traversals by rows, lines or runs, for these without line or interleave}}
#schedule = #norma.schedule<runs, vector = 4, unroll = 1, streams = 2, interleave = true>

// -----

func.func @schedule_traversal(%x: memref<4x3xf32>) {
  // expected-error@+2 {{expected one of [flat, rows, runs] for How a kernel walks its data, got: columns}}
  // expected-error@+1 {{failed to parse Norma_ScheduleAttr parameter 'traversal'}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%x : memref<4x3xf32>) {schedule = #norma.schedule<columns, vector = 4, unroll = 1>}
  return
}

// -----

// The result's type is inferred before its attribute is verified.
func.func @normalize_to_integer(%x: tensor<4x3xf32>, %m: tensor<3xf64>) {
  // expected-error @+1 {{the result is to be of 'i32', expected a float type}}
  %y = norma.normalize %x, %m, %m kept [1] to i32 : tensor<4x3xf32>, tensor<3xf64>, tensor<3xf64>
  return
}
