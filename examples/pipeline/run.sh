#!/usr/bin/env bash
# Builds plasma-store, the library and both pipelines, starts a store, and lets tensors go through three processes, in Rust and in C++.
#
#   examples/pipeline/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

tools/setup.sh demo
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --locked -p plasma-store --bin plasma-store
cargo build --quiet --release --locked -p ray-object-manager --example pipeline
tools/build-libs.sh >/dev/null
work=$(mktemp -d)
"${CXX:-g++}" -std=c++17 -O2 -Wall -Wextra -Iray-ffi/include -Iray-ffi/common/include -Iray-ffi/standalone/include examples/pipeline/main.cc \
  "$target/plasma-rs/libray_object_manager.a" -lpthread -ldl -lm -o "$work/pipeline"

mkfifo "$work/ready"
"$target/release/plasma-store" --socket "$work/store" --memory 256MB >"$work/ready" &
trap 'kill $! 2>/dev/null; wait; rm -rf "$work"' EXIT
read -r line <"$work/ready"
echo "$line"
"$target/release/examples/pipeline" "$work/store"
"$work/pipeline" "$work/store"
