func.func @inference(%x: tensor<?x56x56x64xf16>, %m: tensor<64xf32>, %v: tensor<64xf64>)
    -> (tensor<?x56x56x64xf16>, tensor<?x56x56x64xf64>) {
  %y = norma.batch_norm %x, %m, %v kept [3]
      : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf64>
  %z = norma.batch_norm %x, %m, %v gamma(%m : tensor<64xf32>) beta(%v : tensor<64xf64>) kept [3]
      to f64 {epsilon = 1.0e-5, epsilon_floor = 1.001e-5}
      : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf64>
  return %y, %z : tensor<?x56x56x64xf16>, tensor<?x56x56x64xf64>
}
