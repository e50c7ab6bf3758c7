func.func @inverse_then_forward(%x: tensor<4xf32>, %m: tensor<f32>, %v: tensor<f32>) -> tensor<4xf32> {
  %y = norma.normalize %x, %m, %v kept [] inverse {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<4xf32>, tensor<f32>, tensor<f32>
  %z = norma.normalize %y, %m, %v kept [] {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<4xf32>, tensor<f32>, tensor<f32>
  return %z : tensor<4xf32>
}
