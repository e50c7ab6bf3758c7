func.func @affine_tensors(%x: tensor<?x13xf32>, %c: tensor<13xf32>, %init: tensor<?x13xf32>)
    -> tensor<?x13xf32> {
  %y = norma.affine kept [1] ins(%x : tensor<?x13xf32>) center(%c : tensor<13xf32>)
      scale(%c : tensor<13xf32>) shift(%c : tensor<13xf32>) outs(%init : tensor<?x13xf32>)
      -> tensor<?x13xf32>
  return %y : tensor<?x13xf32>
}
