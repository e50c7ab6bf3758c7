func.func @training(%x: tensor<32x64x7x7xf32>, %p: tensor<64xf32>, %q: tensor<64xf64>)
    -> (tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf32>, tensor<64xf64>) {
  %a:4 = norma.batch_norm_training %x kept [1] : tensor<32x64x7x7xf32>
  %y, %n, %mean, %inv_std, %mm, %mv = norma.batch_norm_training %x gamma(%p : tensor<64xf32>)
      beta(%p : tensor<64xf32>) moving(%p, %q : tensor<64xf32>, tensor<64xf64>) kept [1]
      {momentum = 0.9, sample_variance} : tensor<32x64x7x7xf32>
  return %y, %inv_std, %mm, %mv
      : tensor<32x64x7x7xf32>, tensor<64xf64>, tensor<64xf32>, tensor<64xf64>
}
