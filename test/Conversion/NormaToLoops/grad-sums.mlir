// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// Rows of 32: no tail. Groups of rows are summed in f32 around the rounded center and added to
// the f64 totals; what the rounding took is made good at the end.

// CHECK-LABEL: func @rows
// CHECK-SAME:    (%[[X:.*]]: memref<?x32xf32>, %[[DY:.*]]: memref<?x32xf32>, %[[C:.*]]: memref<32xf64>, %[[S:.*]]: memref<32xf64>, %[[D:.*]]: memref<32xf64>)
// The rounded centers, and totals of zero.
// CHECK:         scf.for %[[J:.*]] = %c0 to %c32 step %c8
// CHECK:           %[[CV:.*]] = vector.load %[[C]][%[[J]]]
// CHECK:           %[[CF:.*]] = arith.truncf %[[CV]] : vector<8xf64> to vector<8xf32>
// CHECK:           vector.store %[[CF]], %[[CENTERS:.*]][%[[J]]]
// CHECK:           vector.store %[[ZERO:.*]], %[[FIRST:.*]][%[[J]]] : memref<47xf64>, vector<8xf64>
// CHECK:           vector.store %[[ZERO]], %[[SECOND:.*]][%[[J]]]
// Totals.
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c512
// CHECK:         scf.for %[[R:.*]] = %{{.*}} to %{{.*}} step %c64
// CHECK:           scf.for %[[J:.*]] = %c0 to %c32 step %c16
// CHECK:             %[[CF:.*]] = vector.load %[[CENTERS]][%[[J]]]
// CHECK:             scf.for {{.*}} iter_args(%[[SUM:[^ ]*]] = %{{[^,]*}}, %[[DOT:[^ ]*]] =
// CHECK:               %[[XV:.*]] = vector.load %[[X]][%[[I:.*]], %[[J]]]
// CHECK:               %[[DYV:.*]] = vector.load %[[DY]][%[[I]], %[[J]]]
// CHECK:               %[[DEV:.*]] = arith.subf %[[XV]], %[[CF]]
// CHECK:               arith.addf %[[SUM]], %[[DYV]]
// CHECK:               vector.fma %[[DYV]], %[[DEV]], %[[DOT]] : vector<16xf32>
// CHECK-NOT:           vector.fma
// CHECK:               scf.yield
// CHECK:             scf.for %{{.*}} step %c8
// CHECK:               arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:               vector.store %{{.*}}, %[[FIRST]]
// CHECK:               vector.store %{{.*}}, %[[SECOND]]
// Correction: dot + (rounded - center) * sum, where there is a difference.
// CHECK:         scf.for %[[J:.*]] = %c0 to %c32 step %c8
// CHECK:           %[[EXACT:.*]] = vector.load %[[C]][%[[J]]]
// CHECK:           %[[NEAR:.*]] = arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:           %[[ERROR:.*]] = arith.subf %[[NEAR]], %[[EXACT]]
// CHECK:           %[[FINITE:.*]] = arith.select %{{.*}}, %[[ERROR]], %[[ZERO]]
// CHECK:           %[[LOST:.*]] = arith.mulf %[[FINITE]]
// CHECK:           %[[SOME:.*]] = arith.cmpf une, %[[FINITE]], %[[ZERO]]
// CHECK:           %[[ADDED:.*]] = arith.select %[[SOME]], %[[LOST]], %[[ZERO]]
// CHECK:           arith.addf %{{.*}}, %[[ADDED]]
// CHECK:           vector.store %{{.*}}, %[[S]][%[[J]]]
// CHECK:           vector.store %{{.*}}, %[[D]][%[[J]]]
func.func @rows(%x: memref<?x32xf32>, %dy: memref<?x32xf32>, %c: memref<32xf64>,
                %s: memref<32xf64>, %d: memref<32xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x32xf32>, memref<?x32xf32>)
      center(%c : memref<32xf64>) outs(%s, %d : memref<32xf64>, memref<32xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 64, accumulate = f32>}
  return
}

// -----

// In f64 the center is what it is: nothing to correct.

// CHECK-LABEL: func @wide
// CHECK-NOT:     arith.truncf
// CHECK:         vector.fma %{{.*}} : vector<8xf64>
// CHECK-NOT:     arith.cmpf
// CHECK:         return
func.func @wide(%x: memref<?x32xf32>, %dy: memref<?x32xf64>, %c: memref<32xf64>,
                %s: memref<32xf64>, %d: memref<32xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x32xf32>, memref<?x32xf64>)
      center(%c : memref<32xf64>) outs(%s, %d : memref<32xf64>, memref<32xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 4, group = 32, accumulate = f64>}
  return
}

// -----

// Runs: vectors along the reduced axis, one center a run, and sums over lanes of all runs at once. Lanes beyond the
// tail add nothing, whatever the center.

