func.func @gradient(%x: tensor<?x8x8x16xf32>, %dy: tensor<?x8x8x16xf32>, %gamma: tensor<16xf32>)
    -> (tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %y, %count, %mean, %inv_std = norma.batch_norm_training %x
      gamma(%gamma : tensor<16xf32>) kept [3] : tensor<?x8x8x16xf32>
  %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x
      saved(%count, %mean, %inv_std : tensor<16xf64>) gamma(%gamma : tensor<16xf32>) kept [3]
      : tensor<?x8x8x16xf32>, tensor<?x8x8x16xf32>
  return %dx, %dgamma, %dbeta : tensor<?x8x8x16xf32>, tensor<16xf32>, tensor<16xf32>
}
