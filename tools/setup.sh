#!/usr/bin/env bash
# Installs what the build and the tests need from the distribution's packages, if it is missing; for the tests also fetches
# Ray's own store and client.
# Usage: tools/setup.sh [demo|test]   (default: test)
set -euo pipefail

case "${1:-test}" in
  demo) packages=(g++ binutils) ;;
  test) packages=(g++ binutils libgtest-dev libgmock-dev mmdebstrap util-linux mount) ;;
  *) echo "usage: tools/setup.sh [demo|test]" >&2; exit 2 ;;
esac

command -v cargo >/dev/null || { echo "a Rust toolchain with cargo is needed; see https://rustup.rs" >&2; exit 1; }

missing=()
# Boost's headers, of whatever version: one that is there is not to be replaced.
[ -e /usr/include/boost/asio.hpp ] || packages+=(libboost-dev)
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "Installing with apt: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
[ "${1:-test}" = demo ] || "$(dirname "$0")/real-peers.sh" >/dev/null
