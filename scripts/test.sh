#!/usr/bin/env bash
# Installs what is missing (Debian, Ubuntu), builds the release preset and runs every test.
#   scripts/test.sh              everything
#   scripts/test.sh -R ops       arguments go to ctest
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh tests

extra=("-DREIN_CUDA=${REIN_CUDA:-AUTO}" -DREIN_TESTS=ON)  # AUTO: with nvcc the CUDA backend is built and tested on an emulated device
[ "${CI:-}" = true ] && extra+=(-DREIN_WERROR=ON)
cmake --preset release "${extra[@]}"
cmake --build --preset release
# Two at a time: the emulated device runs on one core.
ctest --test-dir build/release --parallel 2 --output-on-failure --no-tests=error "$@"
