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
  // expected-error@+1 {{schedule: flat needs an axis form R, RK or RKR whose static row divides line = 16}}
  norma.affine kept [1] ins(%x : memref<4x3xf32>) outs(%y : memref<4x3xf32>)
      {schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 16>}
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
