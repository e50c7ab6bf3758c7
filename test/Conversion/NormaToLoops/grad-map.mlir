// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// rows: vectors along the kept axis, coefficients loaded beside data and gradient.

// CHECK-LABEL: func @rows
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c1 iter_args(%[[I:.*]] = %{{.*}})
// CHECK:           scf.for %{{.*}} = %c0 to %c64 step %c16 iter_args(%[[J:.*]] = %{{.*}})
// CHECK-DAG:         %[[C:.*]] = vector.load %arg2[%[[J]]]
// CHECK-DAG:         %[[T:.*]] = vector.load %arg3[%[[J]]]
// CHECK-DAG:         %[[Q:.*]] = vector.load %arg4[%[[J]]]
// CHECK-DAG:         %[[P:.*]] = vector.load %arg5[%[[J]]]
// CHECK-DAG:         %[[X:.*]] = vector.load %arg0[%[[I]], %[[J]]] : memref<?x64xf32>, vector<16xf32>
// CHECK-DAG:         %[[DY:.*]] = vector.load %arg1[%[[I]], %[[J]]] : memref<?x64xf32>, vector<16xf32>
// CHECK:             %[[D:.*]] = arith.subf %[[X]], %[[C]]
// CHECK:             %[[V:.*]] = vector.fma %[[D]], %[[T]], %[[Q]]
// CHECK:             %[[DX:.*]] = vector.fma %[[DY]], %[[P]], %[[V]]
// CHECK:             vector.store %[[DX]], %arg6[%[[I]], %[[J]]]
// CHECK-NOT:     vector.masked
// CHECK:         return
func.func @rows(%x: memref<?x64xf32>, %dy: memref<?x64xf32>, %c: memref<64xf32>, %t: memref<64xf32>,
                %q: memref<64xf32>, %p: memref<64xf32>, %dx: memref<?x64xf32>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x64xf32>, memref<?x64xf32>) center(%c : memref<64xf32>)
      slope(%t : memref<64xf32>) offset(%q : memref<64xf32>) scale(%p : memref<64xf32>)
      outs(%dx : memref<?x64xf32>) {schedule = #norma.schedule<rows, vector = 16, unroll = 1>}
  return
}

// -----

// runs: one kept index a run, its coefficients broadcast; a tail that overlaps; narrow types.

// CHECK-LABEL: func @runs
// CHECK:         scf.for %{{.*}} iter_args(%[[N:.*]] = %{{.*}})
// CHECK:           scf.for %{{.*}} = %c0 to %c3 step %c1 iter_args(%[[K:.*]] = %{{.*}})
// CHECK-COUNT-4:     vector.broadcast %{{.*}} : f32 to vector<16xf32>
// CHECK:             scf.for %{{.*}} = %c0 to %c64 step %c32 iter_args(%[[I:.*]] = %{{.*}})
// CHECK:               vector.load %arg0[%[[N]], %[[K]], %[[I]]]
// CHECK:               arith.uitofp %{{.*}} : vector<16xi8> to vector<16xf32>
// CHECK:               arith.extf %{{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK:               arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK:               vector.store
// CHECK:             vector.load %arg0[%[[N]], %[[K]], %c84]
// CHECK:             vector.load %arg1[%[[N]], %[[K]], %c84]
// CHECK:             vector.store %{{.*}}, %arg6[%[[N]], %[[K]], %c84]
func.func @runs(%x: memref<?x3x100xi8>, %dy: memref<?x3x100xbf16>, %c: memref<3xf32>, %t: memref<3xf32>,
                %q: memref<3xf32>, %p: memref<3xf32>, %dx: memref<?x3x100xbf16>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x3x100xi8>, memref<?x3x100xbf16>) unsigned
      center(%c : memref<3xf32>) slope(%t : memref<3xf32>) offset(%q : memref<3xf32>)
      scale(%p : memref<3xf32>) outs(%dx : memref<?x3x100xbf16>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2>}
  return
}

// -----

// flat: every coefficient is written out for one line.

