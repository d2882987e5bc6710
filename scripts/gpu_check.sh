#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: all checks and measurements of the CUDA backend, from binaries that were made
# elsewhere (cmake --preset cuda; cmake --build --preset cuda --target carry). Nothing is compiled here. A missing GPU,
# a missing tool and a skipped case are failures.
# usage: scripts/gpu_check.sh BUILD OUT [PART...]
#   BUILD  folder with rein, tests_gpu_ops and tests_gpu_train: build/cuda/carry
#   OUT    gets one log per step and, after each part, summary.json with every figure so far and all.tar.gz with all of
#          OUT but trained weights
#   PART   kernels golden gradients bench compare sanitizer training, in this order of importance; default: all.
#          `summary` alone makes the summary of an OUT that archives of several calls were unpacked into
# RESULTS=FOLDER          gets summary.json and all.tar.gz instead, nothing else: where only a few files come back
# SECONDS_IN_ALL=540      a step gets what is left of them at most, and fails when nothing is; each part fits into 540
# REIN_GOLDEN_DIR=FOLDER  recorded cases beside those of tests/golden
# DRY_RUN=1               tries this script without a GPU: little work, on the emulated device, and the host's side of
#                         all gradients and benchmarks; BUILD needs rein_emulated, tests_cuda_ops and tests_cuda_train
# A quarter of an hour of a GPU, in three calls:
#   SECONDS_IN_ALL=330 RESULTS=results scripts/gpu_check.sh build/cuda/carry /tmp/gpu kernels golden gradients
#   SECONDS_IN_ALL=330 RESULTS=results scripts/gpu_check.sh build/cuda/carry /tmp/gpu bench compare
#   SECONDS_IN_ALL=180 RESULTS=results scripts/gpu_check.sh build/cuda/carry /tmp/gpu sanitizer training
# The third takes what the others left of 840: one that ends early leaves more. In two calls: the first as it is, and
# the other two as one with 510.
set -uo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
build=$(realpath "$1") && mkdir -p "$2" && out=$(realpath "$2") || exit 2
mkdir -p "$out/steps" "${RESULTS:=$out}" && results=$(realpath "$RESULTS") || exit 2
shift 2
cd "$(dirname "$0")/.." || exit 2
. scripts/gpu_check_steps.sh
all_parts=(kernels golden gradients bench compare sanitizer training)
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=("${all_parts[@]}")
for part in "${parts[@]}"; do
  [[ " ${all_parts[*]} summary " == *" $part "* ]] || { printf 'unknown part "%s"\n' "$part" >&2; exit 2; }
done
if [ "${parts[*]}" = summary ]; then
  keep_results
  exit
fi
rein=$build/rein tests=$build/tests_gpu_ops step_tests=$build/tests_gpu_train dry=${DRY_RUN:-} python=${PYTHON:-python3}
other=cuda workers=8 iterations=500 seconds=0.15 vit=l size=512 batch=4 steps=10 rounds=2
if [ -n "$dry" ]; then
  rein=$build/rein_emulated tests=$build/tests_cuda_ops step_tests=$build/tests_cuda_train
  other=cpu workers=2 iterations=20 seconds=0.01 vit=ti size=64 batch=1 steps=1 rounds=1
fi
# Threads that spin at barriers would starve each other where several processes share the cores.
export OMP_WAIT_POLICY=passive
command -v compute-sanitizer >/dev/null || PATH=$PATH:/usr/local/cuda/bin
find_cublas "$rein"
missing=$(ldd "$rein" "$tests" "$step_tests" 2>&1 | grep 'not found\|No such file' | sort -u)
if [ -n "$missing" ]; then
  printf 'cannot run the binaries of %s:\n%s\n' "$build" "$missing" >&2
  exit 2
fi

