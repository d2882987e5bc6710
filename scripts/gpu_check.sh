#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: all checks and measurements of the CUDA backend, from a build that was made elsewhere
# (cmake -DREIN_CUDA=ON; ninja rein tests_gpu_ops). Nothing is compiled here. A missing GPU is a failure, not a skip.
# usage: scripts/gpu_check.sh BUILD OUT [GOLDEN]
#   BUILD   folder with rein and tests_gpu_ops
#   OUT     gets one log per step, bench_*.jsonl, verify.jsonl, and summary.json
#   GOLDEN  folder of recorded cases (default: tests/golden)
# QUICK=1 leaves out the sanitizers and the large benches.
set -uo pipefail
if [ $# -lt 2 ]; then
  sed -n 2,10p "$0" >&2
  exit 2
fi
build=$(realpath "$1") && mkdir -p "$2" && out=$(realpath "$2") || exit 2
golden=$(realpath "${3:-$(dirname "$0")/../tests/golden}")
cd "$(dirname "$0")/.." || exit 2
rein=$build/rein tests=$build/tests_gpu_ops
failed=0 steps=""

# step NAME SECONDS FILE COMMAND...: output goes to FILE, errors to NAME.log.
step() {
  local name=$1 limit=$2 file=$3 start rc
  shift 3
  start=$(date +%s.%N)
  timeout "$limit" "$@" >"$out/$file" 2>"$out/$name.log"
  rc=$?
  local seconds
  seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
  [ $rc -eq 0 ] || failed=$((failed + 1))
  steps+="${steps:+,}"$'\n'"    {\"step\": \"$name\", \"rc\": $rc, \"seconds\": $seconds}"
  printf '%-22s %s  %7s s\n' "$name" "$([ $rc -eq 0 ] && echo ok || echo "FAILED ($rc)")" "$seconds"
  [ $rc -eq 0 ] || tail -n 5 "$out/$file" "$out/$name.log" | sed 's/^/    /'
}

missing=$(ldd "$rein" "$tests" 2>&1 | grep 'not found\|No such file' | sort -u)
if [ -n "$missing" ]; then
  printf 'cannot run the binaries of %s:\n%s\n' "$build" "$missing" >&2
  exit 2
fi

step device 60 device.csv nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv
step version 60 version.txt "$rein" --version
step has_a_device 60 device.txt grep -E 'cuda:0' "$out/version.txt"
step ops 300 ops.txt "$tests"
step verify 300 verify.jsonl "$rein" verify --device cuda --json "$golden"
step gradcheck 300 gradcheck.jsonl "$rein" gradcheck --all --device cuda --json
export REIN_CUDA_DEBUG=1
step ops_checked_launches 300 ops_debug.txt "$tests"
unset REIN_CUDA_DEBUG
# The same bits twice: kernels that claim it are all but those of REIN_KERNEL=ms_deform_attn:atomics.
step verify_again 300 verify2.jsonl "$rein" verify --device cuda --json "$golden"
errors_of() { sed 's/"seconds":[^,}]*//' "$1"; }
same_twice() { diff <(errors_of "$out/verify.jsonl") <(errors_of "$out/verify2.jsonl"); }
export -f errors_of same_twice
export out
step same_bits 60 same_bits.txt bash -c same_twice

step bench_op 240 bench_op.jsonl "$rein" bench op --device cuda --json
for head in semantic_fpn mask2former; do
  step "bench_ti_$head" 120 "bench_step_ti_$head.jsonl" \
    "$rein" bench step --device cuda --json --vit ti --head $head --batch 4
done

if [ -z "${QUICK:-}" ]; then
  for method in freeze rein full; do
    step "bench_l_$method" 180 "bench_step_l_$method.jsonl" \
      "$rein" bench step --device cuda --json --vit l --layer-scale --head mask2former --method $method --batch 4
  done
  step bench_l_recompute 180 bench_step_l_recompute.jsonl \
    "$rein" bench step --device cuda --json --vit l --layer-scale --head mask2former --batch 4 --recompute
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck; do
      step "sanitizer_$tool" 300 "sanitizer_$tool.txt" compute-sanitizer --tool $tool --error-exitcode 9 "$tests"
    done
  else
    step sanitizer 1 sanitizer.txt sh -c 'echo "compute-sanitizer is not on PATH" >&2; exit 1'
  fi
fi

cat >"$out/summary.json" <<END
{
  "date": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "device": "$(tail -n 1 "$out/device.csv" | tr -d '"')",
  "failed": $failed,
  "steps": [$steps
  ]
}
END
echo "$failed failed; $out/summary.json"
[ $failed -eq 0 ]
