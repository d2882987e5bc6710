include(GNUInstallDirs)

# rein_sources(OUT PATTERN ...): the source files of a folder, so that a new file needs no list. Ninja looks again at each build.
function(rein_sources out)
  file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${ARGN})
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Most files steer: they call kernels, read files, print. -O3 costs a third of their compile time and gives nothing, so
# a release compiles them with -O1. rein_hot(REGEX SOURCES...) names those with loops of their own: they keep the build
# type's optimisation, and do without the precompiled header, which must be of the same level.
set(REIN_CALM $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
function(rein_hot regex)
  if(regex STREQUAL "")
    set(regex "^$")
  endif()
  set(hot ${ARGN})
  list(FILTER hot INCLUDE REGEX "${regex}")
  set(calm ${ARGN})
  list(FILTER calm EXCLUDE REGEX "${regex}")
  set_property(SOURCE ${hot} PROPERTY SKIP_PRECOMPILE_HEADERS ON)
  set_property(SOURCE ${calm} APPEND PROPERTY COMPILE_OPTIONS ${REIN_CALM})
endfunction()

# rein_calm(TARGET): all of its sources are such, and share the precompiled standard headers.
function(rein_calm target)
  target_compile_options(${target} PRIVATE ${REIN_CALM})
  target_precompile_headers(${target} REUSE_FROM rein_std)
endfunction()

# rein_room(NAME SOURCES ... HOT REGEX LINK ...): one folder of DESIGN's table as a static library `rein_NAME`, which other
# projects know as rein::NAME.
function(rein_room name)
  cmake_parse_arguments(ARG "" "HOT" "SOURCES;LINK" ${ARGN})
  rein_hot("${ARG_HOT}" ${ARG_SOURCES})
  add_library(rein_${name} STATIC ${ARG_SOURCES})
  rein_library(${name} ${ARG_LINK})
  target_precompile_headers(rein_${name} REUSE_FROM rein_std)
endfunction()

# rein_library(NAME LINK...): what such a target tells those who link it.
function(rein_library name)
  add_library(rein::${name} ALIAS rein_${name})
  set_target_properties(rein_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(rein_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/rein>)
  target_compile_features(rein_${name} PUBLIC cxx_std_20)
  target_link_libraries(rein_${name} PUBLIC ${ARGN} PRIVATE $<BUILD_INTERFACE:rein_flags> OpenMP::OpenMP_CXX)
endfunction()

# rein_tests(NAME SOURCES ... LINK ...): one doctest program, registered with CTest under the same name.
function(rein_tests name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/harness/main.cpp)
  rein_doctest(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} rein_flags)
  rein_use_emulated(${name})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

# rein_doctest(TARGET): its sources hold doctest tests.
function(rein_doctest target)
  target_include_directories(${target} SYSTEM PRIVATE ${REIN_DOCTEST_INCLUDE})
  target_compile_options(${target} PRIVATE ${REIN_CALM})
  target_precompile_headers(${target} REUSE_FROM rein_std_doctest)
endfunction()

# Warnings, sanitizers and optimisation that every target of ours shares.
add_library(rein_flags INTERFACE)
# -Wrestrict has a known false positive in GCC 12 on std::string.
# Position independent and hidden: librein.so is made of the same objects, and shows the symbols of rein.h alone.
# No fast-math, and no contraction of a*b+c behind our back: the same source gives the same bits at every -O level.
target_compile_options(rein_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas -Wno-restrict -ffp-contract=off
    -fPIC -fvisibility=hidden -fvisibility-inlines-hidden>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-fPIC,-fvisibility=hidden>)
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

# Standard headers are half of what a calm file costs. They are compiled once, for all rooms, and once more with doctest
# for the tests. Every header still includes what it uses: see tests/style.
function(rein_precompiled name)
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/scripts/cmake/precompiled.cpp)
  target_compile_options(${name} PRIVATE ${REIN_CALM})
  target_link_libraries(${name} PRIVATE rein_flags)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()
set(REIN_STD <algorithm> <array> <cmath> <cstdint> <cstdio> <filesystem> <functional> <map> <memory> <optional> <set> <span>
  <sstream> <string> <vector>)
rein_precompiled(rein_std ${REIN_STD})
if(REIN_TESTS)
  rein_precompiled(rein_std_doctest ${REIN_STD} <doctest/doctest.h>)
  target_include_directories(rein_std_doctest SYSTEM PRIVATE ${REIN_DOCTEST_INCLUDE})
endif()
