# `cmake --install`: the rooms' libraries, their headers below include/rein, a package for find_package(rein), and the
# program with librein.so and rein.h. Headers that kernels and commands have for themselves stay here.
include(CMakePackageConfigHelpers)
set(REIN_PACKAGE ${CMAKE_INSTALL_LIBDIR}/cmake/rein)
set_target_properties(rein_all PROPERTIES EXPORT_NAME rein)
set(REIN_INSTALLED rein_tensor rein_autograd rein_nn rein_models rein_data rein_optim rein_train rein_all)
if(REIN_PROGRAM)
  list(APPEND REIN_INSTALLED rein_c)
  install(TARGETS rein)
endif()
install(TARGETS ${REIN_INSTALLED} EXPORT rein PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(room tensor autograd nn models data train)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rein FILES_MATCHING PATTERN "*.h"
    REGEX "-inl\\.h$|_kernels\\.h$|_(cuda|cpu|blocks)\\.h$|/ops/kernels\\.h$|/tensor/(cuda|cpu)/|/cases/|/train/(bench|capi|cli|verify)/|/toml\\.h$" EXCLUDE)
endforeach()
install(EXPORT rein NAMESPACE rein:: FILE reinTargets.cmake DESTINATION ${REIN_PACKAGE})
configure_package_config_file(${PROJECT_SOURCE_DIR}/scripts/cmake/reinConfig.cmake.in
  ${PROJECT_BINARY_DIR}/reinConfig.cmake INSTALL_DESTINATION ${REIN_PACKAGE})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/reinConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/reinConfig.cmake ${PROJECT_BINARY_DIR}/reinConfigVersion.cmake
  DESTINATION ${REIN_PACKAGE})
