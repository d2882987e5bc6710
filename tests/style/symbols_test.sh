#!/usr/bin/env bash
# No two kernel files may define one symbol: a function template of the same name and signature in two of them would be
# merged by the linker, and one op would silently run the other's body. Looks at the symbols of archives; those of ours
# that are weak (merged) and come from two files of kernels are clashes.
#   symbols_test.sh COMPILER ARCHIVE...
set -euo pipefail
command -v nm >/dev/null || { echo "nm (binutils) is missing: nothing was checked" >&2; exit 1; }
compiler=$1
shift

# "symbol file" of each weak symbol in rein::ops::cpu and rein::ops::cuda, by file of kernels.
weak_symbols() {
  nm -A --defined-only "$@" 2>/dev/null |
    sed -nE 's/^.*[:/]([a-z0-9_]+_(cpu\.cpp|cuda\.cu)\.o):[0-9a-f]* [WVu] (_Z[A-Z]*K?4rein3ops(3cpu|4cuda).*)$/\3 \1/p' | sort -u
}
clashes() {
  weak_symbols "$@" | awk '{ files[$1] = files[$1] " " $2; ++count[$1] } END { for (s in count) if (count[s] > 1) print s files[s] }'
}

# The checker itself: two files as a newcomer would copy them must be found, and unnamed namespaces must not.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for op in first second; do
  for kind in bad good; do
    [ $kind = bad ] && open="" close="" || { open="namespace {"; close="}"; }
    printf 'namespace rein::ops::cpu::N_AVX2 { %s template <class T> void forward_rows(T* x) { *x = %d; } %s\nvoid %s_f32(float* x) { forward_rows(x); } }\n' \
      "$open" "${#op}" "$close" "$op" >"$work/${kind}_${op}_cpu.cpp"
    "$compiler" -std=c++20 -O0 -c "$work/${kind}_${op}_cpu.cpp" -o "$work/${kind}_${op}_cpu.cpp.o"
  done
done
[ -n "$(clashes "$work"/bad_*.o)" ] || { echo "the checker does not see a planted clash" >&2; exit 1; }
[ -z "$(clashes "$work"/good_*.o)" ] || { echo "the checker sees a clash where there is none" >&2; exit 1; }

checked=0
status=0
for archive in "$@"; do
  files=$(nm -A --defined-only "$archive" 2>/dev/null | sed -nE 's/^.*:([a-z0-9_]+_(cpu\.cpp|cuda\.cu)\.o):.*$/\1/p' | sort -u | wc -l)
  checked=$((checked + files))
  found=$(clashes "$archive")
  [ -z "$found" ] && continue
  status=1
  echo "$archive: one symbol from two files of kernels; put what they define into an unnamed namespace (tensor/README.md):"
  echo "$found" | c++filt
done
[ "$checked" -gt 20 ] || { echo "only $checked files of kernels were seen in: $*" >&2; exit 1; }
[ $status -eq 0 ] && echo "$checked files of kernels, no clash"
exit $status
