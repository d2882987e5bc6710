#!/usr/bin/env bash
# model.sh PROGRAM OUT: a model of two training steps as OUT/model.rein, and a photo, OUT/photo.png, for the examples.
set -euo pipefail
program=$1 out=$2
rm -rf "$out"
mkdir -p "$out"
"$program" train configs/quickstart.toml --quiet --out "$out/run" --set train.iterations=2 --set train.warmup=0 \
  --set eval.take_every=1000 >/dev/null
"$program" export "$out/run" "$out/model.rein" --quiet >/dev/null
"$program" scenes --count 1 --style night --out "$out/scenes" --quiet >/dev/null
cp "$out/scenes/images/night/000000.png" "$out/photo.png"
