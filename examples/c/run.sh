#!/usr/bin/env bash
# Compiles the C example as strictly as compilers can and runs it on the static and on the shared library; then links our
# library with another Rust static library, and the library for a Ray build with the C++ classes compiled apart from it.
#
#   examples/c/run.sh     builds the libraries first (tools/build-libs.sh)
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
libs=$target/plasma-rs for_ray=$target/plasma-rs-for-ray
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict=(-Wall -Wextra -Werror -pedantic -O2)
cpp=("${CXX:-g++}" -std=c++17 "${strict[@]}" -Iray-ffi/include -Iray-ffi/common/include -Iray-ffi/standalone/include)
system=(-lstdc++ -lpthread -ldl -lm)

tools/build-libs.sh
tools/build-libs.sh --for-ray
tools/check-exports.sh

"${CC:-cc}" -std=c11 "${strict[@]}" -Iray-ffi/include -c examples/c/store.c -o "$work/store.o"
"${CC:-cc}" "$work/store.o" "$libs/libray_object_manager.a" "${system[@]}" -o "$work/static"
"${CC:-cc}" "$work/store.o" -L"$libs" -lray_object_manager -Wl,-rpath,"$(realpath "$libs")" -o "$work/shared"
"$work/static" | tee "$work/static.out"
"$work/shared" >"$work/shared.out"
# The kernel's page size and the like are the same in both, so what they print is too.
cmp "$work/static.out" "$work/shared.out"

rustc --crate-type staticlib --edition 2021 -O examples/c/other.rs -o "$work/libother.a"
"${cpp[@]}" examples/c/two_rusts.cc "$libs/libray_object_manager.a" "$work/libother.a" "${system[@]}" -o "$work/two"
"$work/two"
"${cpp[@]}" examples/c/two_rusts.cc "$work/libother.a" "$libs/libray_object_manager.a" "${system[@]}" -o "$work/two"
"$work/two"

# As in a Ray build: the classes are compiled by others, against other base headers (ours stand in for Ray's here).
bridges() { find "$target/release/build" -path "*/$1-*/out/cxxbridge/include" -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2; }
"${cpp[@]}" -I"$(bridges ray-ffi)" -I"$(bridges ray-common-ffi)" -Iray-ffi/src/cpp examples/demo/*.cc \
  ray-ffi/src/cpp/*.cc ray-ffi/common/src/*.cc ray-ffi/common/src/scheduling/*.cc ray-ffi/standalone/src/*.cc ray-ffi/standalone/src/common/*.cc \
  "$for_ray/libray_object_manager.a" "${system[@]}" -o "$work/as_in_ray"
"$work/as_in_ray" >/dev/null
echo "the C++ classes work when they are compiled apart from the library"
