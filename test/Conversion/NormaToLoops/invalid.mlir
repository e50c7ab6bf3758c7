// RUN: norma-opt %s --convert-norma-to-loops --split-input-file --verify-diagnostics

func.func @tensors(%x: tensor<4x3xf32>, %y: tensor<4x3xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{is on tensors; bufferize before convert-norma-to-loops}}
  %0 = norma.affine kept [1] ins(%x : tensor<4x3xf32>) outs(%y : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// -----

func.func @unscheduled(%x: memref<4x3xf32>, %y: memref<4x3xf32>) {
  // expected-error@+1 {{has no schedule; run norma-schedule before convert-norma-to-loops}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<4x3xf32>)
  return
}

// -----

func.func @strides(%x: memref<4x3xf32, strided<[6, 2]>>, %y: memref<4x3xf32>) {
  // expected-error@+1 {{schedule: vector = 4 needs a unit innermost stride}}
  norma.affine kept [1] ins(%x : memref<4x3xf32, strided<[6, 2]>>) outs(%y : memref<4x3xf32>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1>}
  return
}

// -----

func.func @line(%x: memref<4x3xf32>, %y: memref<4x3xf32>) {
  // expected-error@+1 {{schedule: flat needs an axis form R, RK or RKR whose static row divides line or is lines of whole kept indices, line = 16}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<4x3xf32>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 16>}
  return
}

// -----

// A part of a row that ends within a run.
func.func @part_of_row(%x: memref<4x6x6xf32>, %y: memref<4x6x6xf32>) {
  // expected-error@+1 {{whose static row divides line or is lines of whole kept indices, line = 4}}
  norma.affine kept [1] ins(%x : memref<4x6x6xf32>) outs(%y : memref<4x6x6xf32>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 4>}
  return
}

// -----

// The lines of a reduction are whole rows.
func.func @part_of_row_of_sums(%x: memref<4x8xf32>, %n: memref<8xf64>, %m: memref<8xf64>, %s: memref<8xf64>) {
  // expected-error@+1 {{whose static row divides line = 4}}
  norma.moments kept [1] ins(%x : memref<4x8xf32>)
      outs(%n, %m, %s : memref<8xf64>, memref<8xf64>, memref<8xf64>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, group = 32, line = 4>}
  return
}

// -----

func.func @masked(%x: memref<4x3xf32>, %mask: memref<4x3xi8>, %n: memref<3xf64>,
                  %m: memref<3xf64>, %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: flat takes no mask and no weights}}
  norma.moments kept [1] ins(%x : memref<4x3xf32>) mask(%mask : memref<4x3xi8>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, group = 32, line = 12>}
  return
}

// -----

func.func @integer_sums(%x: memref<4x3xi16>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: accumulate = i32 is for moments of 8-bit integers without weights}}
  norma.moments kept [1] ins(%x : memref<4x3xi16>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 32, accumulate = i32>}
  return
}

// -----

func.func @weighted_integer_sums(%x: memref<4x3xi8>, %w: memref<4x1xf32>, %n: memref<3xf64>,
                                 %m: memref<3xf64>, %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: accumulate = i32 is for moments of 8-bit integers without weights}}
  norma.moments kept [1] ins(%x : memref<4x3xi8>) weights(%w : memref<4x1xf32>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 32, accumulate = i32>}
  return
}

// -----

func.func @integer_products(%x: memref<4x3xi8>, %dy: memref<4x3xf32>, %c: memref<3xf64>, %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: accumulate = i32 is for moments of 8-bit integers without weights}}
  norma.grad_sums kept [1] ins(%x, %dy : memref<4x3xi8>, memref<4x3xf32>) center(%c : memref<3xf64>)
      outs(%s, %s : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 32, accumulate = i32>}
  return
}

// -----

func.func @masked_sums(%x: memref<4x3xf32>, %mask: memref<4x3xi8>, %c: memref<3xf64>, %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: flat takes no mask and no weights}}
  norma.grad_sums kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>) center(%c : memref<3xf64>)
      mask(%mask : memref<4x3xi8>) outs(%s, %s : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, group = 32, line = 12>}
  return
}

