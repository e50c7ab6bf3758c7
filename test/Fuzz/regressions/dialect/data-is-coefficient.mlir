func.func @f(%x: memref<1x1xf32>, %y: memref<1x1xf64, strided<[?, ?], offset: ?>>) {
  norma.affine kept [0, 1] ins(%x : memref<1x1xf32>) shift(%x : memref<1x1xf32>) outs(%y : memref<1x1xf64, strided<[?, ?], offset: ?>>)
  return
}
