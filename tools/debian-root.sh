#!/usr/bin/env bash
# Makes (once) and prints the folder of a Debian root that carries Bazel 7 and Debian's packaged rules_rust and GoogleTest.
#
#   tools/debian-root.sh            make the root if it is not there yet (and prune), print its path as the last line
#   tools/debian-root.sh --path     print the path it has or would have, make nothing
#   tools/debian-root.sh --prune    remove roots and half-made roots that are neither in use nor current
#
# Runs on any Debian-like host as root or with sudo; installs mmdebstrap by apt where it is missing. The package mirror is the
# one that the host's own apt uses for Debian; a host without one (Ubuntu) leaves the choice to mmdebstrap.
#
# Environment: RAY_OM_CACHE   folder for everything cached (default ~/.cache/ray-object-manager)
#              RAY_OM_MIRROR  mirror to use instead of the host's
set -euo pipefail

suite=forky
packages=(bazel-bootstrap bazel-rules-rust googletest # Bazel, rules_rust under /usr/share/bazel, GoogleTest under /usr/src
  g++ binutils make                                   # what the rules compile and link with
  cargo rustc                                         # for Dockerfile.test, and for hosts that lend no toolchain of their own
  libboost-dev                                        # Boost.Asio, which Ray's headers have in them
  libgtest-dev libgmock-dev                           # for `cargo test` in the image
  python3 git ca-certificates util-linux mount iproute2 procps file)

cache=${RAY_OM_CACHE:-$HOME/.cache/ray-object-manager}
key=$(printf '%s\n' 1 "$suite" "${packages[@]}" | sha256sum | cut -c1-12)
root=$cache/$suite-$key

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
say() { echo "debian-root: $*" >&2; }

# A folder below which something is mounted must never be removed: a bind mount of the checkout would go with it.
has_mounts() {
  local folder pattern
  folder=$(readlink -f "$1")
  pattern=" $folder/"
  as_root sh -c 'cat /proc/[0-9]*/mountinfo 2>/dev/null' | grep -qF "$pattern"
}
remove_root() {
  if has_mounts "$1"; then say "$1 is in use, left alone"; return 0; fi
  as_root rm -rf --one-file-system "$1"
}

# The mirror of the host's Debian main archive, if it has one: neither security nor a third party's.
host_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
}

install_tools() {
  local missing=()
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]} by apt"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  elif [ -z "$(host_mirror)" ] && [ -z "${RAY_OM_MIRROR:-}" ]; then
    as_root apt-get update -qq || true # the mirror is read from apt's lists
  fi
}

make_root() {
  local partial=$root.partial.$$ mirror
  install_tools
  mirror=${RAY_OM_MIRROR:-$(host_mirror)}
  say "making $root (about 3 minutes, 2 GB)${mirror:+ from the mirror of this host}"
  # Without documentation and translations: a third smaller. Valid-Until is not checked: a mirror may lag behind.
  as_root env DEBIAN_FRONTEND=noninteractive mmdebstrap --mode=root --variant=apt \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$partial" ${mirror:+"$mirror"} >"$cache/$suite.log" 2>&1 || {
    tail -n 40 "$cache/$suite.log" >&2
    remove_root "$partial"
    exit 1
  }
  as_root mv -T "$partial" "$root"
}

prune() {
  local old
  for old in "$cache/$suite"-*; do
    if [ -d "$old" ] && [ "$old" != "$root" ]; then remove_root "$old"; fi
  done
}

case ${1:-} in
  --path) echo "$root" ;;
  --prune) prune ;;
  "")
    mkdir -p "$cache"
    exec 9>"$cache/$suite.lock"
    flock 9
    [ -d "$root" ] || { make_root; prune; }
    echo "$root" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