// CHECK-LABEL: func @flat
// CHECK:         %[[X:.*]] = memref.reinterpret_cast %arg0
// CHECK:         %[[DY:.*]] = memref.reinterpret_cast %arg1
// CHECK:         %[[DX:.*]] = memref.reinterpret_cast %arg6
// CHECK:         vector.store %{{.*}}, %[[C:.*]][%{{.*}}] : memref<224xf32>, vector<16xf32>
// CHECK:         vector.store %{{.*}}, %[[T:.*]][%{{.*}}] : memref<224xf32>, vector<16xf32>
// CHECK:         vector.store %{{.*}}, %[[Q:.*]][%{{.*}}] : memref<224xf32>, vector<16xf32>
// CHECK:         vector.store %{{.*}}, %[[P:.*]][%{{.*}}] : memref<224xf32>, vector<16xf32>
// CHECK:         scf.for %{{.*}} step %c208
// CHECK-NOT:       mask
// CHECK-DAG:       vector.load %[[X]]
// CHECK-DAG:       vector.load %[[DY]]
// CHECK-DAG:       vector.load %[[C]]
// CHECK-DAG:       vector.load %[[T]]
// CHECK-DAG:       vector.load %[[Q]]
// CHECK-DAG:       vector.load %[[P]]
// CHECK:           vector.store %{{.*}}, %[[DX]]
// CHECK:         vector.maskedstore %[[DX]]
func.func @flat(%x: memref<?x13xf32>, %dy: memref<?x13xf32>, %c: memref<13xf32>, %t: memref<13xf32>,
                %q: memref<13xf32>, %p: memref<13xf32>, %dx: memref<?x13xf32>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x13xf32>, memref<?x13xf32>) center(%c : memref<13xf32>)
      slope(%t : memref<13xf32>) offset(%q : memref<13xf32>) scale(%p : memref<13xf32>)
      outs(%dx : memref<?x13xf32>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 1, line = 208>}
  return
}

// -----

// A mask per row, weights per element: what does not count is selected away, and so are weights of what is left out, since
// neither need be a number. The gradient itself is neither masked nor weighted; its product is the one that is rounded by
// itself, since the other has been rounded before it is weighted.

// CHECK-LABEL: func @partial
// CHECK:         %[[DY:.*]] = vector.load %arg1
// CHECK:         %[[V:.*]] = vector.fma
// CHECK:         memref.load %arg6[%{{.*}}, %c0] : memref<?x1xi8>
// CHECK:         %[[M:.*]] = arith.cmpi ne
// CHECK:         %[[GIVEN:.*]] = vector.load %arg7{{.*}} : memref<?x8xf32>
// CHECK:         %[[W:.*]] = arith.select %[[M]], %[[GIVEN]]
// CHECK:         %[[COUNTS:.*]] = arith.cmpf une, %[[W]]
// CHECK:         %[[SELECTED:.*]] = arith.select %[[COUNTS]], %[[V]]
// CHECK:         %[[SCALED:.*]] = arith.mulf %[[DY]], %{{.*}}
// CHECK:         %[[DX:.*]] = vector.fma %[[SELECTED]], %[[W]], %[[SCALED]]
// CHECK:         vector.store %[[DX]], %arg8
func.func @partial(%x: memref<?x8xf32>, %dy: memref<?x8xf32>, %c: memref<8xf32>, %t: memref<8xf32>,
                   %q: memref<8xf32>, %p: memref<8xf32>, %mask: memref<?x1xi8>, %w: memref<?x8xf32>,
                   %dx: memref<?x8xf32>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x8xf32>, memref<?x8xf32>) center(%c : memref<8xf32>)
      slope(%t : memref<8xf32>) offset(%q : memref<8xf32>) scale(%p : memref<8xf32>)
      mask(%mask : memref<?x1xi8>) weights(%w : memref<?x8xf32>) outs(%dx : memref<?x8xf32>)
      {schedule = #norma.schedule<rows, vector = 8, unroll = 1>}
  return
}

// -----

// Stores past the cache; the masked tail goes through it.

// CHECK-LABEL: func @nontemporal
// CHECK:         vector.store %{{.*}} {alignment = 32 : i64, nontemporal = true} : memref<?xbf16>
// CHECK:         vector.maskedstore
// CHECK:         llvm.fence seq_cst
func.func @nontemporal(%x: memref<?xbf16>, %dy: memref<?xbf16>, %c: memref<f32>, %dx: memref<?xbf16>) {
  norma.grad_map kept [] ins(%x, %dy : memref<?xbf16>, memref<?xbf16>) center(%c : memref<f32>)
      slope(%c : memref<f32>) offset(%c : memref<f32>) scale(%c : memref<f32>)
      outs(%dx : memref<?xbf16>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 64, nontemporal = true>}
  return
}

// -----

// Both inputs of the next block are asked for.

// CHECK-LABEL: func @block
// CHECK:         memref.prefetch %arg0[
// CHECK-NEXT:    memref.prefetch %arg1[
// CHECK-NOT:     memref.prefetch
func.func @block(%x: memref<?x2x16xf32, strided<[?, 16, 1]>>, %dy: memref<?x2x16xf32, strided<[?, 16, 1]>>,
                 %c: memref<2xf32>, %dx: memref<?x2x16xf32, strided<[?, 16, 1]>>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x2x16xf32, strided<[?, 16, 1]>>, memref<?x2x16xf32, strided<[?, 16, 1]>>)
      center(%c : memref<2xf32>) slope(%c : memref<2xf32>) offset(%c : memref<2xf32>) scale(%c : memref<2xf32>)
      outs(%dx : memref<?x2x16xf32, strided<[?, 16, 1]>>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 1, nontemporal = true, prefetch = 32>}
  return
}
