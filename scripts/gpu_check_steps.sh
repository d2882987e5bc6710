# shellcheck shell=bash disable=SC2154
# What scripts/gpu_check.sh is made of; it sets build, out, results and dry. Sourced, not run.
limit_in_all=${SECONDS_IN_ALL:-540}

# step NAME SECONDS FILE COMMAND...: output goes to FILE, errors to NAME.log; one line here and one in steps/NAME.json.
step() {
  local name=$1 limit=$2 file=$3 left=$((limit_in_all - SECONDS)) begun start=$EPOCHREALTIME rc=124 seconds
  shift 3
  begun=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
  [ "$limit" -le $left ] || limit=$((left > 0 ? left : 0))
  [ "$(type -t "$1")" != function ] || set -- bash -c '"$@"' _ "$@"
  if [ "$limit" -gt 0 ]; then
    timeout -k 5 "$limit" "$@" >"$out/$file" 2>"$out/$name.log"
    rc=$?
  else
    echo "not started: $limit_in_all s are over" >"$out/$name.log"
    : >"$out/$file"
  fi
  seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
  printf '{"begun": "%s", "step": "%s", "rc": %d, "seconds": %s, "limit": %d}\n' \
    "$begun" "$name" $rc "$seconds" "$limit" >"$out/steps/$name.json"
  printf '%-24s %s  %7s s\n' "$name" "$([ $rc -eq 0 ] && echo ok || echo "FAILED ($rc)")" "$seconds"
  if [ "$limit" -gt 0 ] && [ $rc -ne 0 ]; then
    { grep -h -m 8 -iE 'fail|error|not ok' "$out/$file"; tail -n 6 "$out/$file" "$out/$name.log"; } 2>/dev/null |
      cut -c1-300 | sed 's/^/    /'
  fi
  return $rc
}

# spread NAME SECONDS WORKERS COMMAND...: for each line of input the command with {} replaced by it, WORKERS at a time;
# output of each to NAME/LINE.txt. The step's limit ends them all; what failed and what it ended is named.
spread() {
  local name=$1 limit=$2 workers=$3 rc
  shift 3
  rm -rf "${out:?}/$name" && mkdir -p "$out/$name"
  cat >"$out/$name/jobs"
  REIN_THREADS=2 step "$name" "$limit" "$name.txt" run_jobs "$out/$name" "$workers" "$@" && return
  rc=$?
  {
    sed -n 's/^FAILED [0-9]* *\([^ ]*\) *[0-9]* s$/\1/p' "$out/$name.txt" | paste -sd ' ' | sed -n 's/^./failed: &/p'
    grep -vxF -f <(awk 'NF > 2 { print $(NF - 2) }' "$out/$name.txt") "$out/$name/jobs" | paste -sd ' ' | sed -n 's/^./did not end: &/p'
  } | tee "$out/$name/failed" | sed 's/^/    /'
  return $rc
}
run_jobs() {
  local folder=$1 workers=$2
  shift 2
  [ -s "$folder/jobs" ] || { echo "no jobs" >&2; return 1; }
  xargs -a "$folder/jobs" -P "$workers" -I LINE bash -c 'run_job "$@"' _ LINE "$folder" "$@"
}
run_job() {
  local job=$1 folder=$2 start=$SECONDS rc
  shift 2
  "${@//\{\}/$job}" >"$folder/$job.txt" 2>&1
  rc=$?
  printf '%-8s %-28s %4d s\n' "$([ $rc -eq 0 ] && echo ok || echo "FAILED $rc")" "$job" $((SECONDS - start))
  if [ $rc -ne 0 ]; then
    { grep -m 4 -E 'ERROR|FAILED|"ok":false|========= [A-Z]' "$folder/$job.txt"; tail -n 3 "$folder/$job.txt"; } | cut -c1-240
  fi
  return $rc
}

# The toolkit's cuBLASLt, or the one that comes with PyTorch, unless the linker finds one already.
find_cublas() {
  ldd "$1" 2>/dev/null | grep -q 'libcublasLt.*not found' || return 0
  local name place
  name=$(ldd "$1" | awk '/libcublasLt/ {print $1}')
  for place in /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib /usr/local/cuda*/lib /usr/lib/x86_64-linux-gnu \
    $("${PYTHON:-python3}" -c 'import site, sys; print(*[p + "/nvidia/" + d + "/lib" for p in
site.getsitepackages() + sys.path if p.endswith("-packages") for d in ("cu13", "cublas")])' 2>/dev/null); do
    if [ -e "$place/$name" ]; then
      export LD_LIBRARY_PATH=$place${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
      return 0
    fi
  done
}

none_skipped() {
  grep -c '"status":"passed"' "$1" && ! grep -E '"status":"(skipped|failed)"' "$1"
}
same_errors() { diff <(without_times "$1") <(without_times "$2"); }
without_times() { sed 's/"seconds":[^,}]*//' "$1"; }

