#!/usr/bin/env bash
# Runs the ```sh blocks of README.md as a newcomer would, top to bottom, each in a shell of its own. The block that runs
# scripts/test.sh is this test's own caller and is not entered again; scripts/quickstart.sh has a test of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
block="" inside=false ran=0
while IFS= read -r line; do
  if [ "$line" = '```sh' ]; then inside=true block=""; continue; fi
  if [ "$line" = '```' ] && $inside; then
    inside=false
    if grep -qE '^scripts/(test|quickstart).sh' <<<"$block"; then
      test -x "${block%%[[:space:]]*}"
    else
      echo "README block:"; sed 's/^/  $ /' <<<"${block%$'\n'}"
      bash -euo pipefail -c "$block" </dev/null
      ran=$((ran + 1))
    fi
  elif $inside; then
    block+="$line"$'\n'
  fi
done <README.md
[ "$ran" -ge 2 ] || { echo "README has only $ran blocks to run" >&2; exit 1; }
echo "$ran README blocks ran"
