func.func @ghosts_of_static_batch(%x: tensor<10x3xf32>, %n: tensor<5x3xf64>) {
  %a:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 5} : tensor<10x3xf32>
  %b:4 = norma.batch_norm_training %x kept [1] {grouping = #norma<grouping contiguous>,
      remainder = #norma<remainder smaller>, virtual_batch_size = 4} : tensor<10x3xf32>
  %c:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 4} : tensor<10x3xf32>
  %d:4 = norma.batch_norm_training %x
      statistics(%n, %n, %n : tensor<5x3xf64>, tensor<5x3xf64>, tensor<5x3xf64>) kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 2} : tensor<10x3xf32>
  %e:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 10} : tensor<10x3xf32>
  %f:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 16} : tensor<10x3xf32>
  %g:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 16} : tensor<10x3xf32>
  return
}
