func.func @normalize_policies(%x: tensor<f32>, %mean: tensor<f32>, %variance: tensor<f32>)
    -> tensor<f32> {
  %y = norma.normalize %x, %mean, %variance kept []
      {epsilon = 1.0e-3, epsilon_mode = #norma<epsilon_mode add_to_variance>,
       zero_variance = #norma<zero_variance unit>} : tensor<f32>, tensor<f32>, tensor<f32>
  %z = norma.normalize %y, %mean, %variance kept [] {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<f32>, tensor<f32>, tensor<f32>
  return %z : tensor<f32>
}
