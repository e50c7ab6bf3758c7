func.func @statistics(%x: tensor<?x13xf32>, %n0: tensor<13xf64>, %m0: tensor<13xf64>, %s0: tensor<13xf64>,
                      %mask: tensor<?x1xi1>, %weights: tensor<1x13xf32>)
    -> (tensor<13xf64>, tensor<13xf64>, tensor<13xf64>, tensor<13xf64>) {
  %n, %m, %s = norma.adapt %x into (%n0, %m0, %s0) kept [1] : tensor<?x13xf32>, tensor<13xf64>
  %p, %q, %r = norma.adapt %x into (%n, %m, %s) mask %mask : tensor<?x1xi1>
      weights %weights : tensor<1x13xf32> kept [1] {nan = #norma<nan omit>}
      : tensor<?x13xf32>, tensor<13xf64>
  %a, %b, %c = norma.merge (%n, %m, %s), (%p, %q, %r) : tensor<13xf64>
  %mean, %variance = norma.finalize %a, %b, %c : tensor<13xf64>
  %mean2, %variance2 = norma.finalize %a, %b, %c sample detect_constant : tensor<13xf64>
  return %mean, %variance, %mean2, %variance2
      : tensor<13xf64>, tensor<13xf64>, tensor<13xf64>, tensor<13xf64>
}
