func.func @schedules(%x: memref<?x13xf32>, %y: memref<?x13xf32>, %n: memref<13xf64>, %m: memref<13xf64>,
                     %s: memref<13xf64>, %t: memref<f64>) {
  norma.affine kept [1] ins(%x : memref<?x13xf32>) outs(%y : memref<?x13xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 8, line = 208, block = 20165, nontemporal = true>}
  norma.moments kept [1] ins(%x : memref<?x13xf32>)
      outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  norma.moments kept [] ins(%x : memref<?x13xf32>)
      outs(%t, %t, %t : memref<f64>, memref<f64>, memref<f64>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 1>}
  return
}
