#!/usr/bin/env bash
# rein as other projects see it:
#   package_test.sh installed BUILD WORK    the build is installed into an empty folder, and the examples, copied to
#                   another one, find it there (find_package), are built and run; so is a file that includes every header
#   package_test.sh subdirectory BUILD WORK    a project outside of the tree that has rein as a subdirectory builds and runs
#                   the same, and keeps its own build type and folders
# WORK: has model.rein and photo.png (model.sh); what is built is built in folders beside them.
set -euo pipefail
how=$1 build=$2 work=$3
source=$PWD
fail() { echo "error: $*" >&2; exit 1; }
rm -rf "${work:?}/$how"
mkdir -p "$work/$how"
work=$(cd "$work" && pwd)
cd "$work/$how"

installed() {
  cmake --install "$build" --prefix "$PWD/prefix" >install.log
  ! grep -rlF "$source" prefix/include prefix/lib/cmake || fail "the files above name the folder of the sources"
  cp -r "$source/docs/examples" .
  # Every header alone: tests/style. Here: is each one there that another includes, and do all of them go together?
  (cd prefix/include/rein && find . -name '*.h' | sort | sed 's/^\.\/\(.*\)$/#include "\1"/') >all.cpp
  echo 'int main() { return rein::Tensor() ? 1 : 0; }' >>all.cpp
  cat >>examples/CMakeLists.txt <<'END'
add_executable(every_header ../all.cpp)
target_link_libraries(every_header PRIVATE rein::rein)
add_executable(segment 07_c_interface/main.c)
target_link_libraries(segment PRIVATE rein::c)
END
  build_and_run examples -DCMAKE_PREFIX_PATH="$PWD/prefix"
}

subdirectory() {
  cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(guest LANGUAGES CXX)
enable_testing()
set(mine "${CMAKE_BUILD_TYPE};${CMAKE_RUNTIME_OUTPUT_DIRECTORY};${CMAKE_CXX_STANDARD};${CMAKE_CXX_FLAGS}")
add_subdirectory(${REIN_SOURCE} rein EXCLUDE_FROM_ALL)
if(NOT mine STREQUAL "${CMAKE_BUILD_TYPE};${CMAKE_RUNTIME_OUTPUT_DIRECTORY};${CMAKE_CXX_STANDARD};${CMAKE_CXX_FLAGS}")
  message(FATAL_ERROR "rein decides what its host should")
endif()
if(TARGET rein OR TARGET tests_ops)
  message(FATAL_ERROR "a guest wants the libraries, neither the program nor its tests")
endif()
add_subdirectory(${REIN_SOURCE}/docs/examples examples)
END
  # Without a build type the compiler does not optimise: quick to build, and a few steps show that all is there.
  build_and_run . -DREIN_SOURCE="$source" -DREIN_CUDA=OFF -DREIN_EXAMPLE_STEPS=3
}

build_and_run() {  # FOLDER [CMAKE ARGUMENTS]
  cmake -S "$1" -B out -G Ninja -DREIN_ASSETS="$source/assets" -DREIN_EXAMPLE_MODEL="$work/model.rein" \
    -DREIN_EXAMPLE_PHOTO="$work/photo.png" "${@:2}" >configure.log
  cmake --build out >build.log || { cat build.log; fail "the examples do not build"; }
  ctest --test-dir out --output-on-failure --no-tests=error
}

"$how"
