// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// Rows of 32: no tail. The pivots come from samples spread over the rows; groups of rows are
// summed in f32 around them and added to the f64 totals in the outputs; what looks inaccurate
// is repaired in f64.

// CHECK-LABEL: func @rows
// CHECK-SAME:    (%[[X:.*]]: memref<?x32xf32>, %[[N:.*]]: memref<32xf64>, %[[M:.*]]: memref<32xf64>, %[[S:.*]]: memref<32xf64>)
// CHECK:         %[[PIVOTS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<32xf32>
// CHECK:         scf.if
// Pivots.
// CHECK:           scf.for %[[J:.*]] = %c0 to %c32 step %c16
// CHECK:             %[[ORIGIN:.*]] = vector.load %[[X]][%c0, %[[J]]]
// CHECK:             scf.for %{{.*}} = %c0 to %c8
// CHECK:               arith.divui
// CHECK:               arith.subf %{{.*}}, %[[ORIGIN]]
// CHECK:             vector.store %{{.*}}, %[[PIVOTS]][%[[J]]]
// Totals: two vectors of a row abreast, each with sums of its own.
// CHECK:           scf.for %[[R:.*]] = %c0 to %{{.*}} step %c64
// CHECK:             %[[P:.*]] = vector.load %[[PIVOTS]][%c0]
// CHECK:             %[[Q:.*]] = vector.load %[[PIVOTS]][%c16]
// CHECK:             scf.for %[[ROW:.*]] = %[[R]] to {{.*}} iter_args
// CHECK:               vector.load %[[X]][%[[ROW]], %c0]
// CHECK:               vector.fma {{.*}} : vector<16xf32>
// CHECK:               vector.load %[[X]][%[[ROW]], %c16]
// CHECK:               vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT:           vector.fma
// CHECK:               scf.yield
// CHECK:             arith.extf %{{.*}} : vector<16xf32> to vector<16xf64>
// CHECK:             vector.store %{{.*}}, %[[M]][%c0]
// CHECK:             vector.store %{{.*}}, %[[S]][%c0]
// CHECK:             vector.store %{{.*}}, %[[M]][%c16]
// CHECK:             vector.store %{{.*}}, %[[S]][%c16]
// Finish.
// CHECK:           arith.divf %{{.*}} : vector<16xf64>
// CHECK:           arith.maximumf
// CHECK:           vector.reduction <or>
// Repair.
// CHECK:           scf.if
// CHECK:             scf.for %{{.*}} = %c0 to %c2
// CHECK:               vector.fma %{{.*}} : vector<16xf64>
func.func @rows(%x: memref<?x32xf32>, %n: memref<32xf64>, %m: memref<32xf64>, %s: memref<32xf64>) {
  norma.moments kept [1] ins(%x : memref<?x32xf32>)
      outs(%n, %m, %s : memref<32xf64>, memref<32xf64>, memref<32xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 64, accumulate = f32>}
  return
}

// -----

// Bytes sum exactly around a whole pivot: nothing to repair.

// CHECK-LABEL: func @bytes
// CHECK:         math.roundeven
// CHECK:         arith.uitofp %{{.*}} : vector<16xi8> to vector<16xf32>
// CHECK-NOT:     vector.reduction <or>
// CHECK-NOT:     vector.fma %{{.*}} : vector<16xf64>
// CHECK:         return
func.func @bytes(%x: memref<?x16xi8>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xi8>) unsigned
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 32, accumulate = f32>}
  return
}

// -----

// Runs: vectors along the reduced axis, one kept index a run, one sum over lanes at its end. The
// samples of a pivot are summed over the lanes, so all are deviations from one and the same element.

// CHECK-LABEL: func @runs
// CHECK:         %[[FIRST:.*]] = vector.extract %{{.*}}[0] : f32 from vector<16xf32>
// CHECK:         %[[ORIGIN:.*]] = vector.broadcast %[[FIRST]] : f32 to vector<16xf32>
// CHECK:         scf.for %{{.*}} = %c0 to %c4
// CHECK:           arith.subf %{{.*}}, %[[ORIGIN]] : vector<16xf32>
// CHECK:         scf.for %[[N:.*]] = %c0 to
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3
// CHECK:             %[[P:.*]] = memref.load %{{.*}}[%[[K]]] : memref<3xf32>
// CHECK:             vector.broadcast %[[P]]
// CHECK:             vector.fma
// CHECK:             vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<16xf64> into f64
// CHECK:             memref.store %{{.*}}, %arg2[%[[K]]]
func.func @runs(%x: memref<?x3x3136xf32>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3x3136xf32>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32>}
  return
}

// -----

// Short runs: those of 32 / (1 step + 1 tail) samples are one group, with one sum over lanes; the
// pivots come from single elements.

// CHECK-LABEL: func @short_runs
// CHECK:         scf.for %[[K:.*]] = %c0 to %c64
// CHECK-NOT:       vector
// CHECK:           memref.store %{{.*}}, %[[PIVOTS:.*]][%[[K]]] : memref<64xf32>
// CHECK:         scf.for %[[N:.*]] = %c0 to %{{.*}} step %c16
// CHECK:           scf.for %[[K:.*]] = %c0 to %c64
// CHECK:             memref.load %[[PIVOTS]][%[[K]]]
// CHECK:             %[[SUMS:.*]]:6 = scf.for %[[I:.*]] = %[[N]] to
// CHECK:               vector.load %arg0[%[[I]], %[[K]], %c0]
// CHECK:               vector.load %arg0[%[[I]], %[[K]], %c16]
// CHECK:               vector.load %arg0[%[[I]], %[[K]], %c32]
// CHECK:               vector.maskedload %arg0[%[[I]], %[[K]], %c48]
// CHECK:               scf.yield
// CHECK-COUNT-2:     vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<16xf64> into f64
func.func @short_runs(%x: memref<?x64x49xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64x49xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 3, group = 32, accumulate = f32>}
  return
}

