func.func @pair_of_constants(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %m = arith.constant dense<[1.0, 2.0]> : tensor<2xf64>
  %v = arith.constant dense<[3.0, 4.0]> : tensor<2xf64>
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x2xf32>, tensor<2xf64>, tensor<2xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse : tensor<?x2xf32>, tensor<2xf64>, tensor<2xf64>
  return %z : tensor<?x2xf32>
}
