func.func @other_epsilon_mode(%x: tensor<?x3xf32>, %m: tensor<3xf64>, %v: tensor<3xf64>)
    -> tensor<?x3xf32> {
  %y = norma.normalize %x, %m, %v kept [1] : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  %z = norma.normalize %y, %m, %v kept [1] inverse {epsilon_mode = #norma<epsilon_mode add_to_std>}
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %z : tensor<?x3xf32>
}
