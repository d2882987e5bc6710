#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: all checks and measurements of the CUDA backend, from binaries that were made
# elsewhere (cmake --preset cuda; cmake --build --preset cuda --target carry). Nothing is compiled here. A missing GPU,
# a missing tool and a skipped case are failures.
# usage: scripts/gpu_check.sh BUILD OUT [PART...]
#   BUILD  folder with rein, tests_gpu_ops and tests_gpu_train: build/cuda/carry
#   OUT    gets one log per step and summary.json with every figure; more parts may follow in later calls
#   PART   kernels golden gradients training bench compare sanitizer; default: all, about 20 minutes
# REIN_GOLDEN_DIR=FOLDER  recorded cases beside those of tests/golden
# SECONDS_IN_ALL=1200     what does not start in that time fails
# DRY_RUN=1               tries this script without a GPU: little work, on the CPU; BUILD needs rein, tests_cuda_ops and tests_cuda_train
set -uo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
build=$(realpath "$1") && mkdir -p "$2" && out=$(realpath "$2") || exit 2
shift 2
cd "$(dirname "$0")/.." || exit 2
. scripts/gpu_check_steps.sh
rein=$build/rein tests=$build/tests_gpu_ops step_tests=$build/tests_gpu_train device=cuda dry=${DRY_RUN:-}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(kernels golden gradients training bench compare sanitizer)
for part in "${parts[@]}"; do
  case $part in
    kernels | golden | gradients | training | bench | compare | sanitizer) ;;
    *) printf 'unknown part "%s"\n' "$part" >&2; exit 2 ;;
  esac
done
emulated=cpu workers=8 iterations=500 seconds=0.15 vit=l size=512 batch=4 steps=10 rounds=2 python=${PYTHON:-python3}
if [ -n "$dry" ]; then
  # What is small runs on the emulated device where there is one, the rest on the CPU.
  [ ! -x "$build/rein_emulated" ] || rein=$build/rein_emulated emulated=cuda
  tests=$build/tests_cuda_ops step_tests=$build/tests_cuda_train device=cpu workers=2 iterations=20 seconds=0.01 vit=ti size=64 batch=1 steps=1 rounds=1
fi
# Threads that spin at barriers would starve each other where several processes share the cores.
export OMP_WAIT_POLICY=passive
small_device=$device
[ -z "$dry" ] || small_device=$emulated
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
    step has_a_device 60 has_a_device.txt bash -c '"$1" --version | tee "$2" | grep -F cuda:0' _ "$rein" "$out/version.txt"
  else
    echo "dry run on the CPU" >"$out/device.csv"
    step version 60 version.txt "$rein" --version
  fi
  ldd "$rein" >"$out/libraries.txt"
}

kernels_part() {
  # The cases of all ops, f64 and f32, values and gradients, against the CPU's.
  step kernels 200 kernels.txt env ${dry:+REIN_CUDA_OPS=softmax} "$tests"
  # Late reads, uploads beside the work, and whole steps, as they are and as graphs, against the CPU's.
  step steps 120 steps.txt "$step_tests" ${dry:+-tc=*uploads*}
  [ -n "$dry" ] || step kernels_waited_for 200 kernels_waited_for.txt env REIN_CUDA_DEBUG=1 "$tests"
}

golden_part() {
  local cases=(tests/golden)
  [ -z "${REIN_GOLDEN_DIR:-}" ] || cases+=("$REIN_GOLDEN_DIR")
  local how=(verify --device "$small_device" --json)
  [ -z "$dry" ] || how+=(--kind adamw --kind cv_transforms)
  step golden 200 golden.jsonl "$rein" "${how[@]}" "${cases[@]}"
  step golden_none_skipped 10 golden_skipped.txt none_skipped "$out/golden.jsonl"
  # The same bits twice: all kernels claim it but those of REIN_KERNEL=ms_deform_attn:atomics.
  step golden_again 200 golden_again.jsonl "$rein" "${how[@]}" "${cases[@]}"
  step same_bits 10 same_bits.txt same_errors "$out/golden.jsonl" "$out/golden_again.jsonl"
}

