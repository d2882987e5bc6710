#!/usr/bin/env bash
# Tests the tests: plants random faults in VJPs and backward kernels, one at a time, and asks whether the suite notices.
#   scripts/mutate.sh [COUNT=30] [SEED=1]
# Works on a copy under build/mutation; mutants that do not compile are thrown away and replaced. Prints the survivors and
# fails when more than two of 30 (in proportion) survive. About half a minute per mutant on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-30} seed=${2:-1}
work=build/mutation
rm -rf "$work/src" && mkdir -p "$work/src"
cp -r CMakeLists.txt CMakePresets.json scripts tensor autograd nn models data train tests configs "$work/src/"
g++ -std=c++20 -O1 -o "$work/mutate" tests/mutation/mutate.cpp

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake -S "$work/src" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" >/dev/null
targets=(tests_ops tests_autograd tests_models)
suite() {
  ninja -C "$work/build" "${targets[@]}" >"$work/build.log" 2>&1 || return 3
  local t
  for t in "${targets[@]}"; do
    (cd "$work/src" && timeout 300 "../build/$t" --abort-after=1) >"$work/$t.log" 2>&1 || return 1
  done
}
suite || { echo "the suite fails without any fault: see $work/*.log" >&2; exit 2; }

# A reproducible stream of random bytes for shuf.
bytes() { openssl enc -aes-256-ctr -pass pass:"$seed" -nosalt -pbkdf2 </dev/zero 2>/dev/null; }
mapfile -t sites < <(cd "$work/src" && ../mutate sites autograd/ops/*.cpp tensor/ops/*_cpu*.cpp | shuf --random-source=<(bytes))
echo "${#sites[@]} possible faults, trying $count with seed $seed"

tried=0 killed=0 invalid=0
for site in "${sites[@]}"; do
  [ "$tried" -ge "$count" ] && break
  IFS=$'\t' read -r file number line kind text <<<"$site"
  cp "$work/src/$file" "$work/original"
  "$work/mutate" apply "$work/src/$file" "$number" >/dev/null
  status=0; suite || status=$?
  changed=$(sed -n "${line}p" "$work/src/$file")
  cp "$work/original" "$work/src/$file"
  if [ "$status" -eq 3 ]; then invalid=$((invalid + 1)); continue; fi
  tried=$((tried + 1))
  if [ "$status" -eq 0 ]; then
    printf 'SURVIVED %s:%s %s\n   was %s\n   now %s\n' "$file" "$line" "$kind" "$text" "$changed"
  else
    killed=$((killed + 1))
    printf 'killed   %s:%s %s\n' "$file" "$line" "$kind"
  fi
done
echo "$killed of $tried killed ($invalid did not compile)"
[ "$((killed * 30))" -ge "$((tried * 28))" ]
