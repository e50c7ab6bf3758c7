// Functions whose results come back in every way there is, for call-functions.c.

// The caller brings the memory: an extent of an argument, and static ones.
func.func @standardize(%x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<3xf64>) {
  %zeros = arith.constant dense<0.0> : tensor<3xf64>
  %count, %mean, %m2 = norma.adapt %x into (%zeros, %zeros, %zeros) kept [1] : tensor<?x3xf32>, tensor<3xf64>
  %m, %variance = norma.finalize %count, %mean, %m2 : tensor<3xf64>
  %y = norma.normalize %x, %m, %variance kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y, %m : tensor<?x3xf32>, tensor<3xf64>
}

// An extent that is computed: the function allocates.
func.func @flatten(%x: tensor<?x?xi16>) -> (tensor<?xi16>, tensor<?x?xi16>) {
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<?x?xi16> into tensor<?xi16>
  return %flat, %x : tensor<?xi16>, tensor<?x?xi16>
}

// Two results of this kind, by names C does not take.
func.func @halves(%0: tensor<?xf64>) -> (tensor<?xf64>, tensor<?xf64>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %0, %c0 : tensor<?xf64>
  %half = arith.divui %n, %c2 : index
  %int = tensor.extract_slice %0[0] [%half] [1] : tensor<?xf64> to tensor<?xf64>
  %1 = tensor.extract_slice %0[1] [%half] [2] : tensor<?xf64> to tensor<?xf64>
  return %int, %1 : tensor<?xf64>, tensor<?xf64>
}

// A copy between buffers that are not dense, a permuted extent, and one element.
func.func @columns(%x: tensor<?x4xf32>, %last: tensor<f32>) -> (tensor<?x2xf32>, tensor<4x?xf32>, tensor<f32>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %even = tensor.extract_slice %x[0, 0] [%n, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %empty = tensor.empty(%n) : tensor<4x?xf32>
  %turned = linalg.transpose ins(%x : tensor<?x4xf32>) outs(%empty : tensor<4x?xf32>) permutation = [1, 0]
  return %even, %turned, %last : tensor<?x2xf32>, tensor<4x?xf32>, tensor<f32>
}

// Calls another one, and mathematics.
func.func private @activate(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = math.exp %x : tensor<8xf32>
  return %y : tensor<8xf32>
}
func.func @twice(%x: tensor<8xf32>) -> tensor<8xf32> {
  %once = func.call @activate(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %y = func.call @activate(%once) : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// Nothing goes in.
func.func @table() -> tensor<2x2xi1> {
  %table = arith.constant dense<[[true, false], [false, true]]> : tensor<2x2xi1>
  return %table : tensor<2x2xi1>
}

// Constants of one type, so that one is not taken for the other.
func.func @ones() -> tensor<3xf64> {
  %ones = arith.constant dense<1.0> : tensor<3xf64>
  return %ones : tensor<3xf64>
}
func.func @steps() -> tensor<3xf64> {
  %steps = arith.constant dense<[0.0, 1.0, 2.0]> : tensor<3xf64>
  return %steps : tensor<3xf64>
}
