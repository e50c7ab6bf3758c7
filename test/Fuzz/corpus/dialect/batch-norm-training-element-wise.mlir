func.func @training_element_wise(%x: tensor<4x5x3xi16>, %mask: tensor<4x5x1xi1>,
                                 %bytes: tensor<4x1x1xi8>, %w: tensor<1x5x3xf32>,
                                 %a: tensor<4x1x1xbf16>, %b: tensor<4x1x3xf64>) -> tensor<4x5x3xf32> {
  %y:4 = norma.batch_norm_training %x mask(%mask : tensor<4x5x1xi1>) weights(%w : tensor<1x5x3xf32>)
      adjust_scale(%a : tensor<4x1x1xbf16>) adjust_bias(%b : tensor<4x1x3xf64>) kept [2] unsigned
      : tensor<4x5x3xi16>
  %z:4 = norma.batch_norm_training %x mask(%bytes : tensor<4x1x1xi8>)
      adjust_bias(%b : tensor<4x1x3xf64>) kept [] : tensor<4x5x3xi16>
  return %y#0 : tensor<4x5x3xf32>
}
