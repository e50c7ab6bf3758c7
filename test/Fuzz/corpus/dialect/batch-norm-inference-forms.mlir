func.func @inference_forms(%x: tensor<4x2x3xi8>, %s: tensor<bf16>, %p: tensor<4x3xf32>)
    -> (tensor<4x2x3xf32>, tensor<4x2x3xf32>) {
  %y = norma.batch_norm %x, %s, %s beta(%s : tensor<bf16>) kept [] unsigned
      : tensor<4x2x3xi8>, tensor<bf16>, tensor<bf16>
  %z = norma.batch_norm %x, %p, %p kept [0, 2] : tensor<4x2x3xi8>, tensor<4x3xf32>, tensor<4x3xf32>
  return %y, %z : tensor<4x2x3xf32>, tensor<4x2x3xf32>
}
