func.func @moments_memrefs(%x: memref<?x5xi16>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  norma.moments kept [1] ins(%x : memref<?x5xi16>) unsigned
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
  return
}
