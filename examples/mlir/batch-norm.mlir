// One training step of batch normalization over NHWC images, its gradient, and inference.
//
//   norma run examples/mlir/batch-norm.mlir --entry train --arg x.npy ... -o y.npy ...

// Normalizes with the statistics of the batch, and moves the moving ones towards them.
func.func @train(%x: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>, %beta: tensor<16xf32>,
                 %moving_mean: tensor<16xf32>, %moving_variance: tensor<16xf32>)
    -> (tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %y, %count, %mean, %inv_std, %mm, %mv = norma.batch_norm_training %x
      gamma(%gamma : tensor<16xf32>) beta(%beta : tensor<16xf32>)
      moving(%moving_mean, %moving_variance : tensor<16xf32>, tensor<16xf32>)
      kept [3] {momentum = 0.9 : f64} : tensor<?x8x8x16xf32>
  return %y, %mm, %mv : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
}

// The gradients of a loss with respect to x, gamma and beta, of that with respect to y.
func.func @gradient(%x: tensor<?x8x8x16xf32>, %dy: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>)
    -> (tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %y, %count, %mean, %inv_std = norma.batch_norm_training %x
      gamma(%gamma : tensor<16xf32>) kept [3] : tensor<?x8x8x16xf32>
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x
      saved(%count, %mean, %inv_std : tensor<16xf64>) gamma(%gamma : tensor<16xf32>) kept [3]
      : tensor<?x8x8x16xf32>, tensor<?x8x8x16xf32>
  return %dx, %dgamma, %dbeta : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
}

// Normalizes with the moving statistics.
func.func @infer(%x: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>, %beta: tensor<16xf32>,
                 %moving_mean: tensor<16xf32>, %moving_variance: tensor<16xf32>)
    -> tensor<?x8x8x16xf32> {
  %y = norma.batch_norm %x, %moving_mean, %moving_variance
      gamma(%gamma : tensor<16xf32>) beta(%beta : tensor<16xf32>) kept [3]
      : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
  return %y : tensor<?x8x8x16xf32>
}
