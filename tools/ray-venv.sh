#!/usr/bin/env bash
# Installs (once) a whole Ray with pip, into a Python environment of its own, and prints the folder of each version
# asked for.
#
#   tools/ray-venv.sh [VERSION...]   default: the newest that the tests know
#
# Takes ray[default] and numpy from wherever pip is set up to look. Runs on a machine with python3 and its venv, or on
# a Debian-like one where apt can install them.
#
# Environment: RAY_OM_CACHE   folder for everything cached (default ~/.cache/ray-object-manager)
set -euo pipefail

cache=${RAY_OM_CACHE:-$HOME/.cache/ray-object-manager}/ray-venv

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
say() { echo "ray-venv: $*" >&2; }

install_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null && return
  say "installing python3-venv by apt"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >&2
}

# Python environments know their own path, so it is made where it stays, and marked when it is complete.
make_venv() {
  local version=$1 folder=$cache/$1
  install_venv
  say "installing ray $version (300 MB)"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "ray[default]==$version" numpy >&2
  "$folder/bin/python" -c "import ray; assert ray.__version__ == '$version', ray.__version__"
  touch "$folder/complete"
}

case ${1:-} in
  -*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -gt 0 ] || set -- 2.60.0
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
for version in "$@"; do
  [ -e "$cache/$version/complete" ] || make_venv "$version"
  echo "$cache/$version"
done
