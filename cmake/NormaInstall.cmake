# cmake --install BUILD --prefix PREFIX [--component runtime|dev|tools|plugin|license]
#
#   runtime  the shared libraries that programs run with
#   dev      headers, static libraries of dialect and passes, and the files of CMake and pkg-config
#   tools    norma and norma-opt
#   plugin   the dialect and passes for mlir-opt
#   license  its text; in a whole installation
#
# An installed tree can be moved: libraries and packages find each other by their relative places.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(norma_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/norma")
set(norma_plugin_dir "${CMAKE_INSTALL_LIBDIR}/norma")
set(norma_runtime_libraries norma_runtime norma_c)
set(norma_mlir_libraries norma_support NormaDialect NormaTransforms NormaConversion NormaPipeline)

# norma_name(TARGET NAME): the target is norma::NAME, here and for those who find the package.
function(norma_name target name)
  add_library(norma::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
endfunction()
norma_name(norma_runtime runtime)
norma_name(norma_c c)
norma_name(norma_support support)
norma_name(NormaDialect dialect)
norma_name(NormaTransforms transforms)
norma_name(NormaConversion conversion)
norma_name(NormaPipeline passes)

# Before 1.0 every minor version may change the binary interface.
set_target_properties(${norma_runtime_libraries} PROPERTIES
  VERSION "${PROJECT_VERSION}"
  SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}"
  INSTALL_RPATH "\$ORIGIN")
file(RELATIVE_PATH libraries_from_tools
     "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set_target_properties(norma norma-opt PROPERTIES INSTALL_RPATH "\$ORIGIN/${libraries_from_tools}")
# The packages of LLVM keep libMLIR where the loader does not look by itself.
set_target_properties(${norma_runtime_libraries} norma norma-opt norma-plugin PROPERTIES
  INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS ${norma_runtime_libraries} EXPORT normaRuntime
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT dev
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ${norma_mlir_libraries} EXPORT normaPasses
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS norma norma-opt EXPORT normaTools
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
install(TARGETS norma-plugin LIBRARY DESTINATION "${norma_plugin_dir}" COMPONENT plugin)

# Packages of Debian carry it in a form of their own.
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT license)

# The headers of Reference, the oracle of the tests, are not among the public ones.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" "${PROJECT_BINARY_DIR}/include/"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev
  FILES_MATCHING
  PATTERN "*.h" PATTERN "*.td" PATTERN "*.h.inc"
  PATTERN "norma/Reference" EXCLUDE
  PATTERN CMakeFiles EXCLUDE)

foreach(export "Runtime dev" "Passes dev" "Tools tools")
  separate_arguments(export)
  list(POP_FRONT export name component)
  install(EXPORT norma${name} NAMESPACE norma:: FILE norma${name}Targets.cmake
    DESTINATION "${norma_cmake_dir}" COMPONENT ${component})
endforeach()
# Not in the build folder itself, where find_package would take it for an installed tree.
set(norma_generated_dir "${PROJECT_BINARY_DIR}/package")
configure_package_config_file(cmake/norma-config.cmake.in "${norma_generated_dir}/norma-config.cmake"
  INSTALL_DESTINATION "${norma_cmake_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${norma_generated_dir}/norma-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_SOURCE_DIR}/cmake/NormaCompile.cmake"
  "${norma_generated_dir}/norma-config.cmake"
  "${norma_generated_dir}/norma-config-version.cmake"
  DESTINATION "${norma_cmake_dir}" COMPONENT dev)

file(RELATIVE_PATH prefix_from_pkgconfig
     "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
foreach(package norma norma-c)
  configure_file(cmake/${package}.pc.in "${norma_generated_dir}/${package}.pc" @ONLY)
  install(FILES "${norma_generated_dir}/${package}.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)
endforeach()
