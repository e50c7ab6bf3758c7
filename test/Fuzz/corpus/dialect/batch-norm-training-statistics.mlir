func.func @training_statistics(%x: tensor<?x3xf32>, %n: tensor<3xf64>) -> tensor<?x3xf32> {
  %y:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1] : tensor<?x3xf32>
  return %y#0 : tensor<?x3xf32>
}
