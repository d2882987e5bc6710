#!/usr/bin/env bash
# Tests the tests: plants random faults in VJPs and backward kernels, one at a time, and asks whether the suite notices.
#   scripts/mutate.sh [COUNT=30] [SEED=1]
# Works on a copy under build/mutation (or, with REIN_MUTATION_SOURCE, on that checkout and its build/release, which it
# leaves as they were). Mutants that do not compile are thrown away and replaced. Prints the survivors, and fails when
# fewer than 28 of 30 (in proportion) are killed. About half a minute per mutant.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-30} seed=${2:-1}
work=$PWD/build/mutation
mkdir -p "$work"
g++ -std=c++20 -O1 -o "$work/mutate" tests/mutation/mutate.cpp
source=${REIN_MUTATION_SOURCE:-}
if [ -z "$source" ]; then
  source=$work/src
  rm -rf "$source" && mkdir -p "$source"
  cp -r CMakeLists.txt CMakePresets.json scripts tensor autograd nn models data train tests configs "$source/"
fi
cd "$source"
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake --preset release "${launcher[@]}" >/dev/null

# The quick programs first; a survivor of one goes on to the next. 0: nobody noticed, 1: killed, 3: does not compile.
programs=(tests_ops tests_autograd tests_models)
suite() {
  local program
  ninja -C build/release rein_op_cases rein_train >"$work/build.log" 2>&1 || return 3
  for program in "${programs[@]}"; do
    ninja -C build/release "$program" >"$work/build.log" 2>&1 || return 3
    timeout 300 "build/release/$program" --abort-after=1 >"$work/$program.log" 2>&1 || return 1
  done
}
suite || { echo "the suite fails without any fault: see $work" >&2; exit 2; }

# A reproducible stream of random bytes for shuf.
bytes() { openssl enc -aes-256-ctr -pass pass:"$seed" -nosalt -pbkdf2 </dev/zero 2>/dev/null; }
mapfile -t sites < <("$work/mutate" sites autograd/ops/*/*.cpp tensor/ops/*/*_cpu*.cpp tensor/ops/*/*_kernels-inl.h |
  shuf --random-source=<(bytes))
echo "${#sites[@]} possible faults, trying $count with seed $seed"

tried=0 killed=0 invalid=0
for site in "${sites[@]}"; do
  [ "$tried" -ge "$count" ] && break
  IFS=$'\t' read -r file number line kind text <<<"$site"
  cp -p "$file" "$work/original"
  "$work/mutate" apply "$file" "$number" >/dev/null
  status=0; suite || status=$?
  changed=$(sed -n "${line}p" "$file")
  cp "$work/original" "$file"
  if [ "$status" -eq 3 ]; then invalid=$((invalid + 1)); continue; fi
  tried=$((tried + 1))
  if [ "$status" -eq 0 ]; then
    printf 'SURVIVED %s:%s %s\n   was %s\n   now %s\n' "$file" "$line" "$kind" "$text" "$changed"
  else
    killed=$((killed + 1))
    printf 'killed   %s:%s %s\n' "$file" "$line" "$kind"
  fi
done
ninja -C build/release >"$work/build.log" 2>&1 || true
echo "$killed of $tried killed ($invalid did not compile)"
[ "$((killed * 30))" -ge "$((tried * 28))" ]
