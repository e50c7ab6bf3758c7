func.func @infer(%x: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>, %beta: tensor<16xf32>,
                 %moving_mean: tensor<16xf32>, %moving_variance: tensor<16xf32>)
    -> tensor<?x8x8x16xf32> {
  %y = norma.batch_norm %x, %moving_mean, %moving_variance
      gamma(%gamma : tensor<16xf32>) beta(%beta : tensor<16xf32>) kept [3]
      : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
  return %y : tensor<?x8x8x16xf32>
}