device_part() {
  if [ -z "$dry" ]; then
    step device 60 device.csv nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
  else
    echo "dry run, emulated device" >"$out/device.csv"
  fi
  step has_a_device 60 has_a_device.txt bash -c '"$1" --version | tee "$2" | grep -F cuda:0' _ "$rein" "$out/version.txt"
  ldd "$rein" >"$out/libraries.txt"
}

kernels_part() {
  local few=softmax,layer_norm,attention
  # The cases of all ops, f64 and f32, values and gradients, against the CPU's.
  step kernels 100 kernels.txt env ${dry:+REIN_CUDA_OPS=softmax} "$tests" || few=
  # Late reads, uploads beside the work, and whole steps, as they are and as graphs, against the CPU's.
  step steps 60 steps.txt "$step_tests" ${dry:+-tc=*uploads*}
  # Waiting for each kernel, which names the one that fails: after a failure all cases, else a few.
  [ -n "$dry" ] || step kernels_waited_for 60 kernels_waited_for.txt \
    env REIN_CUDA_DEBUG=1 ${few:+REIN_CUDA_OPS=$few} "$tests"
}

golden_part() {
  local cases=(tests/golden) how=(verify --device cuda --json)
  [ -z "${REIN_GOLDEN_DIR:-}" ] || cases+=("$REIN_GOLDEN_DIR")
  [ -z "$dry" ] || how+=(--kind adamw --kind cv_transforms)
  step golden 60 golden.jsonl "$rein" "${how[@]}" "${cases[@]}"
  step golden_none_skipped 5 golden_skipped.txt none_skipped "$out/golden.jsonl"
  # The same bits twice: all kernels claim it but those of REIN_KERNEL=ms_deform_attn:atomics.
  step golden_again 60 golden_again.jsonl "$rein" "${how[@]}" "${cases[@]}"
  step same_bits 5 same_bits.txt same_errors "$out/golden.jsonl" "$out/golden_again.jsonl"
}

gradients_part() {
  # Models and modules take longest: they come first.
  local names
  names=$("$rein" gradcheck --list | awk '$3 > 0 {print $2, $1}' | sort -s -k 1,1 | cut -d ' ' -f 2)
  if [ -n "$dry" ]; then
    REIN_EMULATED_KERNELS=off spread gradients_host 300 $workers at_most_1 "$rein" gradcheck {} --device cuda <<<"$names"
    names=$'softmax\nlayer_norm'
  fi
  spread gradients 200 $workers "$rein" gradcheck {} --device cuda --json <<<"$names"
}

bench_part() {
  # Without a GPU the host's side alone: kernels are given, but not run.
  [ -z "$dry" ] || local -x REIN_EMULATED_KERNELS=off
  step bench_op 150 bench_op.jsonl "$rein" bench op --device cuda --seconds $seconds --json
  local how=(bench step --device cuda --json --vit "$vit" --layer-scale)
  how+=(--batch "$batch" --height "$size" --width "$size" --steps "$steps")
  # Memory and seconds of a step as the paper trains it, and with recompute.
  step step_bf16 50 step_bf16.jsonl "$rein" "${how[@]}" --head mask2former --precision bf16
  step step_bf16_recompute 50 step_bf16_recompute.jsonl "$rein" "${how[@]}" --head mask2former --precision bf16 --recompute
  step step_f32 50 step_f32.jsonl "$rein" "${how[@]}" --head mask2former
  step step_fpn_bf16 50 step_fpn_bf16.jsonl "$rein" "${how[@]}" --head semantic_fpn --precision bf16
  step step_freeze_bf16 50 step_freeze_bf16.jsonl "$rein" "${how[@]}" --head mask2former --method freeze --precision bf16
  step step_full 50 step_full.jsonl "$rein" "${how[@]}" --head mask2former --method full
  step bench_levels 30 bench_levels.jsonl "$rein" bench op --levels --device cuda --json
}

