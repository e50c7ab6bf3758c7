func.func @standardize(%x: tensor<?x13xf32>) -> tensor<?x13xf32> {
  %zeros = arith.constant dense<0.0> : tensor<13xf64>
  %count, %mean, %m2 = norma.adapt %x into (%zeros, %zeros, %zeros) kept [1]
      : tensor<?x13xf32>, tensor<13xf64>
  %m, %variance = norma.finalize %count, %mean, %m2 : tensor<13xf64>
  %y = norma.normalize %x, %m, %variance kept [1]
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %y : tensor<?x13xf32>
}
