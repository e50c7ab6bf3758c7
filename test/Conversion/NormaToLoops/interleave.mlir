// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// Beside the sums of one tensor, at the same indices, the map of another: its coefficients are loaded
// where the pivot is, and every vector that is summed is followed by one that is mapped. What follows
// the sums is as it would be alone, and the fence is behind all.

// CHECK-LABEL: func @long_runs
// CHECK-SAME:    (%[[X:.*]]: memref<?x2x3136xf32>, %[[S:.*]]: memref<2xf32>, %[[Y:.*]]: memref<?x2x3136xf32>, %[[NEXT:.*]]: memref<?x2x3136xf32>,
// CHECK:         scf.for %[[N:.*]] = %c0 to %dim
// CHECK:           scf.for %[[K:.*]] = %c0 to %c2
// CHECK:             %[[PIVOT:.*]] = memref.load %{{.*}}[%[[K]]] : memref<{{.*}}xf32>
// CHECK:             %[[SCALE:.*]] = memref.load %[[S]][%[[K]]]
// CHECK:             %[[SCALES:.*]] = vector.broadcast %[[SCALE]] : f32 to vector<16xf32>
// CHECK:             scf.for %[[G:.*]] = %c0 to %c3136 step %c1024
// CHECK:             scf.for %[[I:.*]] = %[[G]] to
// CHECK:               %[[XV:.*]] = vector.load %[[NEXT]][%[[N]], %[[K]], %[[I]]]
// CHECK:               vector.fma
// CHECK:               %[[MAPPED:.*]] = vector.load %[[X]][%[[N]], %[[K]], %[[I]]]
// CHECK:               %[[YV:.*]] = arith.mulf %[[MAPPED]], %[[SCALES]]
// CHECK:               vector.store %[[YV]], %[[Y]][%[[N]], %[[K]], %[[I]]] {{.*}}nontemporal = true
// CHECK:               vector.load %[[NEXT]]
// CHECK:               vector.load %[[X]]
// CHECK:               vector.store %{{.*}}, %[[Y]]
// CHECK-NOT:         vector.load %[[X]]
// CHECK:         vector.maskedstore
// CHECK-NOT:     %[[X]]
// CHECK:         llvm.fence
// CHECK-NEXT:    return
func.func @long_runs(%x: memref<?x2x3136xf32>, %s: memref<2xf32>, %y: memref<?x2x3136xf32>,
                     %next: memref<?x2x3136xf32>, %n: memref<2xf64>, %m: memref<2xf64>,
                     %q: memref<2xf64>) {
  norma.affine kept [1] ins(%x : memref<?x2x3136xf32>) scale(%s : memref<2xf32>)
      outs(%y : memref<?x2x3136xf32>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, nontemporal = true, interleave = true>}
  norma.moments kept [1] ins(%next : memref<?x2x3136xf32>)
      outs(%n, %m, %q : memref<2xf64>, memref<2xf64>, memref<2xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// Short runs, and a tail: what is beside has the same mask.

// CHECK-LABEL: func @short_runs
// CHECK-SAME:    (%[[X:[^:]*]]: memref<?x3x40xf32>, %[[DY:[^:]*]]: memref<?x3x40xf32>, %[[C:[^:]*]]: memref<3xf32>, %[[DX:[^:]*]]: memref<?x3x40xf32>, %[[NEXT:[^:]*]]: memref<?x3x40xf32>, %[[NEXTDY:[^:]*]]: memref<?x3x40xf32>,
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c16
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3
// CHECK:             %[[COEFFICIENT:.*]] = memref.load %[[C]][%[[K]]]
// CHECK:             vector.broadcast %[[COEFFICIENT]]
// CHECK:             scf.for %[[N:.*]] = {{.*}} iter_args
// CHECK:                 %[[MASK:.*]] = vector.constant_mask [8]
// CHECK:                 vector.maskedload %[[NEXT]][%[[N]], %[[K]], %c32], %[[MASK]]
// CHECK:                 vector.maskedload %[[NEXTDY]][%[[N]], %[[K]], %c32], %[[MASK]]
// CHECK:                 vector.maskedload %[[X]][%[[N]], %[[K]], %c32], %[[MASK]]
// CHECK:                 vector.maskedload %[[DY]][%[[N]], %[[K]], %c32], %[[MASK]]
// CHECK:                 vector.maskedstore %[[DX]][%[[N]], %[[K]], %c32], %[[MASK]]
// CHECK-NOT:     llvm.fence
func.func @short_runs(%x: memref<?x3x40xf32>, %dy: memref<?x3x40xf32>, %c: memref<3xf32>,
                      %dx: memref<?x3x40xf32>, %next: memref<?x3x40xf32>,
                      %nextdy: memref<?x3x40xf32>, %center: memref<3xf64>, %s: memref<3xf64>,
                      %d: memref<3xf64>) {
  norma.grad_map kept [1] ins(%x, %dy : memref<?x3x40xf32>, memref<?x3x40xf32>)
      center(%c : memref<3xf32>) slope(%c : memref<3xf32>) offset(%c : memref<3xf32>)
      scale(%c : memref<3xf32>) outs(%dx : memref<?x3x40xf32>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, interleave = true>}
  norma.grad_sums kept [1] ins(%next, %nextdy : memref<?x3x40xf32>, memref<?x3x40xf32>)
      center(%center : memref<3xf64>) outs(%s, %d : memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// Runs that are not whole vectors fill rows that are: a run has whole vectors to itself, one that
// it shares with the next, and what it adds to that begins the next. The shared one is mapped with
// the coefficients of both.

// CHECK-LABEL: func @rows_of_runs
// CHECK-SAME:    (%[[X:[^:]*]]: memref<?x16x49xf32, strided<[?, 49, 1]>>, %[[S:[^:]*]]: memref<16xf32>, %[[Y:[^:]*]]: memref<?x16x49xf32, strided<[?, 49, 1]>>, %[[NEXT:[^:]*]]: memref<?x16x49xf32, strided<[?, 49, 1]>>,
// CHECK-DAG:     %[[XR:.*]] = memref.collapse_shape %[[X]] {{\[}}[0], [1, 2]] {{.*}} into memref<?x784xf32
// CHECK-DAG:     %[[YR:.*]] = memref.collapse_shape %[[Y]]
// CHECK-DAG:     %[[NR:.*]] = memref.collapse_shape %[[NEXT]]
// CHECK:         scf.for %[[G:.*]] = %c0 to %dim step %c10 {
// CHECK:         scf.for %[[N:.*]] = %[[G]] to
// CHECK:           scf.for %[[K:.*]] = %c0 to %c16 step %c1 iter_args(%[[FIRST:.*]] = %{{.*}}, %[[SECOND:.*]] = %{{.*}})
// CHECK:             memref.load %{{.*}}[%[[K]]]
// CHECK:             %[[MINE:.*]] = memref.load %[[S]][%[[K]]]
// CHECK:             %[[BOTH:.*]] = vector.broadcast %[[MINE]]
// CHECK:             %[[START:.*]] = arith.muli %[[K]], %c49
// CHECK:             %[[END:.*]] = arith.addi %[[START]], %c49
// CHECK:             scf.for {{.*}} iter_args(%{{.*}} = %[[FIRST]], %{{.*}} = %[[SECOND]],
// CHECK:               vector.load %[[NR]][%[[N]], %[[I:.*]]] : memref
// CHECK:               vector.load %[[XR]][%[[N]], %[[I]]]
// CHECK:               vector.store %{{.*}}, %[[YR]][%[[N]], %[[I]]] {{.*}}nontemporal = true
// CHECK:             %[[ENDS:.*]]:4 = scf.for %[[I:.*]] = %{{.*}} to %[[END]] step %c16 iter_args
// CHECK:               %[[MASK:.*]] = vector.create_mask
// CHECK:               %[[PIVOT:.*]] = arith.select %[[MASK]], %{{.*}}, %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK:               %[[LOADED:.*]] = vector.load %[[NR]][%[[N]], %[[I]]]
// CHECK:               %[[FROM:.*]] = arith.subf %[[LOADED]], %[[PIVOT]]
// CHECK:               %[[SUM:.*]] = arith.addf %[[OWN:.*]], %[[FROM]]
// CHECK:               arith.select %[[MASK]], %[[SUM]], %[[OWN]]
// CHECK:               %[[LATER:.*]] = arith.addf %[[BEGUN:.*]], %[[FROM]]
// CHECK:               arith.select %[[MASK]], %[[BEGUN]], %[[LATER]]
// CHECK:               %[[OTHER:.*]] = memref.load %[[S]]
// CHECK:               %[[OTHERS:.*]] = vector.broadcast %[[OTHER]]
// CHECK:               %[[BLEND:.*]] = arith.select %[[MASK]], %[[BOTH]], %[[OTHERS]]
// CHECK:               vector.load %[[XR]][%[[N]], %[[I]]]
// CHECK:               arith.mulf %{{.*}}, %[[BLEND]]
// CHECK:               vector.store %{{.*}}, %[[YR]][%[[N]], %[[I]]] {{.*}}nontemporal = true
// CHECK:             vector.store %{{.*}}[%c0, %[[K]], %c0] : memref<2x{{.*}}x16xf32>
// CHECK:             vector.store %{{.*}}[%c1, %[[K]], %c0] : memref<2x{{.*}}x16xf32>
// CHECK:             scf.yield %[[ENDS]]#2, %[[ENDS]]#3
// The lanes of either sum are added up by one loop.
// CHECK:         scf.for %[[SUMS:.*]] = %c0 to %c2 step %c1 {
// CHECK-COUNT-16:  vector.load %[[LANES:.*]][%[[SUMS]], %{{.*}}] : memref<2x{{.*}}x16xf32>, vector<8xf32>
// CHECK-COUNT-14:  vector.shuffle
// CHECK-NOT:       vector.shuffle
// CHECK:           vector.store %{{.*}}, %{{.*}}[%[[SUMS]], %{{.*}}, %c0]
// CHECK:         }
// CHECK:         arith.extf {{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:         llvm.fence
func.func @rows_of_runs(%x: memref<?x16x49xf32, strided<[?, 49, 1]>>, %s: memref<16xf32>,
                        %y: memref<?x16x49xf32, strided<[?, 49, 1]>>,
                        %next: memref<?x16x49xf32, strided<[?, 49, 1]>>, %n: memref<16xf64>,
                        %m: memref<16xf64>, %q: memref<16xf64>) {
  norma.affine kept [1] ins(%x : memref<?x16x49xf32, strided<[?, 49, 1]>>) scale(%s : memref<16xf32>)
      outs(%y : memref<?x16x49xf32, strided<[?, 49, 1]>>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, line = 784, nontemporal = true, interleave = true>}
  norma.moments kept [1] ins(%next : memref<?x16x49xf32, strided<[?, 49, 1]>>)
      outs(%n, %m, %q : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, line = 784, accumulate = f32>}
  return
}