// CHECK-LABEL: func @runs
// CHECK:         scf.for %[[N:.*]] = %c0 to {{.*}} step %c8
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3
// CHECK:             %[[CF:.*]] = memref.load %{{.*}}[%[[K]]] : memref<18xf32>
// CHECK:             %[[CV:.*]] = vector.broadcast %[[CF]] : f32 to vector<16xf32>
// CHECK:             scf.for {{.*}} iter_args
// CHECK-DAG:           arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK-DAG:           arith.extf %{{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK-COUNT-2:       vector.fma {{.*}} : vector<16xf32>
// CHECK:             %[[TAIL:.*]] = vector.constant_mask [4]
// CHECK:             vector.maskedload %arg0[%[[I:.*]], %[[K]], %c96], %[[TAIL]]
// CHECK:             vector.maskedload %arg1[%[[I]], %[[K]], %c96], %[[TAIL]]
// CHECK-COUNT-2:     arith.select %[[TAIL]]
// CHECK-COUNT-2:     vector.store %{{.*}}[%{{.*}}, %[[K]], %c0] : memref<2x10x16xf32>, vector<16xf32>
// CHECK:           scf.for %[[SUM:.*]] = %c0 to %c2
// CHECK-COUNT-16:    vector.load %{{.*}}[%[[SUM]], %{{.*}}, %{{.*}}] : memref<2x10x16xf32>, vector<8xf32>
// CHECK-COUNT-2:   arith.addf {{.*}} : vector<8xf64>
// CHECK:         vector.maskedstore %arg3
// CHECK:         vector.maskedstore %arg4
func.func @runs(%x: memref<?x3x100xf16>, %dy: memref<?x3x100xbf16>, %c: memref<3xf64>, %s: memref<3xf64>,
                %d: memref<3xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x3x100xf16>, memref<?x3x100xbf16>)
      center(%c : memref<3xf64>) outs(%s, %d : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// Flat: the centers are written out for one line; totals for every element of it, folded to 13
// features at the end.

// CHECK-LABEL: func @flat
// CHECK:         scf.for %{{.*}} = %c0 to %c208 step %c13
// CHECK:           vector.store %{{.*}}, %[[CENTERS:.*]][%{{.*}}] : memref<223xf32>, vector<8xf32>
// CHECK:         %[[XLINES:.*]] = memref.reinterpret_cast %arg0 to offset: [0], sizes: [%{{.*}}, 208], strides: [208, 1]
// CHECK:         %[[DYLINES:.*]] = memref.reinterpret_cast %arg1 to offset: [0], sizes: [%{{.*}}, 208], strides: [208, 1]
// CHECK:         scf.for %[[J:.*]] = %c0 to %c192 step %c64
// CHECK-NOT:       mask
// CHECK:           vector.load %[[CENTERS]][%[[J]]]
// CHECK-NOT:       mask
// CHECK:           vector.load %[[XLINES]]
// CHECK:           vector.load %[[DYLINES]]
// CHECK:         memref.reinterpret_cast %arg0 to offset: [%{{.*}}], sizes: [1, %{{.*}}], strides: [208, 1]
// CHECK:         vector.maskedload
// CHECK:         scf.for %{{.*}} = %c0 to %c208 step %c13
// CHECK:           scf.for %[[K:.*]] = %c0 to %c13 step %c8
// CHECK:             vector.store %{{.*}}[%[[K]]] : memref<28xf64>, vector<8xf64>
// The last vector begins early.
// CHECK:         scf.for %[[K:.*]] = %c0 to %c13 step %c8
// CHECK:           %[[EARLY:.*]] = arith.minui %[[K]], %c5
// CHECK:           vector.store %{{.*}}, %arg3[%[[EARLY]]]
// CHECK:           vector.store %{{.*}}, %arg4[%[[EARLY]]]
func.func @flat(%x: memref<?x13xf32>, %dy: memref<?x13xf32>, %c: memref<13xf64>, %s: memref<13xf64>,
                %d: memref<13xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x13xf32>, memref<?x13xf32>)
      center(%c : memref<13xf64>) outs(%s, %d : memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32>}
  return
}

// -----

// Where a mask or weights are zero, an element counts only if its data is finite. Weights are
// compared in their own type: rounded to f32 a small one could be zero.

