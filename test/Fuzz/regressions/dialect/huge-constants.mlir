func.func @f(%x: tensor<2x4611686018427387904xf32>) -> (tensor<4611686018427387904xf64>, tensor<2x4611686018427387904xf32>) {
  %s = arith.constant dense<4.0> : tensor<4611686018427387904xf64>
  %mean, %variance = norma.finalize %s, %s, %s : tensor<4611686018427387904xf64>
  %y = norma.normalize %x, %s, %s kept [1] : tensor<2x4611686018427387904xf32>, tensor<4611686018427387904xf64>, tensor<4611686018427387904xf64>
  return %variance, %y : tensor<4611686018427387904xf64>, tensor<2x4611686018427387904xf32>
}
