func.func @train(%x: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>, %beta: tensor<16xf32>,
                 %moving_mean: tensor<16xf32>, %moving_variance: tensor<16xf32>)
    -> (tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %y, %count, %mean, %inv_std, %mm, %mv = norma.batch_norm_training %x
      gamma(%gamma : tensor<16xf32>) beta(%beta : tensor<16xf32>)
      moving(%moving_mean, %moving_variance : tensor<16xf32>, tensor<16xf32>)
      kept [3] {momentum = 0.9 : f64} : tensor<?x8x8x16xf32>
  return %y, %mm, %mv : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
}
