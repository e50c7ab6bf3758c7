// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// rows: vectors along the kept axis, coefficients loaded beside the data.

// CHECK-LABEL: func @rows
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c1 iter_args(%[[I:.*]] = %{{.*}})
// CHECK:           scf.for %{{.*}} = %c0 to %c64 step %c16 iter_args(%[[J:.*]] = %{{.*}})
// CHECK-DAG:         %[[X:.*]] = vector.load %arg0[%[[I]], %[[J]]] : memref<?x64xf32>, vector<16xf32>
// CHECK-DAG:         %[[C:.*]] = vector.load %arg1[%[[J]]]
// CHECK-DAG:         %[[S:.*]] = vector.load %arg2[%[[J]]]
// CHECK-DAG:         %[[B:.*]] = vector.load %arg3[%[[J]]]
// CHECK:             %[[D:.*]] = arith.subf %[[X]], %[[C]]
// CHECK:             %[[Y:.*]] = vector.fma %[[D]], %[[S]], %[[B]]
// CHECK:             vector.store %[[Y]], %arg4[%[[I]], %[[J]]]
// CHECK-NOT:     vector.masked
// CHECK:         return
func.func @rows(%x: memref<?x64xf32>, %c: memref<64xf32>, %s: memref<64xf32>, %b: memref<64xf32>,
                %y: memref<?x64xf32>) {
  norma.affine kept [1] ins(%x : memref<?x64xf32>) center(%c : memref<64xf32>)
      scale(%s : memref<64xf32>) shift(%b : memref<64xf32>) outs(%y : memref<?x64xf32>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1>}
  return
}

// -----

// Where the result lies a little behind the data in the lower 12 bits of the addresses, but not in place,
// every loop begins at its end.

