#!/usr/bin/env bash
# Fails when a C++ file is not as clang-format leaves it; --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(find tensor autograd nn models data train tests -name '*.h' -o -name '*.cpp' -o -name '*.cu' | sort)
if [ "${1:-}" = --fix ]; then
  clang-format -i "${files[@]}"
else
  clang-format --dry-run -Werror "${files[@]}"
fi
