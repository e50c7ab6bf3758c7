# How norma's own code is compiled: language, warnings, sanitizers, speed of the build.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

find_program(NORMA_CCACHE ccache)
if(NORMA_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${NORMA_CCACHE}")
endif()
find_program(NORMA_LLD NAMES ld.lld-22 ld.lld)
if(NORMA_LLD)
  # GCC 12 looks for "ld.lld" by name only, so it is told the folder of the program.
  get_filename_component(lld_real "${NORMA_LLD}" REALPATH)
  get_filename_component(lld_dir "${lld_real}" DIRECTORY)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND EXISTS "${lld_dir}/../bin/ld.lld")
    add_link_options(-fuse-ld=lld "-B${lld_dir}/../bin")
  elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_link_options("--ld-path=${NORMA_LLD}")
  endif()
endif()

add_library(norma_flags INTERFACE)
target_compile_options(norma_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow=local
                       -Wnon-virtual-dtor -Wno-unused-parameter)
# Every operation rounds, on processors with fused multiply-adds, too: bits must not depend on them.
target_compile_options(norma_flags INTERFACE -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies inside std::string where there are none (GCC bug 105651).
  target_compile_options(norma_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(norma_flags INTERFACE -Wno-unknown-warning-option -Wshadow)
endif()
if(NORMA_ENABLE_WERROR)
  target_compile_options(norma_flags INTERFACE -Werror)
endif()
if(NORMA_SANITIZE)
  # What a sanitizer finds ends the program, so that its test fails.
  target_compile_options(norma_flags INTERFACE -fsanitize=${NORMA_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize=vptr -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC warns of what it has instrumented itself, here in <regex>.
    target_compile_options(norma_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Kernels have no type signature before their first instruction, where this check would read it.
    target_compile_options(norma_flags INTERFACE -fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${NORMA_SANITIZE})
endif()
if(NORMA_ENABLE_FUZZING)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "NORMA_ENABLE_FUZZING needs clang, the compiler is ${CMAKE_CXX_COMPILER}; "
                        "use the preset 'fuzz'")
  endif()
  # What norma's own code goes through guides the fuzzers, and whatever a sanitizer finds ends them.
  target_compile_options(norma_flags INTERFACE -fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()

# norma_add_library(NAME [SHARED] sources... LINK targets...): a library without MLIR.
function(norma_add_library name)
  cmake_parse_arguments(ARG "SHARED" "" "LINK" ${ARGN})
  if(ARG_SHARED)
    add_library(${name} SHARED ${ARG_UNPARSED_ARGUMENTS})
  else()
    add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  endif()
  target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>")
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE $<BUILD_INTERFACE:norma_flags>)
endfunction()
