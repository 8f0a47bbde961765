#!/usr/bin/env bash
# Builds Dockerfile.test and runs its command.
#
#   tools/docker-test.sh [DOCKER-RUN-OPTIONS...]
#
# Where debian:forky can neither be found nor pulled, the root of tools/debian-root.sh takes its name, together with the
# certificates that this machine trusts (a mirror behind a proxy of one's own needs them). The host's network is used: a
# machine's name server and mirrors need not be reachable from Docker's own.
set -euo pipefail
cd "$(dirname "$0")/.."
base=debian:forky tag=ray-object-manager-test

docker_() { if docker info >/dev/null 2>&1; then docker "$@"; else sudo docker "$@"; fi; }
say() { echo "docker-test: $*" >&2; }

if ! command -v docker >/dev/null; then
  say "installing docker.io by apt"
  as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq docker.io >&2
fi

import_root() {
  local root certificates
  root=$(tools/debian-root.sh | tail -n 1)
  certificates=$(mktemp -d)
  cp -L /etc/ssl/certs/ca-certificates.crt "$certificates/host-certificates"
  say "importing $root as $base"
  local as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" tar -c --one-file-system --exclude=./mnt/host --exclude=./etc/ssl/certs/ca-certificates.crt \
    --transform='s,^host-certificates$,./etc/ssl/certs/ca-certificates.crt,' -C "$root" . -C "$certificates" host-certificates |
    docker_ import - "$base" >&2
  rm -r "$certificates"
}
if ! docker_ image inspect "$base" >/dev/null 2>&1; then
  say "pulling $base"
  timeout 120 docker pull --quiet "$base" >&2 || import_root
fi

docker_ build --network=host -f Dockerfile.test -t "$tag" .
# What was built stays in a volume of this name: the second run builds what has changed.
docker_ run --rm --network=host --shm-size=1g --volume "$tag:/cache" "$@" "$tag"
