# cpack -G DEB in the build folder: one Debian package for every component of NormaInstall.cmake.
# scripts/package builds them with Debian's folders.

set(NORMA_MAINTAINER "norma maintainers <maintainers@norma.invalid>" CACHE STRING
    "Whom the packages name as their maintainer")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME norma)
set(CPACK_PACKAGE_CONTACT "${NORMA_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL runtime dev tools plugin)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENT_DEV_DEPENDS runtime)
set(CPACK_COMPONENT_TOOLS_DEPENDS runtime)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SOURCE norma)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/cmake/package/triggers")
# dpkg-shlibdeps finds it in a folder of another package.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libllvm${LLVM_VERSION_MAJOR}")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_DEPENDS "libllvm${LLVM_VERSION_MAJOR}")
# What norma::dialect and norma::passes need, and nothing else.
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libmlir-${LLVM_VERSION_MAJOR}-dev, libfmt-dev, cmake, pkg-config")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_RECOMMENDS "mlir-${LLVM_VERSION_MAJOR}-tools")

# norma_package(COMPONENT PACKAGE SECTION SUMMARY CONTENTS)
macro(norma_package component package section summary contents)
  string(TOUPPER "${component}" key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME "${package}")
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION "${section}")
  string(CONCAT CPACK_COMPONENT_${key}_DESCRIPTION
    "compiled normalization - ${summary}\n"
    "norma compiles normalization layers into vectorized loops for the processor\n"
    "at hand, keeps the kernels, and runs them.\n\n"
    "This package holds ${contents}.")
endmacro()
norma_package(runtime "libnorma${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}" libs "shared libraries"
  "the libraries that programs run with: the C++ runtime and\nthe C interface")
norma_package(dev libnorma-dev libdevel "development files"
  "the headers, the MLIR dialect and its passes as static\nlibraries, and the files of CMake and pkg-config")
norma_package(tools norma science "command line programs"
  "norma, which learns the statistics of data files of any\nsize and normalizes them, and norma-opt, which runs norma's passes on MLIR")
norma_package(plugin norma-mlir-plugin devel "plugin for mlir-opt"
  "the dialect and its passes as a plugin for mlir-opt of\nLLVM ${LLVM_VERSION_MAJOR}")

# Every package of Debian has its license and changelog in a folder of its own.
set(norma_package_version "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
string(TIMESTAMP norma_package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/package/changelog.in "${norma_generated_dir}/changelog" @ONLY)
configure_file(cmake/package/documents.cmake.in "${norma_generated_dir}/documents.cmake" @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS "${norma_generated_dir}/documents.cmake")

include(CPack)
