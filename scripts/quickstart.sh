#!/usr/bin/env bash
# The whole idea in minutes, with everything inside: installs what is missing
# (Debian, Ubuntu), builds the program, trains one small foundation model in
# three ways on one style of rendered streets, scores all three on styles they
# have never seen, and writes a page with curves and pictures. Stopped at any
# moment, it goes on when called again.
#   scripts/quickstart.sh           all of it
#     --quiet           only the table and the place of the page
#     --out DIR         runs and page go there (default: runs/quickstart)
#     --set KEY=VALUE   for rein train, may be repeated; with another --out
#     --config FILE     another configuration than configs/quickstart.toml
#     --program FILE    use this rein: nothing is installed or built
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

methods=(freeze full rein)
quiet=false out=runs/quickstart config=configs/quickstart.toml program="" settings=()
absolute() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }
usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' scripts/quickstart.sh; }
complain() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --quiet) quiet=true; shift ;;
    --help | -h) usage; exit 0 ;;
    --out | --config | --program | --set)
      [ $# -ge 2 ] || complain "$1 lacks its value" "scripts/quickstart.sh --help lists what is possible"
      case $1 in
        --out) out=$(absolute "$2") ;;
        --config) config=$(absolute "$2") ;;
        --program) program=$(absolute "$2") ;;
        --set) settings+=(--set "$2") ;;
      esac
      shift 2 ;;
    *) complain "unknown word \"$1\"" "scripts/quickstart.sh --help lists what is possible" ;;
  esac
done
out=${out#"$PWD"/}

say() { $quiet || printf '%s\n' "$*"; }
step() { say ""; say "[$1/6] $2"; }
seconds() { [ "$1" -lt 60 ] && echo "$1 s" || echo "$(($1 / 60)) min $(($1 % 60)) s"; }
stopped() {
  trap - INT TERM
  [ -t 1 ] && printf '\r\033[K'
  printf '\nStopped. Call scripts/quickstart.sh again to go on from here.\n' >&2
  exit 130
}
trap stopped INT TERM

# The build's output goes to a file; a terminal sees one line of it, a pipe a line now and then.
watch_build() {
  local line count all part shown=-1
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    count=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
    [ "$all" -gt 2 ] || continue  # ninja looks for new files first
    if $quiet; then
      continue
    elif [ -t 1 ]; then
      printf '\r\033[K      compiling %s of %s files, %s' "$count" "$all" "$(seconds $((SECONDS - build_start)))"
    else
      part=$((5 * count / all))
      [ "$part" -eq "$shown" ] || say "      compiled $count of $all files"
      shown=$part
    fi
  done
  if ! $quiet && [ -t 1 ]; then printf '\r\033[K'; fi
}

# Two compilers at most per core, one per GiB of free memory.
jobs_that_fit() {
  local cores memory
  cores=$(nproc 2>/dev/null || echo 2)
  memory=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo 2)
  [ "${memory:-2}" -ge 1 ] || memory=1
  [ "$cores" -le "$memory" ] && echo "$cores" || echo "$memory"
}

build() {
  local log=build/quickstart.log build_start=$SECONDS
  mkdir -p build
  # What is not needed here is not compiled: CUDA's kernels, the tests, the cases of gradcheck, verify and bench. A folder
  # that was configured keeps what it has.
  local configure=(--preset release -DREIN_CUDA=OFF -DREIN_TESTS=OFF -DREIN_CHECKS=OFF)
  [ ! -e build/release/build.ninja ] || configure=(-S . -B build/release)
  if ! cmake "${configure[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    complain "the build could not be set up" "the lines above name what is missing"
  fi
  if ! cmake --build --preset release --target rein -j "$(jobs_that_fit)" 2>&1 | tee -a "$log" | watch_build; then
    grep -m 20 -E 'error|FAILED|fatal' "$log" >&2 || tail -n 20 "$log" >&2
    complain "the build failed" "all of its output is in $log"
  fi
  say "      build/release/rein, $(seconds $((SECONDS - build_start)))"
}

