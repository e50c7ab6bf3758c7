func.func @f(%x: tensor<4x3xf32>, %m: tensor<3xf64>) -> tensor<4x3xi32> {
  %y = norma.normalize %x, %m, %m kept [1] to i32 : tensor<4x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y : tensor<4x3xi32>
}