// CHECK-LABEL: func @partial
// CHECK:         %[[X:.*]] = vector.load %arg0
// CHECK:         %[[DY:.*]] = vector.load %arg1
// CHECK:         %[[D:.*]] = arith.subf %[[X]]
// CHECK:         memref.load %arg2[%{{.*}}, %c0] : memref<?x1xi8>
// CHECK:         %[[M:.*]] = arith.cmpi ne, %{{.*}} : vector<8xi8>
// CHECK:         vector.load %arg3{{.*}} : memref<?x8xf64>
// CHECK:         %[[W:.*]] = arith.cmpf une, %{{.*}} : vector<8xf64>
// CHECK:         %[[MW:.*]] = arith.andi %[[M]], %[[W]]
// CHECK:         %[[ABS:.*]] = math.absf %[[X]]
// CHECK:         %[[FINITE:.*]] = arith.cmpf olt, %[[ABS]]
// CHECK:         %[[COUNTS:.*]] = arith.ori %[[MW]], %[[FINITE]]
// CHECK:         arith.select %[[COUNTS]], %[[DY]]
// CHECK:         arith.select %[[COUNTS]], %[[D]]
func.func @partial(%x: memref<?x8xf32>, %dy: memref<?x8xf32>, %mask: memref<?x1xi8>,
                   %w: memref<?x8xf64>, %c: memref<8xf64>, %s: memref<8xf64>, %d: memref<8xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x8xf32>, memref<?x8xf32>)
      center(%c : memref<8xf64>) mask(%mask : memref<?x1xi8>) weights(%w : memref<?x8xf64>)
      outs(%s, %d : memref<8xf64>, memref<8xf64>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// Integers are finite: the mask does not matter.

// CHECK-LABEL: func @bytes
// CHECK-SAME:    %[[MASK:[^:]*]]: memref<?x1xi8>
// CHECK-NOT:     load %[[MASK]]
// CHECK:         arith.uitofp %{{.*}} : vector<16xi8> to vector<16xf32>
// CHECK-NOT:     load %[[MASK]]
// CHECK:         return
func.func @bytes(%x: memref<?x16xi8>, %dy: memref<?x16xf32>, %mask: memref<?x1xi8>,
                 %c: memref<16xf64>, %s: memref<16xf64>, %d: memref<16xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x16xi8>, memref<?x16xf32>) unsigned
      center(%c : memref<16xf64>) mask(%mask : memref<?x1xi8>)
      outs(%s, %d : memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// No kept axis, any strides, a mask of bits: one element at a time, one total.

// CHECK-LABEL: func @strided
// CHECK:         %[[S:.*]] = memref.reinterpret_cast %arg4 to offset: [0], sizes: [1]
// CHECK:         memref.load %arg0
// CHECK:         memref.load %arg1
// CHECK:         memref.load %arg2[%{{.*}}] : memref<?xi1>
// CHECK-NOT:     vector.load
// CHECK:         memref.store %{{.*}}, %[[S]][%c0]
func.func @strided(%x: memref<?xf32, strided<[?]>>, %dy: memref<?xf32>, %bits: memref<?xi1>,
                   %c: memref<f64>, %s: memref<f64>, %d: memref<f64>) {
  norma.grad_sums kept [] ins(%x, %dy : memref<?xf32, strided<[?]>>, memref<?xf32>)
      center(%c : memref<f64>) mask(%bits : memref<?xi1>) outs(%s, %d : memref<f64>, memref<f64>)
      {schedule = #norma.schedule<runs, vector = 1, unroll = 1, group = 32, accumulate = f32>}
  return
}

// -----

// Without a kept axis the numbers are scalars, which may lie anywhere in a buffer.

// CHECK-LABEL: func @scalars_of_a_buffer
// CHECK-SAME:    %[[CENTER:[^:]*]]: memref<f64, strided<[], offset: 2>>
// CHECK:         memref.expand_shape %[[CENTER]] [] output_shape [1]
// CHECK-SAME:      into memref<1xf64, strided<[1], offset: 2>>
func.func @scalars_of_a_buffer(%x: memref<?xf32>, %dy: memref<?xf32>,
                               %center: memref<f64, strided<[], offset: 2>>,
                               %sum: memref<f64, strided<[], offset: ?>>, %dot: memref<f64>) {
  norma.grad_sums kept [] ins(%x, %dy : memref<?xf32>, memref<?xf32>)
      center(%center : memref<f64, strided<[], offset: 2>>)
      outs(%sum, %dot : memref<f64, strided<[], offset: ?>>, memref<f64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 8, group = 32, accumulate = f32>}
  return
}

// -----

// Of both tensors.

// CHECK-LABEL: func @prefetched
// CHECK:         memref.prefetch %arg0[
// CHECK:         memref.prefetch %arg1[
func.func @prefetched(%x: memref<?x32xf32>, %dy: memref<?x32xf32>, %c: memref<32xf64>,
                      %s: memref<32xf64>, %d: memref<32xf64>) {
  norma.grad_sums kept [1] ins(%x, %dy : memref<?x32xf32>, memref<?x32xf32>) center(%c : memref<32xf64>)
      outs(%s, %d : memref<32xf64>, memref<32xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 32, accumulate = f32, prefetch = 1024>}
  return
}