# What a finished run was made from; with anything else in it, rein train says what differs.
recipe_of() {
  printf '%s ' "$1" "${settings[@]}"
  { cat "$config" assets/*.safetensors 2>/dev/null || true; } | cksum
}

train() {
  local run=$out/$1 resume=() flags=()
  if [ -e "$run/finished" ] && [ "$(cat "$run/finished")" = "$(recipe_of "$1")" ]; then
    say "      finished before, kept: $run"
    return
  fi
  [ ! -d "$run" ] || resume=(--resume)
  $quiet && flags=(--quiet)
  local how=(--set "model.method=$1" "${settings[@]}" "${resume[@]}")
  say "      \$ rein train ${config#"$PWD"/} \\"
  say "          ${how[*]} \\"
  say "          --out $run"
  "$program" train "$config" "${how[@]}" --out "$run" "${flags[@]}" >/dev/null
  recipe_of "$1" >"$run/finished.new"
  mv "$run/finished.new" "$run/finished"
}

$quiet || cat <<'TEXT'
rein.cpp: the whole idea, in a few minutes, on this machine alone
  A small vision transformer that was pretrained without labels (assets/) learns
  to segment streets of ONE style, a game's daylight. Then it meets night, fog,
  rain, snow, a truck's camera, a sketch: styles without a single label so far.
  Three ways to train it, on the same photos, for as many steps:
    freeze   the backbone stays as it is, only the head on top learns
    full     everything learns
    rein     the backbone stays as it is, a few low-rank tokens refine its
             features after each block (Wei et al., CVPR 2024), and the head
TEXT

if [ -z "$program" ]; then
  step 1 "packages: what the build needs"
  if command -v apt-get >/dev/null; then
    if $quiet; then scripts/install_packages.sh >/dev/null; else scripts/install_packages.sh | sed 's/^/      /'; fi
    say "      all there"
  else
    scripts/install_packages.sh
  fi
  step 2 "build: the program alone, on a machine with 2 cores about 6 minutes"
  build
  program=$PWD/build/release/rein
else
  [ -x "$program" ] || complain "there is no program $program" "leave --program out to build one"
  step 1 "packages: not needed with --program"
  step 2 "build: not needed with --program"
fi

mkdir -p "$out"
# One at a time: a training that outlived a killed script holds the lock, too, and what it has done is used.
if command -v flock >/dev/null; then
  exec 9>"$out/.lock"
  if ! flock -n 9; then
    say "      another quickstart is at work in $out: waiting for it to end"
    flock 9
  fi
fi

# Streets are rendered once, for all three, and before any step is timed.
export REIN_SCENES_DIR=${REIN_SCENES_DIR-$(cd "$out" && pwd)/streets}
render() {
  local flags=()
  $quiet && flags=(--quiet)
  say ""
  say "      rendering streets, once for all"
  "$program" scenes --for "$config" "${settings[@]}" "${flags[@]}" >/dev/null
}

training_start=$SECONDS number=3
if [ -n "$REIN_SCENES_DIR" ]; then render; fi
for method in "${methods[@]}"; do
  case $method in
    freeze) step $number "freeze: train the head alone" ;;
    full) step $number "full: train everything" ;;
    rein) step $number "rein: train Rein's tokens and the head" ;;
  esac
  train "$method"
  number=$((number + 1))
done

step 6 "report: curves, scores and pictures as one page"
runs=("$out/rein" "$out/freeze" "$out/full")
flags=()
$quiet && flags=(--quiet)
"$program" report "${runs[@]}" --photos 2 --out "$out/report.html" "${flags[@]}" >/dev/null
say "      all of [3] to [6] took $(seconds $((SECONDS - training_start)))"

say ""
say "Scores on styles that training has never seen, each the mean over 19 classes;"
say "more is better. * is the style of training, on other streets."
say ""
"$program" compare "$out/freeze" "$out/full" "$out/rein"
page=$(absolute "$out/report.html")
case $out in /*) ;; *) page=$PWD/$out/report.html ;; esac
say ""
$quiet && echo "$page"
$quiet || cat <<TEXT
The page with curves, scores and pictures:
  $page
The runs (configuration, metrics, checkpoints): $out/

What to try next, with rein = ${program#"$PWD"/}:
  your photos      rein predict $out/rein PHOTOS --out pictures
  another seed     scripts/quickstart.sh --out runs/seed1 --set train.seed=1
  more steps       scripts/quickstart.sh --out runs/2 --set train.iterations=600
  your weights     rein inspect FILE    (DINOv2, CLIP, MAE ...: docs/weights.md)
  your data        docs/first-steps.md   (a folder of photos and label PNGs)
  the tests        scripts/test.sh
TEXT
