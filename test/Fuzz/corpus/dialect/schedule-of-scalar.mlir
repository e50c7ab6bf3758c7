func.func @schedule_of_scalar(%x: memref<f32>, %y: memref<f32>) {
  norma.affine kept [] ins(%x : memref<f32>) outs(%y : memref<f32>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 1>}
  return
}
