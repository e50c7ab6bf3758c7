func.func @grad_sums(%x: tensor<4x2x3xf64>, %dy: tensor<4x2x3xf16>, %mask: tensor<4x1x1xi8>,
                     %weights: tensor<1x2x3xi32>, %i: tensor<3xf64>, %a: memref<?x5xi16>,
                     %da: memref<?x5xf32, strided<[?, ?], offset: ?>>, %s: memref<5xf64>)
    -> (tensor<3xf64>, tensor<3xf64>) {
  %b, %c = norma.grad_sums kept [2] ins(%x, %dy : tensor<4x2x3xf64>, tensor<4x2x3xf16>)
      center(%i : tensor<3xf64>) mask(%mask : tensor<4x1x1xi8>) weights(%weights : tensor<1x2x3xi32>)
      outs(%i, %i : tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>, tensor<3xf64>
  norma.grad_sums kept [1] ins(%a, %da : memref<?x5xi16>, memref<?x5xf32, strided<[?, ?], offset: ?>>)
      unsigned center(%s : memref<5xf64>) outs(%s, %s : memref<5xf64>, memref<5xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  return %b, %c : tensor<3xf64>, tensor<3xf64>
}
