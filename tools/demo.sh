#!/usr/bin/env bash
# Builds and runs the demonstration: a store process and a second one that verifies every byte of it.
#
#   tools/demo.sh
#
# Needs a Rust toolchain; installs a C++ compiler and the headers of Boost by apt if there are none, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh demo

target=${CARGO_TARGET_DIR:-target}
libs=$target/plasma-rs
demo=$libs/demo
echo "Building the library and the demonstration (some minutes the first time) ..."
tools/build-libs.sh "$libs" >/dev/null
if [ ! -e "$demo" ] || [ -n "$(find examples/demo ray-ffi/include ray-ffi/common/include ray-ffi/standalone/include "$libs/libray_object_manager.a" \
  -newer "$demo" -print -quit)" ]; then
  "${CXX:-g++}" -std=c++17 -O2 -Wall -Wextra -Iray-ffi/include -Iray-ffi/common/include -Iray-ffi/standalone/include examples/demo/*.cc \
    "$libs/libray_object_manager.a" -lpthread -ldl -lm -o "$demo"
fi
"$demo"
