func.func @training_renorm(%x: tensor<?x3xf16>, %p: tensor<3xf32>, %q: tensor<3xf64>,
                           %clip: tensor<f32>, %dmax: tensor<f64>, %step: tensor<i64>)
    -> (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf64>) {
  %y:11 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>)
      renorm(%p, %p, %q : tensor<3xf32>, tensor<3xf32>, tensor<3xf64>)
      rmin(%clip : tensor<f32>) rmax(%clip : tensor<f32>) dmax(%dmax : tensor<f64>)
      step(%step : tensor<i64>) kept [1] to f32 {renorm_momentum = 0.5} : tensor<?x3xf16>
  return %y#0, %y#7, %y#10 : tensor<?x3xf32>, tensor<3xf32>, tensor<3xf64>
}