// -----

func.func @weighted_map(%x: memref<4x3xf32>, %w: memref<4x3xf32>, %c: memref<3xf32>) {
  // expected-error@+1 {{schedule: flat takes no mask and no weights}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>) center(%c : memref<3xf32>)
      slope(%c : memref<3xf32>) offset(%c : memref<3xf32>) scale(%c : memref<3xf32>)
      weights(%w : memref<4x3xf32>) outs(%x : memref<4x3xf32>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 12>}
  return
}

// -----

func.func @gradient_strides(%x: memref<4x3xf32>, %dy: memref<4x3xf32, strided<[6, 2]>>, %c: memref<3xf64>,
                            %s: memref<3xf64>) {
  // expected-error@+1 {{schedule: vector = 4 needs a unit innermost stride}}
  norma.grad_sums kept [1] ins(%x, %dy : memref<4x3xf32>, memref<4x3xf32, strided<[6, 2]>>)
      center(%c : memref<3xf64>) outs(%s, %s : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 32>}
  return
}

// -----

// A map goes beside the reduction that follows it, by runs in the same vectors.

func.func @interleave_alone(%x: memref<4x3x16xf32>, %y: memref<4x3x16xf32>) {
  // expected-error@+1 {{schedule: interleave needs a reduction as the next op, by runs in the same vectors and without streams of kept indices, of data of the same shape and kept axes}}
  norma.affine kept [1] ins(%x : memref<4x3x16xf32>) outs(%y : memref<4x3x16xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, interleave = true>}
  return
}

// -----

func.func @interleave_shapes(%x: memref<4x3x16xf32>, %y: memref<4x3x16xf32>, %z: memref<5x3x16xf32>,
                             %n: memref<3xf64>, %m: memref<3xf64>, %q: memref<3xf64>) {
  // expected-error@+1 {{schedule: interleave needs a reduction as the next op}}
  norma.affine kept [1] ins(%x : memref<4x3x16xf32>) outs(%y : memref<4x3x16xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, interleave = true>}
  norma.moments kept [1] ins(%z : memref<5x3x16xf32>)
      outs(%n, %m, %q : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1>}
  return
}

// -----

func.func @interleave_streams(%x: memref<4x3x16xf32>, %y: memref<4x3x16xf32>, %z: memref<4x3x16xf32>,
                              %n: memref<3xf64>, %m: memref<3xf64>, %q: memref<3xf64>) {
  // expected-error@+1 {{schedule: interleave needs a reduction as the next op}}
  norma.affine kept [1] ins(%x : memref<4x3x16xf32>) outs(%y : memref<4x3x16xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, interleave = true>}
  norma.moments kept [1] ins(%z : memref<4x3x16xf32>)
      outs(%n, %m, %q : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, streams = 2>}
  return
}

// -----

func.func @interleave_heads(%x: memref<4x3x18xf32>, %y: memref<4x3x18xf32>, %z: memref<4x3x18xf32>,
                            %n: memref<3xf64>, %m: memref<3xf64>, %q: memref<3xf64>) {
  // expected-error@+1 {{schedule: interleave needs a reduction as the next op}}
  norma.affine kept [1] ins(%x : memref<4x3x18xf32>) outs(%y : memref<4x3x18xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, nontemporal = true, interleave = true>}
  norma.moments kept [1] ins(%z : memref<4x3x18xf32>)
      outs(%n, %m, %q : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1>}
  return
}

// -----

// Runs with a line fill rows.

func.func @line_of_runs(%x: memref<?x4x18xf32>, %n: memref<4xf64>, %m: memref<4xf64>, %q: memref<4xf64>) {
  // expected-error@+1 {{schedule: runs with a line need RKR of dense rows of so many elements}}
  norma.moments kept [1] ins(%x : memref<?x4x18xf32>)
      outs(%n, %m, %q : memref<4xf64>, memref<4xf64>, memref<4xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, group = 32, line = 36>}
  return
}

// -----

func.func @line_of_a_map(%x: memref<?x4x18xf32>, %y: memref<?x4x18xf32>) {
  // expected-error@+1 {{and maps to interleave}}
  norma.affine kept [1] ins(%x : memref<?x4x18xf32>) outs(%y : memref<?x4x18xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, line = 72>}
  return
}

