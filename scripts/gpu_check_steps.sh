# shellcheck shell=bash disable=SC2154
# What scripts/gpu_check.sh is made of; it sets out, build and dry. Sourced, not run.
limit_in_all=${SECONDS_IN_ALL:-1200}

# step NAME SECONDS FILE COMMAND...: output goes to FILE, errors to NAME.log; one line here and one in steps.jsonl.
step() {
  local name=$1 limit=$2 file=$3 start rc seconds
  shift 3
  start=$(date +%s.%N)
  if [ "$SECONDS" -ge "$limit_in_all" ]; then
    echo "not started: $limit_in_all s are over" >"$out/$name.log"
    : >"$out/$file"
    rc=124
  elif [ "$(type -t "$1")" = function ]; then
    timeout "$limit" bash -c '"$@"' _ "$@" >"$out/$file" 2>"$out/$name.log"
    rc=$?
  else
    timeout "$limit" "$@" >"$out/$file" 2>"$out/$name.log"
    rc=$?
  fi
  seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
  # A step that is run again replaces what it said before.
  touch "$out/steps.jsonl"
  grep -vF "{\"step\": \"$name\"," "$out/steps.jsonl" >"$out/steps.new"
  printf '{"step": "%s", "rc": %d, "seconds": %s}\n' "$name" $rc "$seconds" >>"$out/steps.new"
  mv "$out/steps.new" "$out/steps.jsonl"
  printf '%-24s %s  %7s s\n' "$name" "$([ $rc -eq 0 ] && echo ok || echo "FAILED ($rc)")" "$seconds"
  if [ $rc -ne 0 ]; then
    { grep -h -m 8 -iE 'fail|error|not ok' "$out/$file"; tail -n 6 "$out/$file" "$out/$name.log"; } 2>/dev/null |
      cut -c1-300 | sed 's/^/    /'
  fi
  return $rc
}

# spread NAME SECONDS WORKERS COMMAND...: for each line of input the command with {} replaced by it, WORKERS at a time;
# output of each to NAME/LINE.txt.
spread() {
  local name=$1 limit=$2 workers=$3
  shift 3
  rm -rf "${out:?}/$name" && mkdir -p "$out/$name"
  cat >"$out/$name/jobs"
  REIN_THREADS=2 step "$name" "$limit" "$name.txt" run_jobs "$out/$name" "$limit" "$workers" "$@"
}
run_jobs() {
  local folder=$1 limit=$2 workers=$3
  shift 3
  [ -s "$folder/jobs" ] || { echo "no jobs" >&2; return 1; }
  xargs -a "$folder/jobs" -P "$workers" -I LINE bash -c 'run_job "$@"' _ LINE "$folder" "$limit" "$@"
}
run_job() {
  local job=$1 folder=$2 limit=$3 start=$SECONDS rc
  shift 3
  if [ "$(type -t "$1")" = function ]; then
    "${@//\{\}/$job}" >"$folder/$job.txt" 2>&1
  else
    timeout "$limit" "${@//\{\}/$job}" >"$folder/$job.txt" 2>&1
  fi
  rc=$?
  printf '%-8s %-28s %4d s\n' "$([ $rc -eq 0 ] && echo ok || echo "FAILED $rc")" "$job" $((SECONDS - start))
  if [ $rc -ne 0 ]; then { grep -m 4 -E 'ERROR|FAILED|========= [A-Z]' "$folder/$job.txt"; tail -n 3 "$folder/$job.txt"; } | cut -c1-240; fi
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

# train_one JOB PROGRAM HEAD FOLDER STEPS: JOB is NUMBER_DEVICE_PRECISION_STEPS[_graph]; the learning rate is that of a run of STEPS.
train_one() {
  local job=$1 program=$2 head=$3 folder=$4 steps=$5 device precision own graph
  IFS=_ read -r _ device precision own graph <<<"$job"
  "$program" train configs/quickstart.toml --out "$folder/$job" --device "$device" --threads 6 --quiet \
    --set "model.head=$head" --set "model.precision=$precision" \
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
without_sanitizer() {  # --tool NAME --error-exitcode N COMMAND...
  shift 4
  "$@"
}

# The lines of a file of JSON objects as the elements of an array.
elements_of() { grep -h '^{' "$@" 2>/dev/null | sed '$!s/$/,/'; }
summarise() {
  local failed
  failed=$(grep -vc '"rc": 0,' "$out/steps.jsonl")
  {
    printf '{\n"date": "%s",\n"device": "%s",\n"failed": %d,\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
      "$(head -n 1 "$out/device.csv" | tr -d '"\\')" "$failed"
    printf '"version": "%s",\n' "$(tr -d '"\\' <"$out/version.txt" | tr '\n' ';')"
    printf '"steps": [\n%s\n],\n' "$(elements_of "$out/steps.jsonl")"
    printf '"curves": [\n%s\n],\n' "$(elements_of "$out"/curves_*.json)"
    printf '"bench_op": [\n%s\n],\n' "$(elements_of "$out/bench_op.jsonl")"
    printf '"bench_levels": [\n%s\n],\n' "$(elements_of "$out/bench_levels.jsonl")"
    printf '"bench_step": [\n%s\n],\n' "$(elements_of "$out"/step_*.jsonl)"
    printf '"compare": %s\n}\n' "$(cat "$out/compare.json" 2>/dev/null || echo null)"
  } >"$out/summary.json"
  cat "$out/compare.txt" 2>/dev/null
  echo "$failed of $(wc -l <"$out/steps.jsonl") steps failed; $out/summary.json"
  [ "$failed" -eq 0 ]
}
export -f run_jobs run_job none_skipped same_errors without_times train_one same_curve same_losses losses_of one_op without_sanitizer
