func.func @grad_map(%x: tensor<?x3xi8>, %dy: tensor<?x3xf16>, %c: tensor<3xf32>, %mask: tensor<?x1xi1>,
                    %weights: tensor<?x3xbf16>, %i: tensor<?x3xf64>, %a: memref<7xf32>, %s: memref<f64>)
    -> tensor<?x3xf64> {
  %y = norma.grad_map kept [1] ins(%x, %dy : tensor<?x3xi8>, tensor<?x3xf16>) unsigned
      center(%c : tensor<3xf32>) slope(%c : tensor<3xf32>) offset(%c : tensor<3xf32>)
      scale(%c : tensor<3xf32>) mask(%mask : tensor<?x1xi1>) weights(%weights : tensor<?x3xbf16>)
      outs(%i : tensor<?x3xf64>) -> tensor<?x3xf64>
  norma.grad_map kept [] ins(%a, %a : memref<7xf32>, memref<7xf32>) center(%s : memref<f64>)
      slope(%s : memref<f64>) offset(%s : memref<f64>) scale(%s : memref<f64>)
      outs(%a : memref<7xf32>) {schedule = #norma.schedule<runs, vector = 8, unroll = 2>}
  return %y : tensor<?x3xf64>
}
