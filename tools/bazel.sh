#!/usr/bin/env bash
# Runs Bazel on this workspace on a machine that may have neither Bazel nor a way to fetch archives:
#
#   tools/bazel.sh test //...
#
# RAY_OM_BAZEL says how:
#   host     the `bazel` on PATH, 7.3 or newer, which fetches rules_rust and GoogleTest itself
#   packages the `bazel` on PATH with Debian's packages of rules_rust and GoogleTest, where these are installed (Dockerfile.test)
#   debian   the same in the root that tools/debian-root.sh makes, with the host's Rust; needs root or sudo
#   auto     (default) packages if they are there, else host if there is such a bazel and nothing was redirected yet, else debian
#
# RAY_OM_CACHE (default ~/.cache/ray-object-manager) holds the root, the build and a disk cache that outlives both.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd -P)
cache=${RAY_OM_CACHE:-$HOME/.cache/ray-object-manager}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

host_bazel_suffices() {
  local version
  version=$(command bazel --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+' | head -n 1) || return 1
  [ "$(printf '%s\n7.3\n' "$version" | sort -V | head -n 1)" = 7.3 ]
}

how=${RAY_OM_BAZEL:-auto}
if [ "$how" = auto ]; then
  how=debian
  if [ -d /usr/share/bazel/rules/rust ] && [ -d /usr/src/googletest ]; then
    how=packages
  elif [ ! -e "$checkout/.bazelrc.debian" ] && host_bazel_suffices; then
    how=host
  fi
fi
startup=(--output_base="$cache/bazel/$(printf %s "$checkout" | sha256sum | cut -c1-12)" --max_idle_secs=900)
# Caches that survive `bazel clean` and serve every checkout.
command=${1:?usage: tools/bazel.sh COMMAND [ARGUMENTS]}
shift
flags=()
case $command in
  aquery | build | coverage | cquery | fetch | info | query | run | sync | test)
    flags=(--repo_env=RAY_OM_RUSTC="$(rustc --version 2>/dev/null || true)")
    flags+=(--disk_cache="$cache/bazel-disk") ;;
esac

if [ "$how" != debian ]; then
  cd "$checkout"
  if [ "$how" = packages ]; then tools/debian-bazelrc.sh; fi
  exec bazel "${startup[@]}" "$command" "${flags[@]}" "$@"
fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
root=$("$checkout/tools/debian-root.sh" | tail -n 1)

# The Rust toolchain and the crates are the host's, at the host's paths.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
mkdir -p "$cargo_home"
case $sysroot in
  /usr | /usr/*) sysroot= rust_path=/usr/bin ;; # a distribution's: Debian's own in the root serves
  *) rust_path=$sysroot/bin ;;
esac
binds=("$checkout" "$cache" "$cargo_home" ${sysroot:+"$sysroot"})
environment=(
  PATH="$rust_path:/usr/sbin:/usr/bin:/sbin:/bin" HOME="$HOME" USER="$(id -un)" CARGO_HOME="$cargo_home" RAY_OM_CACHE="$cache"
  LANG=C.UTF-8
)
for name in CARGO_NET_OFFLINE CARGO_HTTP_CAINFO SSL_CERT_FILE SSL_CERT_DIR http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [ -n "${!name:-}" ]; then environment+=("$name=${!name}"); fi
done

# Inside: the rest of the machine as it is, the package's folders from the root. Everything is undone with the namespace.
enter='
set -eu
root=$1 uid=$2 gid=$3 checkout=$4
shift 4
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  shift
done
shift
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind /tmp "$root/tmp"
for file in /etc/resolv.conf /etc/hosts /etc/passwd /etc/group; do
  [ -e "$root$file" ] || touch "$root$file"
  mount --bind "$(readlink -f "$file")" "$root$file"
done
if [ -d /etc/ssl/certs ]; then mount --bind /etc/ssl/certs "$root/etc/ssl/certs"; fi
mkdir -p "$root/mnt/host"
cd "$root"
pivot_root . mnt/host
umount -l /mnt/host
exec setpriv --reuid "$uid" --regid "$gid" --clear-groups -- env -i "$@"
'
inside=(bash -c 'cd "$0" && tools/debian-bazelrc.sh && exec "$@"' "$checkout" bazel "${startup[@]}" "$command" "${flags[@]}" "$@")

# A server that still runs has all this mounted already: joining it saves its start.
server=$(cat "${startup[0]#--output_base=}/server/server.pid.txt" 2>/dev/null || true)
if [ -n "$server" ] && as_root test "/proc/$server/root$checkout/WORKSPACE" -ef "$checkout/WORKSPACE" &&
  as_root test "/proc/$server/root/usr" -ef "$root/usr"; then
  exec_as_root=(nsenter --target "$server" --mount setpriv --reuid "$(id -u)" --regid "$(id -g)" --clear-groups -- env -i)
  if [ "$(id -u)" = 0 ]; then exec "${exec_as_root[@]}" "${environment[@]}" "${inside[@]}"; fi
  exec sudo "${exec_as_root[@]}" "${environment[@]}" "${inside[@]}"
fi
run=(unshare --mount sh -c "$enter" sh "$root" "$(id -u)" "$(id -g)" "$checkout" "${binds[@]}" -- "${environment[@]}" "${inside[@]}")
if [ "$(id -u)" = 0 ]; then exec "${run[@]}"; fi
exec sudo "${run[@]}"
