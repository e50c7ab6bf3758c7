func.func @training_frozen(%x: tensor<8x3xf32>, %p: tensor<3xf32>) -> tensor<3xf64> {
  %y:6 = norma.batch_norm_training %x moving(%p, %p : tensor<3xf32>, tensor<3xf32>) kept [1]
      {update_moving = false, use_batch_statistics = false, virtual_batch_size = 4 : i64}
      : tensor<8x3xf32>
  return %y#1 : tensor<3xf64>
}
