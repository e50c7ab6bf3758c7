func.func @gradient_forms(%dy: tensor<?x3xf64>, %x: tensor<?x3xi8>, %s: tensor<3xf64>,
                          %mask: tensor<?x1xi1>, %w: tensor<?x3xi32>, %a: tensor<1x3xf32>)
    -> tensor<?x3xf64> {
  %y:3 = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>)
      renorm(%s, %s : tensor<3xf64>, tensor<3xf64>) mask(%mask : tensor<?x1xi1>)
      weights(%w : tensor<?x3xi32>) adjust_scale(%a : tensor<1x3xf32>)
      adjust_bias(%a : tensor<1x3xf32>) sums(%s, %s : tensor<3xf64>, tensor<3xf64>)
      kept [1] unsigned : tensor<?x3xf64>, tensor<?x3xi8>
  %z = norma.batch_norm_grad %dy, %x saved(%s, %s, %s : tensor<3xf64>) mask(%mask : tensor<?x1xi1>)
      kept [1] {trainable_affine = false, use_batch_statistics = false}
      : tensor<?x3xf64>, tensor<?x3xi8>
  return %z : tensor<?x3xf64>
}
