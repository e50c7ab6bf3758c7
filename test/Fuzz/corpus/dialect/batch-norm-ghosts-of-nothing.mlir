func.func @ghosts_of_nothing(%x: tensor<0x3xf32>) {
  %a:4 = norma.batch_norm_training %x kept [1] {virtual_batch_size = 5} : tensor<0x3xf32>
  %b:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder smaller>, virtual_batch_size = 5} : tensor<0x3xf32>
  %c:4 = norma.batch_norm_training %x kept [1]
      {remainder = #norma<remainder merge>, virtual_batch_size = 5} : tensor<0x3xf32>
  return
}
