func.func @affine_memrefs(%x: memref<?x3xi8, strided<[?, 1], offset: ?>>, %s: memref<3xf64>, %y: memref<?x3xbf16>) {
  norma.affine kept [1] ins(%x : memref<?x3xi8, strided<[?, 1], offset: ?>>) unsigned
      scale(%s : memref<3xf64>) outs(%y : memref<?x3xbf16>)
  norma.affine kept [] ins(%x : memref<?x3xi8, strided<[?, 1], offset: ?>>) outs(%y : memref<?x3xbf16>)
  return
}
