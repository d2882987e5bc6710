# `ninja carry`: carry/ in the build folder with what a machine with a GPU needs that has a driver and cuBLASLt but no
# packages of ours: the program, the tests of the device's kernels, and Highway's library where it has no static form; it
# is looked for beside the program. scripts/gpu_check.sh runs them. Configure with REIN_STATIC=ON for the other packages.
if(NOT REIN_WITH_CUDA OR NOT REIN_TESTS)
  return()
endif()
set_target_properties(rein tests_gpu_ops tests_gpu_train PROPERTIES BUILD_RPATH "$ORIGIN")
set(REIN_CARRY ${CMAKE_BINARY_DIR}/carry)
get_target_property(REIN_HWY_TYPE hwy::hwy TYPE)
set(REIN_CARRY_HWY COMMAND ${CMAKE_STRIP} -o ${REIN_CARRY}/$<TARGET_SONAME_FILE_NAME:hwy::hwy> $<TARGET_FILE:hwy::hwy>)
if(REIN_HWY_TYPE STREQUAL "STATIC_LIBRARY")
  set(REIN_CARRY_HWY "")
endif()
add_custom_target(carry
  COMMAND ${CMAKE_COMMAND} -E make_directory ${REIN_CARRY}
  COMMAND ${CMAKE_STRIP} -o ${REIN_CARRY}/rein $<TARGET_FILE:rein>
  COMMAND ${CMAKE_STRIP} -o ${REIN_CARRY}/tests_gpu_ops $<TARGET_FILE:tests_gpu_ops>
  COMMAND ${CMAKE_STRIP} -o ${REIN_CARRY}/tests_gpu_train $<TARGET_FILE:tests_gpu_train>
  ${REIN_CARRY_HWY}
  DEPENDS rein tests_gpu_ops tests_gpu_train
  VERBATIM)
