#!/usr/bin/env bash
# Every header that may be included compiles alone: nothing before it, no precompiled header.
#   headers_test.sh COMPILER [FLAGS...]      from the root of the sources
# Left out by rule: *-inl.h, which Highway includes once per instruction set; the signatures of an op's kernels
# (*_kernels.h, *_cpu.h, *_cuda.h), which the op's own files include alone; and headers with device code (__device__
# outside of a macro, their own or included), which need nvcc or the emulation.
set -euo pipefail
mapfile -t headers < <(find tensor autograd nn models data train -name '*.h' ! -name '*-inl.h' ! -path '*/emulated/*' \
  ! -path 'tensor/ops/*_kernels.h' ! -path 'tensor/ops/*_cpu.h' ! -path 'tensor/ops/*_cuda.h' | sort)

# The closure of "has device code" over includes.
device=$(grep -lE '^[^#]*__(device|global)__' "${headers[@]}" || true)
while :; do
  more=$(grep -lF "$(sed 's/.*/#include "&"/' <<<"$device")" "${headers[@]}" || true)
  all=$(printf '%s\n%s\n' "$device" "$more" | sort -u)
  [ "$all" = "$device" ] && break
  device=$all
done
mapfile -t plain < <(printf '%s\n' "${headers[@]}" | grep -vxF "$device")

# What another one includes before all else is compiled alone with it.
first=$(awk 'FNR == 1 {seen = 0} /^#include/ && !seen {seen = 1; if (gsub(/"/, "", $2)) print $2}' "${plain[@]}")
mapfile -t alone < <(printf '%s\n' "${plain[@]}" | grep -vxF "$first")
echo "${#plain[@]} headers by ${#alone[@]} compilations; $(grep -c . <<<"$device") with device code left out"
[ "${#alone[@]}" -gt 100 ]

one() {
  local header=$1
  shift
  printf '#include "%s"\n' "$header" | "$@" -fsyntax-only -x c++ - || { echo "$header does not compile alone" >&2; exit 1; }
}
export -f one
printf '%s\n' "${alone[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'one "$@"' one '{}' "$@"
