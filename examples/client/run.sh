#!/usr/bin/env bash
# Builds plasma-store, the library and the C++ client, starts a store, and runs the client on it.
#
#   examples/client/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

tools/setup.sh demo
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --locked -p plasma-store
tools/build-libs.sh >/dev/null
work=$(mktemp -d)
"${CXX:-g++}" -std=c++17 -O2 -Wall -Wextra -Iray-ffi/include -Iray-ffi/common/include -Iray-ffi/standalone/include examples/client/main.cc \
  "$target/plasma-rs/libray_object_manager.a" -lpthread -ldl -lm -o "$work/client"

mkfifo "$work/ready"
"$target/release/plasma-store" --socket "$work/store" --memory 64MB >"$work/ready" &
trap 'kill $! 2>/dev/null; wait; rm -rf "$work"' EXIT
read -r line <"$work/ready"
echo "$line"
"$work/client" "$work/store"
PLASMA_STORE_SOCKET=$work/store "$target/release/plasma" ls