compare_part() {
  local device=cuda
  if [ -n "$dry" ]; then
    device=cpu
    "$python" -c 'import torch' 2>/dev/null || { echo "compare: no PyTorch here, not tried"; return; }
  fi
  rm -f "$out/compare.json"
  step compare 300 compare.txt "$python" -u scripts/compare/compare.py --rein "$rein" --device $device \
    --vit $vit --size $size --out "$out/compare.json" --rounds $rounds --steps $steps --batch $batch
  cat "$out/compare.txt"
}

# Every block of memory is the device's own here, not a part of a larger one, so that a step beyond its end is seen.
sanitizer_part() {
  local tool ops sanitizer=(compute-sanitizer)
  if [ -n "$dry" ]; then
    sanitizer=(without_sanitizer)
  elif ! command -v compute-sanitizer >/dev/null; then
    step sanitizer 1 sanitizer.txt bash -c 'echo "compute-sanitizer is not on PATH" >&2; exit 1'
    return
  fi
  # An event that has not come yet is an answer of CUDA's, which memcheck would call an error.
  local memcheck=(--tool memcheck --report-api-errors no)
  ops=$("$rein" gradcheck --list | awk '$2 == "op" {print $1}')
  [ -z "$dry" ] || ops=$'softmax\nlayer_norm'
  local -x REIN_CUDA_CACHE=off
  for tool in memcheck racecheck initcheck; do
    local how=(--tool "$tool")
    [ $tool != memcheck ] || how=("${memcheck[@]}")
    REIN_CUDA_ELEMENTS=20000 spread "sanitizer_$tool" 130 $workers \
      one_op {} "${sanitizer[@]}" "${how[@]}" --error-exitcode 9 "$tests" --test-case='every case*' <<<"$ops"
  done
  # What the list of cases does not have: decisions of matching, edges, the levels.
  step sanitizer_rest 90 sanitizer_rest.txt "${sanitizer[@]}" "${memcheck[@]}" --error-exitcode 9 \
    "$tests" --test-case-exclude='every case*,gradients*' ${dry:+--test-case='levels*'}
}

# What losses may differ by: the first ten, and means of 50 steps. docs/measurements/README.md says where this comes from.
bands_of() {
  case $1_$2 in
    semantic_fpn_f32) echo 1e-5 0.01 ;;
    semantic_fpn_bf16) echo 0.01 0.03 ;;
    mask2former_f32) echo 1e-3 0.02 ;;
    mask2former_bf16) echo 0.03 0.05 ;;
  esac
}

# The quickstart's recipe: everything it needs is in the repository. The run's own scores are few photos, for speed.
training_part() {
  local head jobs=() heads=(mask2former semantic_fpn)
  [ -z "$dry" ] || heads=(semantic_fpn)
  for head in "${heads[@]}"; do
    # A step of Mask2Former takes a CPU half a second: a fifth of the steps are compared with it.
    local on_cpu=$iterations
    [ $head = semantic_fpn ] || on_cpu=$((iterations / 5))
    jobs+=("$head-1_cpu_f32_$on_cpu" "$head-2_${other}_f32_$iterations")
    jobs+=("$head-3_${other}_bf16_$iterations" "$head-4_${other}_f32_${on_cpu}_graph")
  done
  rm -rf "$out/runs" && mkdir -p "$out/runs"
  printf '%s\n' "${jobs[@]}" | spread training 400 8 train_one {} "$rein" "$out/runs" $iterations
  for head in "${heads[@]}"; do
    local run=$out/runs/$head
    step "same_as_graphs_$head" 10 "same_as_graphs_$head.txt" same_losses "$run"-2_* "$run"-4_*
    step "curves_f32_$head" 10 "curves_f32_$head.json" same_curve "$run"-1_* "$run"-2_* $(bands_of $head f32)
    step "curves_bf16_$head" 10 "curves_bf16_$head.json" same_curve "$run"-2_* "$run"-3_* $(bands_of $head bf16)
  done
}

device_part
for part in "${parts[@]}"; do
  [ "$part" = summary ] || "${part}_part"
  keep_results
done