// -----

// Flat: totals for every element of a line, folded to 13 features at the end.

// CHECK-LABEL: func @flat
// CHECK:         %[[FLAT:.*]] = memref.collapse_shape %arg0
// CHECK:         %[[LINES:.*]] = memref.reinterpret_cast %[[FLAT]] to offset: [0], sizes: [%{{.*}}, 208], strides: [208, 1]
// CHECK:         vector.load %[[LINES]]
// CHECK-NOT:     vector.maskedload %[[LINES]]
// CHECK:         %[[REST:.*]] = memref.reinterpret_cast %[[FLAT]] to offset: [%{{.*}}], sizes: [1, %{{.*}}], strides: [208, 1]
// CHECK:         vector.maskedload %[[REST]]
// CHECK:         scf.for %{{.*}} = %c0 to %c208 step %c13
// CHECK:           scf.for %[[K:.*]] = %c0 to %c13
// CHECK:             memref.load %arg2[%[[K]]]
// CHECK:             arith.addf
// CHECK:             memref.store %{{.*}}, %arg2[%[[K]]]
func.func @flat(%x: memref<?x13xf32>, %n: memref<13xf64>, %m: memref<13xf64>, %s: memref<13xf64>) {
  norma.moments kept [1] ins(%x : memref<?x13xf32>)
      outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32>}
  return
}

// -----

// A mask per row, weights per element, NaN left out: what does not count is selected away, never
// multiplied with zero.

// CHECK-LABEL: func @partial
// CHECK:         %[[MASK:.*]] = memref.load %arg1[%{{.*}}, %c0] : memref<?x1xi8>
// CHECK:         vector.load %arg2{{.*}} : memref<?x8xf64>
// CHECK:         arith.cmpf ord
// CHECK:         arith.select
func.func @partial(%x: memref<?x8xf32>, %mask: memref<?x1xi8>, %w: memref<?x8xf64>,
                   %n: memref<8xf64>, %m: memref<8xf64>, %s: memref<8xf64>) {
  norma.moments kept [1] ins(%x : memref<?x8xf32>) mask(%mask : memref<?x1xi8>)
      weights(%w : memref<?x8xf64>) outs(%n, %m, %s : memref<8xf64>, memref<8xf64>, memref<8xf64>)
      {nan = #norma<nan omit>,
       schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f64>}
  return
}

// -----

// Flat without a kept axis: one total for all of a line.

// CHECK-LABEL: func @flat_all
// CHECK:         %[[M:.*]] = memref.expand_shape %arg2 [] output_shape [1]
// CHECK:         memref.reinterpret_cast %arg0 to offset: [0], sizes: [%{{.*}}, 32], strides: [32, 1]
// CHECK:         %[[PART:.*]] = memref.load %{{.*}} : memref<32xf64>
// CHECK:         %[[WHOLE:.*]] = memref.load %[[M]][%c0]
// CHECK:         %[[SUM:.*]] = arith.addf %[[WHOLE]], %[[PART]]
// CHECK:         memref.store %[[SUM]], %[[M]][%c0]
func.func @flat_all(%x: memref<?xf32>, %n: memref<f64>, %m: memref<f64>, %s: memref<f64>) {
  norma.moments kept [] ins(%x : memref<?xf32>)
      outs(%n, %m, %s : memref<f64>, memref<f64>, memref<f64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 32, accumulate = f32>}
  return
}

// -----

// Pivots of 16-bit data have 16 bits, so that deviations are exact.

// CHECK-LABEL: func @half
// CHECK:         %[[COARSE:.*]] = arith.truncf %{{.*}} : vector<16xf32> to vector<16xf16>
// CHECK:         arith.extf %[[COARSE]] : vector<16xf16> to vector<16xf32>
// CHECK:         vector.store %{{.*}} : memref<16xf32>, vector<16xf32>
func.func @half(%x: memref<?x16xf16>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xf16>)
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 32, accumulate = f32>}
  return
}

// -----

// Data from memory: what is read a group later is asked for, one vector of each cache line.

// CHECK-LABEL: func @prefetched_rows
// CHECK:         scf.for %[[R:.*]] = %{{.*}} iter_args
// CHECK:           memref.prefetch %arg0[%[[R]], %c2048], read, locality<2>, data : memref<?x64xf32>
// CHECK:           vector.load %arg0[%[[R]], %c0]
// CHECK:           memref.prefetch %arg0[%[[R]], %c2064], read, locality<2>, data : memref<?x64xf32>
// CHECK:           vector.load %arg0[%[[R]], %c16]
// The repair takes its time.
// CHECK:         scf.for %{{.*}} = %c0 to %c2
// CHECK-NOT:       memref.prefetch
func.func @prefetched_rows(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, prefetch = 2048>}
  return
}

// -----

// Four vectors of bytes are a cache line.

// CHECK-LABEL: func @prefetched_runs
// CHECK-COUNT-1: memref.prefetch %{{.*}} : memref<?x3x4096xi8>
// CHECK-NOT:     memref.prefetch
func.func @prefetched_runs(%x: memref<?x3x4096xi8>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3x4096xi8>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, prefetch = 2048>}
  return
}
