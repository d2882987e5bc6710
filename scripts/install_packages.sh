#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that rein.cpp needs and that are not there yet. Elsewhere it prints their names.
#   scripts/install_packages.sh          what the program needs
#   scripts/install_packages.sh tests    and what the tests need
set -euo pipefail
packages=(g++ cmake ninja-build pkg-config libeigen3-dev libhwy-dev libpng-dev libjpeg-dev libwebp-dev
          libtiff-dev libstb-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev)
[ "${1:-}" = tests ] && packages+=(doctest-dev clang-format git)

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian or Ubuntu. Install the equivalents of: ${packages[*]}"
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: needs root to install ${missing[*]}" >&2; exit 2; }
  sudo=sudo
fi
# An installation that was stopped halfway is finished first; one that is still at work is waited for.
[ -z "$(dpkg --audit)" ] || $sudo dpkg --configure -a
wait_for_lock=(-o DPkg::Lock::Timeout=600)
$sudo apt-get "${wait_for_lock[@]}" update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get "${wait_for_lock[@]}" install -y -qq --no-install-recommends "${missing[@]}"
