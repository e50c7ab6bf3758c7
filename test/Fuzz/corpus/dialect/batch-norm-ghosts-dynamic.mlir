func.func @ghosts_dynamic(%x: tensor<?x3xf32>, %y: tensor<8x?x2xf32>, %n: tensor<2x3xf64>) {
  %a:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<2x3xf64>, tensor<2x3xf64>, tensor<2x3xf64>) kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 4} : tensor<?x3xf32>
  %b:4 = norma.batch_norm_training %y kept [1, 2] {virtual_batch_size = 4} : tensor<8x?x2xf32>
  %c:4 = norma.batch_norm_training %y kept [] {virtual_batch_size = 4} : tensor<8x?x2xf32>
  return
}
