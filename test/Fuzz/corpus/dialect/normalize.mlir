func.func @normalize(%x: tensor<?x13xf32>, %mean: tensor<13xf64>, %variance: tensor<13xf64>)
    -> tensor<?x13xf32> {
  %y = norma.normalize %x, %mean, %variance kept [1]
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  %z = norma.normalize %y, %mean, %variance kept [1] inverse
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %z : tensor<?x13xf32>
}
