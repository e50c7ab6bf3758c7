func.func @moments_tensors(%x: tensor<4x2x3xf64>, %mask: tensor<4x1x1xi8>, %weights: tensor<1x2x3xi32>,
                           %i: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
  %n, %m, %s = norma.moments kept [2] ins(%x : tensor<4x2x3xf64>) mask(%mask : tensor<4x1x1xi8>)
      weights(%weights : tensor<1x2x3xi32>)
      outs(%i, %i, %i : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {nan = #norma<nan omit>}
      -> tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
  return %n, %m, %s : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
}
