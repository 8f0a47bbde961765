#!/usr/bin/env bash
# Runs the tests under sanitizers. Everything that they find is an error.
#
#   tools/sanitize.sh [cpp] [rust]    default: both
#
# cpp:  cpp_tests and the C++ of ray-ffi, built with the C++ compiler's AddressSanitizer (with LeakSanitizer) and
#       UndefinedBehaviorSanitizer.
# rust: the tests of ray-common, ray-sys and ray-object-manager under AddressSanitizer with LeakSanitizer. The stable
#       toolchain carries its runtime; the flag that selects it is one that only RUSTC_BOOTSTRAP=1 unlocks.
#
# Environment: PLASMA_RS_TEST_SCALE  part of the random operations to run (default 0.1)
#              CARGO_TARGET_DIR      where to build (default target); sanitized builds get folders of their own in it
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
export PLASMA_RS_TEST_SCALE=${PLASMA_RS_TEST_SCALE:-0.1}
# Requests that can never be served are tests of ours, not mistakes.
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:allocator_may_return_null=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

cpp() {
  local flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
  CPP_TESTS_SANITIZE=address,undefined CXXFLAGS="${CXXFLAGS:-} $flags" \
    cargo test -p cpp-tests --locked --no-fail-fast --target-dir "$target/sanitize-cpp" --test gtest
}

rust() {
  # With --target the flag is not given to build scripts and procedural macros.
  RUSTC_BOOTSTRAP=1 RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address -Cforce-frame-pointers=yes --cfg plasma_rs_address_sanitizer" \
    cargo test -p ray-common -p ray-sys -p ray-object-manager --locked --no-fail-fast --lib --tests \
    --target "$host" --target-dir "$target/sanitize-rust"
}

[ $# -gt 0 ] || set -- cpp rust
for part in "$@"; do
  case $part in
    cpp | rust) echo "== sanitizers: $part"; "$part" ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
