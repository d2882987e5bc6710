#!/usr/bin/env bash
# The quickstart where nothing is installed: a minimal Debian in a folder (debootstrap, about 1.5 GB when it is done), a
# fresh clone of the last commit in it, and scripts/quickstart.sh on two cores. Says how long packages, build and runs
# took and how much memory all its processes held together. Needs root, debootstrap and git; asks for nothing.
#   scripts/clean_system.sh DIR            makes DIR, leaves it there
#   scripts/clean_system.sh DIR --keep     uses the Debian that is in DIR already, with a new clone
# MIRROR names another Debian mirror, SUITE another release than the machine's own.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:?"usage: scripts/clean_system.sh DIR [--keep]"}
[ "$(id -u)" -eq 0 ] || { echo "error: needs root, for debootstrap and chroot" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "error: needs debootstrap (apt-get install debootstrap)" >&2; exit 2; }
. /etc/os-release
mirror=${MIRROR:-http://deb.debian.org/debian} suite=${SUITE:-${VERSION_CODENAME:-bookworm}}

if [ "${2:-}" != --keep ]; then
  [ ! -e "$root" ] || { echo "error: $root exists; --keep uses it" >&2; exit 2; }
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log" >&2; exit 1; }
  # The machine's own way to its mirrors.
  cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  rm -f "$root"/etc/apt/apt.conf.d/docker-*
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
for folder in /etc/ssl/certs /usr/local/share/ca-certificates; do
  if [ -d "$folder" ]; then mkdir -p "$root$folder" && cp -aL "$folder/." "$root$folder/"; fi
done
rm -rf "$root/rein.cpp"
git clone --quiet --no-hardlinks . "$root/rein.cpp"
for place in proc dev; do mountpoint -q "$root/$place" || mount --bind "/$place" "$root/$place"; done
leave() {
  kill "$watcher" 2>/dev/null || true
  for place in proc dev; do umount "$root/$place" || umount -l "$root/$place"; done
}

# Memory of all processes inside: shared pages count once (PSS), every second.
watch_memory() {
  local most=0 sum process
  while sleep 1; do
    sum=0
    for process in /proc/[0-9]*; do
      [ "$(readlink "$process/root" 2>/dev/null)" = "$(realpath "$root")" ] || continue
      sum=$((sum + $(awk '/^Pss:/ {print $2}' "$process/smaps_rollup" 2>/dev/null || echo 0)))
    done
    if [ "$sum" -gt "$most" ]; then most=$sum && echo "$most" >"$root.memory"; fi
  done
}
watch_memory &
watcher=$!
trap leave EXIT

inside() {
  taskset -c 0,1 chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin HOME=/root \
    LANG=C.UTF-8 bash "/rein.cpp/$1"
}
start=$SECONDS
inside scripts/install_packages.sh
packages=$((SECONDS - start)) start=$SECONDS
inside scripts/quickstart.sh
echo
echo "packages: $packages s; build, runs and report: $((SECONDS - start)) s on 2 cores"
echo "memory of all processes together, at most: $(($(cat "$root.memory") / 1024)) MiB"