gradients_part() {
  local names
  names=$("$rein" gradcheck --list | awk '$3 > 0 {print $1}')
  [ -z "$dry" ] || names=$'softmax\nlayer_norm'
  spread gradients 300 $workers "$rein" gradcheck {} --device "$small_device" --json <<<"$names"
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
  local head other=cuda heads=(semantic_fpn mask2former)
  [ -z "$dry" ] || other=cpu heads=(semantic_fpn)
  for head in "${heads[@]}"; do
    local folder=$out/training/$head
    rm -rf "$folder" && mkdir -p "$folder"
    # A step of Mask2Former takes a CPU half a second: a fifth of the steps are compared with it.
    local on_cpu=$iterations
    [ $head = semantic_fpn ] || on_cpu=$((iterations / 5))
    printf '%s\n' 1_cpu_f32_$on_cpu 2_${other}_f32_$iterations 3_${other}_bf16_$iterations 4_${other}_f32_${on_cpu}_graph |
      spread "training_$head" 240 4 train_one {} "$rein" "$head" "$folder" $iterations
    step "same_as_graphs_$head" 10 "same_as_graphs_$head.txt" same_losses "$folder"/2_* "$folder"/4_*
    step "curves_f32_$head" 10 "curves_f32_$head.json" same_curve "$folder"/1_* "$folder"/2_* $(bands_of $head f32)
    step "curves_bf16_$head" 10 "curves_bf16_$head.json" same_curve "$folder"/2_* "$folder"/3_* $(bands_of $head bf16)
  done
}

bench_part() {
  step bench_op 200 bench_op.jsonl "$rein" bench op ${dry:+softmax} --device "$device" --seconds $seconds --json
  [ -n "$dry" ] || step bench_levels 60 bench_levels.jsonl "$rein" bench op --levels --device cuda --json
  local how=(bench step --device "$device" --json --vit "$vit" --layer-scale)
  how+=(--batch "$batch" --height "$size" --width "$size" --steps "$steps")
  # Memory and seconds of a step as the paper trains it, and with recompute.
  step step_bf16 90 step_bf16.jsonl "$rein" "${how[@]}" --head mask2former --precision bf16
  step step_bf16_recompute 90 step_bf16_recompute.jsonl "$rein" "${how[@]}" --head mask2former --precision bf16 --recompute
  step step_f32 90 step_f32.jsonl "$rein" "${how[@]}" --head mask2former
  step step_fpn_bf16 90 step_fpn_bf16.jsonl "$rein" "${how[@]}" --head semantic_fpn --precision bf16
  step step_freeze_bf16 90 step_freeze_bf16.jsonl "$rein" "${how[@]}" --head mask2former --method freeze --precision bf16
  step step_full 90 step_full.jsonl "$rein" "${how[@]}" --head mask2former --method full
}

compare_part() {
  step compare 420 compare.txt "$python" scripts/compare/compare.py --rein "$rein" --device "$device" \
    --vit $vit --size $size --out "$out/compare.json" --rounds $rounds --steps $steps --batch $batch
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
  ops=$("$rein" gradcheck --list | awk '$2 == "op" {print $1}')
  [ -z "$dry" ] || ops=$'softmax\nlayer_norm'
  for tool in memcheck racecheck initcheck; do
    REIN_CUDA_CACHE=off REIN_CUDA_ELEMENTS=20000 spread "sanitizer_$tool" 280 $workers \
      one_op {} "${sanitizer[@]}" --tool $tool --error-exitcode 9 "$tests" --test-case='every case*' <<<"$ops"
  done
  # What the list of cases does not have: decisions of matching, edges, the levels.
  REIN_CUDA_CACHE=off step sanitizer_rest 200 sanitizer_rest.txt "${sanitizer[@]}" --tool memcheck --error-exitcode 9 \
    "$tests" --test-case-exclude='every case*,gradients*' ${dry:+--test-case='levels*'}
}

device_part
for part in "${parts[@]}"; do "${part}_part"; done
summarise
