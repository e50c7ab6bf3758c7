# norma_compile(NAME [MODULE FILE.mlir | KERNELS [NAME=]SPEC...] [CPU cpu] [TRIPLE triple] [PREFIX prefix])
#
# A library NAME of the C functions that "norma compile" makes of an MLIR file, or of kernels, and the header
# NAME.h. What links it needs neither norma nor LLVM:
#
#   norma_compile(wine KERNELS "wine_scale=affine;RK[?x13];f32;coefficients=cs")
#   target_link_libraries(product PRIVATE wine)
#
# The program is the target norma::norma, where there is one, or NORMA_COMPILE_PROGRAM; NORMA_COMPILE_LAUNCHER
# comes before it.
function(norma_compile name)
  # Specs have semicolons, which this form leaves alone.
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "MODULE;CPU;TRIPLE;PREFIX" "KERNELS")
  if(ARG_UNPARSED_ARGUMENTS OR NOT (DEFINED ARG_MODULE OR DEFINED ARG_KERNELS)
     OR (DEFINED ARG_MODULE AND DEFINED ARG_KERNELS))
    message(FATAL_ERROR "norma_compile(${name}): expected MODULE and a file, or KERNELS and specs, then any of "
                        "CPU, TRIPLE and PREFIX; got ${ARGN}")
  endif()
  set(arguments)
  if(TARGET norma::norma)
    set(program $<TARGET_FILE:norma::norma>)
    set(depends norma::norma)
  else()
    find_program(NORMA_COMPILE_PROGRAM norma REQUIRED)
    set(program "${NORMA_COMPILE_PROGRAM}")
    set(depends "${program}")
  endif()
  if(DEFINED ARG_MODULE)
    get_filename_component(module "${ARG_MODULE}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND arguments "${module}")
    list(APPEND depends "${module}")
  endif()
  foreach(spec IN LISTS ARG_KERNELS)
    string(REPLACE ";" "$<SEMICOLON>" spec "${spec}")
    list(APPEND arguments "--spec=${spec}")
  endforeach()
  foreach(option "CPU --target-cpu" "TRIPLE --target-triple" "PREFIX --prefix")
    separate_arguments(option)
    list(POP_FRONT option keyword)
    if(DEFINED ARG_${keyword})
      list(APPEND arguments ${option} "${ARG_${keyword}}")
    endif()
  endforeach()

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}.norma")
  file(MAKE_DIRECTORY "${folder}")
  add_custom_command(
    OUTPUT "${folder}/${name}.o" "${folder}/${name}.h"
    COMMAND ${NORMA_COMPILE_LAUNCHER} "${program}" compile ${arguments} -o "${folder}/${name}.o" --header "${folder}/${name}.h"
    DEPENDS ${depends}
    COMMENT "Compiling ${name} with norma"
    VERBATIM)
  add_library(${name} STATIC "${folder}/${name}.o" "${folder}/${name}.h")
  set_source_files_properties("${folder}/${name}.o" PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
  target_include_directories(${name} INTERFACE "${folder}")
  if(UNIX)
    target_link_libraries(${name} INTERFACE m)
  endif()
endfunction()
