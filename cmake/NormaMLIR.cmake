# LLVM and MLIR 22, linked against their shared libraries.

# The version file accepts major.minor only, so the gate is by hand.
find_program(NORMA_LLVM_CONFIG NAMES llvm-config-22)
if(NORMA_LLVM_CONFIG AND NOT MLIR_DIR)
  execute_process(COMMAND "${NORMA_LLVM_CONFIG}" --prefix OUTPUT_VARIABLE llvm_prefix
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(MLIR_DIR "${llvm_prefix}/lib/cmake/mlir")
endif()
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "norma needs LLVM/MLIR 22, found ${LLVM_PACKAGE_VERSION} at ${MLIR_DIR}; "
                      "pass -DMLIR_DIR=<prefix>/lib/cmake/mlir")
endif()
set(MLIR_LINK_MLIR_DYLIB ON)
# Documentation and tablegen output belong to our build folder.
set(MLIR_BINARY_DIR "${PROJECT_BINARY_DIR}")

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(norma_llvm_definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")

add_library(norma_mlir_flags INTERFACE)
# Tablegen output is not held to our warnings.
target_include_directories(norma_mlir_flags SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS}
                           "${PROJECT_BINARY_DIR}/include")
target_include_directories(norma_mlir_flags INTERFACE "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(norma_mlir_flags INTERFACE ${norma_llvm_definitions})
target_link_libraries(norma_mlir_flags INTERFACE MLIR LLVM)

# norma_add_mlir_library(NAME sources... DEPENDS tablegen-targets... LINK targets...)
function(norma_add_mlir_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  # Debian's LLVM is built without exceptions, with RTTI. Who links the library catches them: its own
  # code may run out of memory.
  target_compile_options(${name} PRIVATE -fno-exceptions)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC norma_mlir_flags ${ARG_LINK} PRIVATE norma_flags)
endfunction()
