# rein_sources(OUT PATTERN ...): the source files of a folder, so that a new file needs no list. Ninja looks again at each build.
function(rein_sources out)
  file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${ARGN})
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# rein_room(NAME SOURCES ... LINK ...): one folder of DESIGN's table as a static library `rein_NAME`.
function(rein_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(rein_${name} STATIC ${ARG_SOURCES})
  target_include_directories(rein_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(rein_${name} PUBLIC ${ARG_LINK} PRIVATE rein_flags)
endfunction()

# rein_tests(NAME SOURCES ... LINK ...): one doctest program, registered with CTest under the same name.
function(rein_tests name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/harness/main.cpp)
  target_include_directories(${name} PRIVATE ${REIN_DOCTEST_INCLUDE})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} rein_flags)
  rein_use_emulated(${name})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

# Warnings, sanitizers and optimisation that every target of ours shares.
add_library(rein_flags INTERFACE)
# -Wrestrict has a known false positive in GCC 12 on std::string.
# No fast-math, and no contraction of a*b+c behind our back: the same source gives the same bits at every -O level.
target_compile_options(rein_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas -Wno-restrict -ffp-contract=off>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
if(REIN_WERROR)
  target_compile_options(rein_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror> $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
if(REIN_SANITIZE)
  target_compile_options(rein_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${REIN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(rein_flags INTERFACE -fsanitize=${REIN_SANITIZE})
endif()
if(REIN_STATIC)
  target_link_options(rein_flags INTERFACE -static-libstdc++ -static-libgcc)
endif()
target_link_libraries(rein_flags INTERFACE OpenMP::OpenMP_CXX)