// CHECK-LABEL: func @direction
// CHECK-DAG:     %[[Y:.*]] = memref.extract_aligned_pointer_as_index %arg2
// CHECK-DAG:     %[[X:.*]] = memref.extract_aligned_pointer_as_index %arg0
// CHECK:         %[[BEHIND:.*]] = arith.subi %[[Y]], %[[X]]
// CHECK:         %[[LOWER:.*]] = arith.andi %[[BEHIND]], %c4095
// CHECK:         %[[MINUS1:.*]] = arith.subi %[[LOWER]], %c1
// CHECK:         %[[BACK:.*]] = arith.cmpi ult, %[[MINUS1]], %c1024
// CHECK:         %[[LAST:.*]] = arith.subi %{{.*}}, %c1
// CHECK:         %[[FIRST:.*]] = arith.select %[[BACK]], %[[LAST]], %c0
// CHECK:         %[[STRIDE:.*]] = arith.select %[[BACK]], %c-1, %c1
// CHECK:         scf.for %{{.*}} iter_args(%[[I:.*]] = %[[FIRST]])
// CHECK:           arith.select %[[BACK]], %c24, %c0
// CHECK:           arith.select %[[BACK]], %c-8, %c8
// CHECK:           arith.addi %[[I]], %[[STRIDE]]
func.func @direction(%x: memref<?x32xf32>, %c: memref<32xf32>, %y: memref<?x32xf32>) {
  norma.affine kept [1] ins(%x : memref<?x32xf32>) center(%c : memref<32xf32>)
      outs(%y : memref<?x32xf32>) {schedule = #norma.schedule<rows, vector = 8, unroll = 1>}
  return
}

// -----

// Elements of other sizes come no closer for long, and what goes past the caches waits for memory.

// CHECK-LABEL: func @one_direction
// CHECK-NOT:     memref.extract_aligned_pointer_as_index
// CHECK:         return
func.func @one_direction(%x: memref<?x32xf16>, %c: memref<32xf32>, %y: memref<?x32xf32>,
                         %z: memref<?x32xf16>) {
  norma.affine kept [1] ins(%x : memref<?x32xf16>) center(%c : memref<32xf32>)
      outs(%y : memref<?x32xf32>) {schedule = #norma.schedule<rows, vector = 8, unroll = 1>}
  norma.affine kept [1] ins(%x : memref<?x32xf16>) center(%c : memref<32xf32>)
      outs(%z : memref<?x32xf16>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 1, nontemporal = true>}
  return
}

// -----

// rows of a dynamic extent: a loop of whole vectors, then a masked tail.

// CHECK-LABEL: func @dynamic_rows
// CHECK:         scf.for
// CHECK:           memref.dim %arg0, %c1
// CHECK:           scf.for %{{.*}} step %c8
// CHECK:             vector.load
// CHECK:             vector.store
// CHECK:           scf.if
// CHECK:             %[[MASK:.*]] = vector.create_mask
// CHECK-DAG:         vector.maskedload %arg0{{.*}}, %[[MASK]]
// CHECK-DAG:         vector.maskedload %arg1{{.*}}, %[[MASK]]
// CHECK:             vector.maskedstore %arg2{{.*}}, %[[MASK]]
func.func @dynamic_rows(%x: memref<?x?xf32>, %c: memref<?xf32>, %y: memref<?x?xf32>) {
  norma.affine kept [1] ins(%x : memref<?x?xf32>) center(%c : memref<?xf32>)
      outs(%y : memref<?x?xf32>) {schedule = #norma.schedule<rows, vector = 8, unroll = 1>}
  return
}

// -----

// runs: one kept index a run, its coefficients broadcast. The vectors of an iteration are read before
// the first of them is stored; the last begins within the one before, and is read before that is stored.

// CHECK-LABEL: func @runs
// CHECK:         scf.for {{.*}} iter_args(%[[N:.*]] = %{{.*}})
// CHECK:           scf.for %{{.*}} = %c0 to %c3 step %c1 iter_args(%[[K:.*]] = %{{.*}})
// CHECK:             %[[C:.*]] = memref.load %arg1[%[[K]]]
// CHECK:             %[[CV:.*]] = vector.broadcast %[[C]] : f32 to vector<16xf32>
// CHECK:             scf.for %{{.*}} = %c0 to %c64 step %c32 iter_args(%[[I:.*]] = %{{.*}})
// CHECK:               vector.load %arg0[%[[N]], %[[K]], %[[I]]]
// CHECK-NOT:           vector.store
// CHECK:               vector.load %arg0[%[[N]], %[[K]], %{{.*}}]
// CHECK-COUNT-2:       vector.store %{{.*}}, %arg2
// CHECK-NOT:         masked
// CHECK:             vector.load %arg0[%[[N]], %[[K]], %c64]
// CHECK-NOT:         vector.store
// CHECK:             vector.load %arg0[%[[N]], %[[K]], %c80]
// CHECK-NOT:         vector.store
// CHECK:             vector.load %arg0[%[[N]], %[[K]], %c84]
// CHECK:             vector.store %{{.*}}, %arg2[%[[N]], %[[K]], %c64]
// CHECK:             vector.store %{{.*}}, %arg2[%[[N]], %[[K]], %c80]
// CHECK:             vector.store %{{.*}}, %arg2[%[[N]], %[[K]], %c84]
// CHECK-NOT:         masked
// CHECK:         return
func.func @runs(%x: memref<?x3x100xf32>, %c: memref<3xf32>, %y: memref<?x3x100xf32>) {
  norma.affine kept [1] ins(%x : memref<?x3x100xf32>) center(%c : memref<3xf32>)
      outs(%y : memref<?x3x100xf32>) {schedule = #norma.schedule<runs, vector = 16, unroll = 2>}
  return
}

// -----

// flat: the period trick. 13 features in lines of 208 elements, no mask in the main loop. The line is
// written by whole vectors, one a row, with room for the last.

// CHECK-LABEL: func @flat
// CHECK:         %[[LINE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<224xf32>
// CHECK:         %[[X:.*]] = memref.reinterpret_cast %arg0 to offset: [0], sizes: [%{{.*}}], strides: [1] : memref<?x13xf32> to memref<?xf32>
// CHECK:         %[[ROW:.*]] = vector.maskedload %arg1[%c0]
// CHECK:         vector.store %[[ROW]], %[[LINE]][%c0]
// CHECK:         scf.for %[[START:.*]] = %c13 to %c208 step %c13
// CHECK:           %[[COPY:.*]] = vector.load %[[LINE]][%c0]
// CHECK:           vector.store %[[COPY]], %[[LINE]][%[[START]]]
// CHECK:         scf.for %{{.*}} step %c208
// CHECK-NOT:       mask
// CHECK-DAG:       vector.load %[[X]]
// CHECK-DAG:       vector.load %[[LINE]]
// CHECK:           vector.store
// The rest is one loop, with masks for all of its vectors.
// CHECK:         scf.for %[[I:.*]] = %c0 to %{{.*}} step %c16
// CHECK:           vector.load %[[LINE]][%[[I]]]
// CHECK:           vector.maskedload %[[X]]
// CHECK:           vector.maskedstore
// CHECK-NOT:     scf.for
// CHECK:         return
func.func @flat(%x: memref<?x13xf32>, %c: memref<13xf32>, %y: memref<?x13xf32>) {
  norma.affine kept [1] ins(%x : memref<?x13xf32>) center(%c : memref<13xf32>)
      outs(%y : memref<?x13xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, line = 208>}
  return
}

// -----

// Lines that end where rows do leave nothing.

// CHECK-LABEL: func @flat_rows
// CHECK-NOT:     mask
// CHECK:         return
func.func @flat_rows(%x: memref<?x24xf32>, %c: memref<24xf32>, %y: memref<?x24xf32>) {
  norma.affine kept [1] ins(%x : memref<?x24xf32>) center(%c : memref<24xf32>)
      outs(%y : memref<?x24xf32>)
      {schedule = #norma.schedule<flat, vector = 8, unroll = 1, line = 24>}
  return
}

// -----

// What is left of a run of known length needs no loop.

// CHECK-LABEL: func @left_over
// CHECK:           scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK-NOT:         scf.for
// CHECK:             vector.load %arg0[%{{.*}}, %{{.*}}, %c0]
// CHECK:             vector.load %arg0[%{{.*}}, %{{.*}}, %c16]
// CHECK:             vector.load %arg0[%{{.*}}, %{{.*}}, %c32]
// CHECK:             vector.maskedload %arg0[%{{.*}}, %{{.*}}, %c48]
func.func @left_over(%x: memref<?x3x49xf32>, %c: memref<3xf32>, %y: memref<?x3x49xf32>) {
  norma.affine kept [1] ins(%x : memref<?x3x49xf32>) center(%c : memref<3xf32>)
      outs(%y : memref<?x3x49xf32>) {schedule = #norma.schedule<runs, vector = 16, unroll = 4>}
  return
}

// -----

// A short line stays in registers: its coefficients are loaded before the loop.

// CHECK-LABEL: func @flat_registers
// CHECK:         %[[C0:.*]] = vector.load %[[LINE:.*]][%c0]
// CHECK:         %[[C1:.*]] = vector.load %[[LINE]][%c8]
// CHECK:         scf.for
// CHECK:           arith.subf %{{.*}}, %[[C0]]
// CHECK:           arith.subf %{{.*}}, %[[C1]]
func.func @flat_registers(%x: memref<?x4x4xf32>, %c: memref<4xf32>, %y: memref<?x4x4xf32>) {
  norma.affine kept [1] ins(%x : memref<?x4x4xf32>) center(%c : memref<4xf32>)
      outs(%y : memref<?x4x4xf32>)
      {schedule = #norma.schedule<flat, vector = 8, unroll = 2, line = 16>}
  return
}

// -----

// Types: u8 widens, f64 narrows to bf16 through f32.

// CHECK-LABEL: func @types
// CHECK:         %[[X:.*]] = vector.load %arg0{{.*}} : memref<?x16xi8>, vector<16xi8>
// CHECK:         %[[F:.*]] = arith.uitofp %[[X]] : vector<16xi8> to vector<16xf64>
// CHECK:         %[[Y:.*]] = arith.mulf %[[F]]
// CHECK:         %[[S:.*]] = arith.truncf %[[Y]] : vector<16xf64> to vector<16xf32>
// CHECK:         %[[B:.*]] = arith.truncf %[[S]] : vector<16xf32> to vector<16xbf16>
// CHECK:         vector.store %[[B]], %arg2
func.func @types(%x: memref<?x16xi8>, %s: memref<16xf64>, %y: memref<?x16xbf16>) {
  norma.affine kept [1] ins(%x : memref<?x16xi8>) unsigned scale(%s : memref<16xf64>)
      outs(%y : memref<?x16xbf16>) {schedule = #norma.schedule<rows, vector = 16, unroll = 1>}
  return
}

// -----

// Stores past the cache carry their alignment and end with a fence.

// CHECK-LABEL: func @nontemporal
// CHECK:         vector.store %{{.*}} {alignment = 64 : i64, nontemporal = true}
// CHECK:         llvm.fence seq_cst
func.func @nontemporal(%x: memref<?x16xf32>, %s: memref<16xf32>, %y: memref<?x16xf32>) {
  norma.affine kept [1] ins(%x : memref<?x16xf32>) scale(%s : memref<16xf32>)
      outs(%y : memref<?x16xf32>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, nontemporal = true>}
  return
}

// -----

// Rows that are not whole vectors begin in any lane: up to the first whole vector there is
// a masked head, so that all other stores are aligned.

// CHECK-LABEL: func @nontemporal_rows
// CHECK:         scf.for %[[I:.*]] = %c0 to %{{.*}} step %c1
// CHECK:           %[[FIRST:.*]] = arith.muli %[[I]], %c1001
// CHECK:           %[[BACK:.*]] = arith.subi %c0, %[[FIRST]]
// CHECK:           %[[HEAD:.*]] = arith.minui %{{.*}}, %c1001
// CHECK:           %[[MASK:.*]] = vector.create_mask %[[HEAD]]
// CHECK:           vector.maskedload %arg0[%[[I]], %c0], %[[MASK]]
// CHECK:           vector.maskedstore %arg2[%[[I]], %c0], %[[MASK]]
// CHECK:           scf.for %[[J:.*]] = %c0 to
// CHECK:             %[[AT:.*]] = arith.addi %[[HEAD]], %[[J]]
// CHECK:             vector.load %arg0[%[[I]], %[[AT]]]
// CHECK:             vector.store %{{.*}}, %arg2[%[[I]], %[[AT]]] {alignment = 64 : i64, nontemporal = true}
// CHECK:           scf.if
// CHECK:             vector.maskedstore %arg2
// CHECK:         llvm.fence seq_cst
func.func @nontemporal_rows(%x: memref<?x1001xf32>, %s: memref<1001xf32>, %y: memref<?x1001xf32>) {
  norma.affine kept [1] ins(%x : memref<?x1001xf32>) scale(%s : memref<1001xf32>)
      outs(%y : memref<?x1001xf32>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, nontemporal = true>}
  return
}

// -----

// A row of each half goes beside one of the other. They begin at different lanes, and so have as many
// vectors behind their heads as fit in each; their ends come one after the other. A row that is left over
// goes by itself.

// CHECK-LABEL: func @streams_of_rows
// CHECK:         %[[ROWS:.*]] = memref.dim %arg0, %c0
// CHECK:         %[[HALF:.*]] = arith.divui %[[ROWS]], %c2
// CHECK:         scf.for %[[I:.*]] = %c0 to %[[HALF]] step %c1
// CHECK:           %[[OTHER:.*]] = arith.addi %[[I]], %[[HALF]]
// CHECK:           scf.for %[[J:.*]] = %c0 to %c976 step %c16
// CHECK:             vector.load %arg0[%[[I]],
// CHECK:             vector.load %arg0[%[[OTHER]],
// CHECK:             vector.store %{{.*}}, %arg2[%[[I]], {{.*}} {alignment = 64 : i64, nontemporal = true}
// CHECK:             vector.store %{{.*}}, %arg2[%[[OTHER]], {{.*}} {alignment = 64 : i64, nontemporal = true}
// CHECK:           scf.for %[[P:.*]] = %c0 to %c2 step %c1
// CHECK:             vector.maskedstore %arg2
// CHECK:             scf.for
// CHECK:               vector.maskedstore %arg2
// CHECK:         %[[BOTH:.*]] = arith.muli %[[HALF]], %c2
// CHECK:         scf.for %{{.*}} = %[[BOTH]] to %[[ROWS]] step %c1
// CHECK:         llvm.fence seq_cst
func.func @streams_of_rows(%x: memref<?x1001xf32>, %s: memref<1001xf32>, %y: memref<?x1001xf32>) {
  norma.affine kept [1] ins(%x : memref<?x1001xf32>) scale(%s : memref<1001xf32>)
      outs(%y : memref<?x1001xf32>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, nontemporal = true, streams = 2>}
  return
}

// -----

// Runs of each half of the kept indices, with coefficients of their own; none is left over.

// CHECK-LABEL: func @streams_of_runs
// CHECK:         scf.for %[[N:.*]] = %c0 to %{{.*}} step %c1
// CHECK:           scf.for %[[K:.*]] = %c0 to %c32 step %c1
// CHECK:             memref.load %arg1[%[[K]]]
// CHECK:             %[[OTHER:.*]] = arith.addi %[[K]], %c32
// CHECK:             memref.load %arg1[%[[OTHER]]]
// CHECK:             scf.for %[[I:.*]] = %c0 to %c784 step %c16
// CHECK:               vector.load %arg0[%[[N]], %[[K]], %[[I]]]
// CHECK:               vector.load %arg0[%[[N]], %[[OTHER]], %[[I]]]
// CHECK-NOT:         scf.for
func.func @streams_of_runs(%x: memref<?x64x784xf32>, %s: memref<64xf32>, %y: memref<?x64x784xf32>) {
  norma.affine kept [1] ins(%x : memref<?x64x784xf32>) scale(%s : memref<64xf32>)
      outs(%y : memref<?x64x784xf32>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 1, nontemporal = true, streams = 2>}
  return
}

// -----

// Lines that go abreast, of as many parts of the data, share their coefficients; what is left goes
// one by one. Long lines are on the heap.

// CHECK-LABEL: func @flat_abreast
// CHECK:         %[[LINE:.*]] = memref.alloc()
// CHECK:         %[[HALF:.*]] = arith.divui %{{.*}}, %c2
// CHECK:         %[[PART:.*]] = arith.subi %[[HALF]], %{{.*}}
// CHECK:         scf.for %[[BASE:.*]] = %c0 to %[[PART]] step %c25088
// CHECK:           scf.for
// CHECK:             %[[S:.*]] = vector.load %[[LINE]]
// CHECK-NOT:         vector.load %[[LINE]]
// CHECK-COUNT-2:     arith.mulf %{{.*}}, %[[S]]
// CHECK:         scf.for %{{.*}} step %c25088
// CHECK:         memref.dealloc %[[LINE]]
func.func @flat_abreast(%x: memref<?x512x49xf32>, %s: memref<512xf32>, %y: memref<?x512x49xf32>) {
  norma.affine kept [1] ins(%x : memref<?x512x49xf32>) scale(%s : memref<512xf32>)
      outs(%y : memref<?x512x49xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 2, line = 25088>}
  return
}

// -----

// What lines that go abreast leave of rows that are no lines is one loop over lines, and one over
// their vectors, with a mask.

// CHECK-LABEL: func @flat_abreast_rest
// CHECK:         %[[TOGETHER:.*]] = arith.muli %[[PART:.*]], %c2
// CHECK:         scf.for %{{.*}} = %c0 to %[[PART]] step %c208
// CHECK:           scf.for %{{.*}} = %c0 to %c208 step %c16
// CHECK-COUNT-2:     vector.store
// CHECK:         scf.for %[[BASE:.*]] = %[[TOGETHER]] to %[[TOTAL:.*]] step %c208
// CHECK:           %[[LEFT:.*]] = arith.subi %[[TOTAL]], %[[BASE]]
// CHECK:           %[[END:.*]] = arith.minui %[[LEFT]], %c208
// CHECK:           scf.for %[[I:.*]] = %c0 to %[[END]] step %c16
// CHECK:             vector.create_mask
// CHECK:             vector.maskedstore
// CHECK-NOT:     scf.for
func.func @flat_abreast_rest(%x: memref<?x13xf32>, %s: memref<13xf32>, %y: memref<?x13xf32>) {
  norma.affine kept [1] ins(%x : memref<?x13xf32>) scale(%s : memref<13xf32>)
      outs(%y : memref<?x13xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 2, line = 208>}
  return
}

// -----

// Dense rows that lie apart, of two lines of 16 kept indices each: the coefficients of a line are
// written out, then used for that line of all rows. What the next block has in its place is asked
// for.

// CHECK-LABEL: func @flat_rows
// CHECK-DAG:     %[[LINE:.*]] = memref.alloca() {{.*}} : memref<800xf32>
// CHECK-DAG:     %[[X:.*]] = memref.collapse_shape %arg0 {{.*}} into memref<?x1568xf32, strided<[?, 1]>>
// CHECK-DAG:     %[[Y:.*]] = memref.collapse_shape %arg2 {{.*}} into memref<?x1568xf32, strided<[?, 1]>>
// CHECK:         scf.for %[[K:.*]] = %c0 to %c32 step %c16
// CHECK:           scf.for %[[I:.*]] = %c0 to %c16 step %c1
// CHECK:             %[[AT:.*]] = arith.addi %[[K]], %[[I]]
// CHECK:             memref.load %arg1[%[[AT]]]
// CHECK:           %[[FIRST:.*]] = arith.muli %[[K]], %c49
// CHECK:           scf.for %[[R:.*]] = %c0 to %{{.*}} step %c1
// CHECK:             scf.for %[[V:.*]] = %c0 to %c784 step %c16
// CHECK:               %[[S:.*]] = vector.load %[[LINE]][%[[V]]]
// CHECK:               %[[J:.*]] = arith.addi %[[FIRST]], %[[V]]
// CHECK:               %[[NEXT:.*]] = arith.addi %[[J]], %c1568
// CHECK:               memref.prefetch %[[X]][%[[R]], %[[NEXT]]], read, locality<2>
// CHECK:               vector.load %[[X]][%[[R]], %[[J]]]
// CHECK:               arith.mulf %{{.*}}, %[[S]]
// CHECK:               vector.store %{{.*}}, %[[Y]][%[[R]], %[[J]]] {{.*}}nontemporal = true
// CHECK-NOT:     vector.maskedstore
func.func @flat_rows(%x: memref<?x32x49xf32, strided<[?, 49, 1]>>, %s: memref<32xf32>,
                     %y: memref<?x32x49xf32, strided<[?, 49, 1]>>) {
  norma.affine kept [1] ins(%x : memref<?x32x49xf32, strided<[?, 49, 1]>>)
      scale(%s : memref<32xf32>) outs(%y : memref<?x32x49xf32, strided<[?, 49, 1]>>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, line = 784, nontemporal = true, prefetch = 1568>}
  return
}

// -----

// What is asked for in contiguous data is wanted soon, and comes into the first level if all lines
// together are 16 KiB or less; what is asked for of the next block is not.

// CHECK-LABEL: func @prefetched_lines
// CHECK:         memref.prefetch {{.*}}, read, locality<3>
// CHECK-LABEL: func @prefetched_far
// CHECK:         memref.prefetch {{.*}}, read, locality<2>
func.func @prefetched_lines(%x: memref<?x64xf16>, %s: memref<64xf32>, %y: memref<?x64xf16>) {
  norma.affine kept [1] ins(%x : memref<?x64xf16>) scale(%s : memref<64xf32>) outs(%y : memref<?x64xf16>)
      {schedule = #norma.schedule<flat, vector = 32, unroll = 1, group = 4, line = 64, prefetch = 2048>}
  return
}
func.func @prefetched_far(%x: memref<?x64xf16>, %s: memref<64xf32>, %y: memref<?x64xf16>) {
  norma.affine kept [1] ins(%x : memref<?x64xf16>) scale(%s : memref<64xf32>) outs(%y : memref<?x64xf16>)
      {schedule = #norma.schedule<flat, vector = 32, unroll = 1, group = 4, line = 64, prefetch = 2080>}
  return
}

// -----

// So do the parts of rows that lie together: two rows abreast, which share the coefficients.

// CHECK-LABEL: func @flat_parts
// CHECK-DAG:     %[[LINE:.*]] = memref.alloca() {{.*}} : memref<800xf32>
// CHECK-DAG:     %[[X:.*]] = memref.collapse_shape %arg0 {{.*}} into memref<?x1568xf32>
// CHECK-DAG:     %[[Y:.*]] = memref.collapse_shape %arg2 {{.*}} into memref<?x1568xf32>
// CHECK:         scf.for %[[K:.*]] = %c0 to %c32 step %c16
// CHECK:           %[[FIRST:.*]] = arith.muli %[[K]], %c49
// CHECK:           scf.for %[[R:.*]] = %c0 to %{{.*}} step %c2
// CHECK:             scf.for %[[V:.*]] = %c0 to %c784 step %c16
// CHECK:               %[[S:.*]] = vector.load %[[LINE]][%[[V]]]
// CHECK:               %[[J:.*]] = arith.addi %[[FIRST]], %[[V]]
// CHECK:               vector.load %[[X]][%[[R]], %[[J]]]
// CHECK:               %[[NEXT:.*]] = arith.addi %[[R]], %c1
// CHECK:               vector.load %[[X]][%[[NEXT]], %{{.*}}]
// CHECK-NOT:           vector.load
// CHECK-COUNT-2:       vector.store %{{.*}}, %[[Y]]{{.*}}nontemporal = true
// CHECK:           scf.for %{{.*}} step %c1
// CHECK-NOT:     vector.maskedstore
func.func @flat_parts(%x: memref<?x32x49xf32>, %s: memref<32xf32>, %y: memref<?x32x49xf32>) {
  norma.affine kept [1] ins(%x : memref<?x32x49xf32>) scale(%s : memref<32xf32>)
      outs(%y : memref<?x32x49xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 2, line = 784, nontemporal = true>}
  return
}

// -----

// Any strides, one element at a time.

// CHECK-LABEL: func @strided
// CHECK:         scf.for
// CHECK:           scf.for
// CHECK:             memref.load %arg0
// CHECK:             memref.store
// CHECK-NOT:         vector.load
func.func @strided(%x: memref<?x5xf32, strided<[?, ?]>>, %s: memref<5xf32>,
                   %y: memref<?x5xf32, strided<[?, ?]>>) {
  norma.affine kept [1] ins(%x : memref<?x5xf32, strided<[?, ?]>>) scale(%s : memref<5xf32>)
      outs(%y : memref<?x5xf32, strided<[?, ?]>>)
      {schedule = #norma.schedule<rows, vector = 1, unroll = 1>}
  return
}