// -----

func.func @line_beside_none(%x: memref<?x4x18xf32>, %y: memref<?x4x18xf32>, %z: memref<?x4x18xf32>,
                            %n: memref<4xf64>, %m: memref<4xf64>, %q: memref<4xf64>) {
  // expected-error@+1 {{schedule: interleave needs a reduction as the next op}}
  norma.affine kept [1] ins(%x : memref<?x4x18xf32>) outs(%y : memref<?x4x18xf32>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, line = 72, interleave = true>}
  norma.moments kept [1] ins(%z : memref<?x4x18xf32>)
      outs(%n, %m, %q : memref<4xf64>, memref<4xf64>, memref<4xf64>)
      {schedule = #norma.schedule<runs, vector = 4, unroll = 1, group = 32>}
  return
}

// -----

func.func @unscheduled_map(%x: memref<4x3xf32>, %c: memref<3xf32>) {
  // expected-error@+1 {{has no schedule; run norma-schedule before convert-norma-to-loops}}
  norma.grad_map kept [1] ins(%x, %x : memref<4x3xf32>, memref<4x3xf32>) center(%c : memref<3xf32>)
      slope(%c : memref<3xf32>) offset(%c : memref<3xf32>) scale(%c : memref<3xf32>)
      outs(%x : memref<4x3xf32>)
  return
}

// -----

func.func @rows_apart(%x: memref<4x6x4xf32, strided<[48, 4, 1]>>) {
  // expected-error@+1 {{static row lies apart and is lines of whole kept indices, line = 16}}
  norma.affine kept [1] ins(%x : memref<4x6x4xf32, strided<[48, 4, 1]>>) outs(%x : memref<4x6x4xf32, strided<[48, 4, 1]>>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 16>}
  return
}

// -----

func.func @streams_of_lines(%x: memref<?x24xf32>, %s: memref<24xf32>) {
  // expected-error@+1 {{schedule: streams = 2 needs, in maps, rows or runs, two axes and two vectors at least in one}}
  norma.affine kept [1] ins(%x : memref<?x24xf32>) scale(%s : memref<24xf32>) outs(%x : memref<?x24xf32>)
      {schedule = #norma.schedule<flat, vector = 8, unroll = 1, line = 24, streams = 2>}
  return
}

// -----

func.func @streams_of_short_rows(%x: memref<?x24xf32>, %s: memref<24xf32>) {
  // expected-error@+1 {{schedule: streams = 2 needs, in maps, rows or runs, two axes and two vectors at least in one}}
  norma.affine kept [1] ins(%x : memref<?x24xf32>) scale(%s : memref<24xf32>) outs(%x : memref<?x24xf32>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, streams = 2>}
  return
}

// -----

func.func @streams_of_kept_rows(%x: memref<3x64xf32>, %s: memref<3x64xf64>) {
  // expected-error@+1 {{in reductions by rows or lines, reduced rows and a group that is as many of each}}
  norma.moments kept [0, 1] ins(%x : memref<3x64xf32>) outs(%s, %s, %s : memref<3x64xf64>, memref<3x64xf64>, memref<3x64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 32, accumulate = f32, streams = 2>}
  return
}

// -----

func.func @streams_of_part_of_a_group(%x: memref<?x64xf32>, %s: memref<64xf64>) {
  // expected-error@+1 {{in reductions by rows or lines, reduced rows and a group that is as many of each}}
  norma.moments kept [1] ins(%x : memref<?x64xf32>) outs(%s, %s, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 4, accumulate = f32, streams = 8>}
  return
}

// -----

func.func @streams_of_samples(%x: memref<?x3x784xf32, strided<[?, 784, 1]>>, %s: memref<3xf64>) {
  // expected-error@+1 {{by runs of a block of kept indices, as many of the unroll vectors for each stream}}
  norma.moments kept [1] ins(%x : memref<?x3x784xf32, strided<[?, 784, 1]>>)
      outs(%s, %s, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, streams = 2>}
  return
}