# train_one JOB PROGRAM FOLDER STEPS: JOB is HEAD-NUMBER_DEVICE_PRECISION_STEPS[_graph]; the learning rate is that of a
# run of STEPS.
train_one() {
  local job=$1 program=$2 folder=$3 steps=$4 device precision own graph
  IFS=_ read -r _ device precision own graph <<<"${job#*-}"
  "$program" train configs/quickstart.toml --out "$folder/$job" --device "$device" --threads 6 --quiet \
    --set "model.head=${job%%-*}" --set "model.precision=$precision" \
    --set "train.iterations=$own" --set "train.zero_at=$steps" ${graph:+--set train.cuda_graph=true} \
    --set data.workers=3 --set eval.take_every=200 --set train.checkpoint_every=100000
}

# same_curve RUN RUN FIRST BAND: the losses of two runs. The first ten must agree to FIRST of their value; later on rounding
# grows with every step, so the means of 50 steps (of a tenth of the run, if that is less) must agree to BAND.
same_curve() {
  local a=$1 b=$2
  paste <(losses_of "$a") <(losses_of "$b") | awk -v first="$3" -v band="$4" '
    NF < 4 { next }  # the other run is shorter
    $1 != $3 { bad = 1 }
    { d = ($2 - $4) / $2; if (d < 0) d = -d; steps++; x[steps] = $2; y[steps] = $4 }
    steps <= 10 && d > start { start = d }
    { all += d }
    END {
      width = steps >= 500 ? 50 : int(steps / 10); if (width < 1) width = 1
      for (i = 1; i + width - 1 <= steps; i += width) {
        sx = 0; sy = 0
        for (k = i; k < i + width; k++) { sx += x[k]; sy += y[k] }
        d = (sx - sy) / sx; if (d < 0) d = -d
        if (d > worst) worst = d
      }
      printf "{\"steps\": %d, \"first_10\": %.3g, \"mean\": %.3g, \"windows_of\": %d, \"worst_window\": %.3g, ", \
        steps, start, steps ? all / steps : 0, width, worst
      printf "\"limits\": [%s, %s], \"last_losses\": [%.5g, %.5g]}\n", first, band, x[steps], y[steps]
      exit !(steps >= 10 && !bad && start <= first && worst <= band)
    }'
}
# The second run, which may be shorter, has the losses of the first, digit for digit.
same_losses() {
  local length
  length=$(losses_of "$2" | wc -l)
  [ "$length" -ge 10 ] && diff <(losses_of "$1" | head -n "$length") <(losses_of "$2")
}
losses_of() { sed -n 's/^{"step":\([0-9]*\),"loss":\([-0-9.e+]*\),.*/\1 \2/p' "$1/metrics.jsonl"; }

one_op() {
  local op=$1
  shift
  REIN_CUDA_OPS=$op "$@"
}
without_sanitizer() {  # --OPTION VALUE... COMMAND...
  while [[ $1 == --* ]]; do shift 2; done
  "$@"
}
# A check that fails for its numbers ends with 1.
at_most_1() {
  local rc=0
  "$@" || rc=$?
  [ $rc -eq 1 ] || return $rc
}

# The lines of files of JSON objects as the elements of an array; a line that was cut off is left out.
elements_of() { grep -h '^{.*}$' "$@" 2>/dev/null | sed '$!s/$/,/'; }
text_of() { tr -d '"\\' <"$1" | tr '\n' ';'; }
# summary.json and all.tar.gz, written anew after each part, so that a call that is killed has kept the parts before.
keep_results() {
  local failed
  sort "$out"/steps/*.json >"$out/steps.jsonl"
  failed=$(grep -vc '"rc": 0,' "$out/steps.jsonl")
  {
    printf '{\n"date": "%s",\n"device": "%s",\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(text_of "$out/device.csv")"
    printf '"version": "%s",\n"failed": %d,\n' "$(text_of "$out/version.txt")" "$failed"
    printf '"steps": [\n%s\n],\n' "$(elements_of "$out/steps.jsonl")"
    printf '"curves": [\n%s\n],\n' "$(elements_of "$out"/curves_*.json)"
    printf '"bench_op": [\n%s\n],\n' "$(elements_of "$out/bench_op.jsonl")"
    printf '"bench_levels": [\n%s\n],\n' "$(elements_of "$out/bench_levels.jsonl")"
    printf '"bench_step": [\n%s\n],\n' "$(elements_of "$out"/step_*.jsonl)"
    printf '"compare": %s\n}\n' "$(cat "$out/compare.json" 2>/dev/null || echo null)"
  } >"$results/summary.new" && mv "$results/summary.new" "$results/summary.json"
  tar -C "$out" --warning=no-file-changed --exclude='./all.*' --exclude='*.safetensors' -czf "$results/all.new" .
  mv "$results/all.new" "$results/all.tar.gz"
  echo "$failed of $(wc -l <"$out/steps.jsonl") steps failed; $results/summary.json"
  [ "$failed" -eq 0 ]
}
export -f run_jobs run_job none_skipped same_errors without_times train_one same_curve same_losses losses_of
export -f one_op without_sanitizer at_most_1
