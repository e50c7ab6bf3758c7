func.func @normalize_integers(%x: tensor<4x2x3xi8>, %mean: tensor<4x3xf16>, %variance: tensor<4x3xbf16>)
    -> (tensor<4x2x3xf32>, tensor<4x2x3xf16>) {
  %y = norma.normalize %x, %mean, %variance kept [0, 2] unsigned
      : tensor<4x2x3xi8>, tensor<4x3xf16>, tensor<4x3xbf16>
  %z = norma.normalize %x, %mean, %variance kept [0, 2] to f16 compute f64
      : tensor<4x2x3xi8>, tensor<4x3xf16>, tensor<4x3xbf16>
  return %y, %z : tensor<4x2x3xf32>, tensor<4x2x3xf16>
}
