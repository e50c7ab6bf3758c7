func.func @two(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %empty = tensor.empty() : tensor<3xf32>
  %square = linalg.mul ins(%x, %x : tensor<3xf32>, tensor<3xf32>)
      outs(%empty : tensor<3xf32>) -> tensor<3xf32>
  %twice = linalg.add ins(%x, %x : tensor<3xf32>, tensor<3xf32>)
      outs(%empty : tensor<3xf32>) -> tensor<3xf32>
  return %square, %twice : tensor<3xf32>, tensor<3xf32>
}
