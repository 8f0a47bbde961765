#!/usr/bin/env bash
# Runs every test: formatting, lints, Rust and C++ under Cargo, libraries and examples, sanitizers, and all of
# it again under Bazel. Installs what it needs first. Ends with "N passed, N failed".
# Usage: tools/test.sh [STAGE...]   (default: all stages; their names are below)
# Environment: STAGE_LIMIT, the seconds that a stage may take (default 2400)
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(format lint rust cpp properties fuzz libraries examples docs sanitizers bazel)
[ $# -gt 0 ] && stages=("$@")
tools/setup.sh test || exit 1
logs=target/test-logs
mkdir -p "$logs"
passed=0
failed=0

stage_format() { cargo fmt --all -- --check; }
stage_lint() {
  cargo clippy --workspace --exclude ray-object-store --all-targets --locked -- -D warnings &&
    cargo clippy -p ray-object-store --all-features --all-targets --locked -- -D warnings
}
stage_rust() {
  local status=0
  cargo test --workspace --exclude cpp-tests --exclude ray-object-store --locked --no-fail-fast || status=1
  cargo test -p ray-object-store --all-features --locked --no-fail-fast || status=1
  return $status
}
stage_cpp() { cargo test -p cpp-tests --locked --no-fail-fast; }
stage_properties() {
  local status=0
  export PLASMA_RS_TEST_SCALE=full
  cargo test --profile quick-release -p ray-common -p ray-object-manager --locked --no-fail-fast --test '*' || status=1
  # Its model and its victims are unit tests.
  cargo test --profile quick-release -p ray-object-store --all-features --locked --no-fail-fast --lib --test limits --test heap || status=1
  return $status
}
stage_fuzz() { tools/fuzz.sh; }
stage_libraries() { tools/build-libs.sh && tools/check-exports.sh; }
stage_examples() { examples/c/run.sh && tools/demo.sh && examples/client/run.sh && examples/pipeline/run.sh; }
stage_docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude cpp-tests --no-deps --locked; }
stage_sanitizers() { tools/sanitize.sh; }
# What is optimised is tested by other stages, and takes Bazel twice as long to build.
stage_bazel() { tools/bazel.sh test //... --compilation_mode=fastbuild --test_output=errors; }

# Adds the tests that a log counts; a stage that counts none is one test itself.
count() {
  local stage=$1 log=$2 status=$3 ok bad
  read -r ok bad < <(awk '
    /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) ok += $i; if ($(i+1) ~ /^failed/) bad += $i } }
    /^\/\/[^ ]+ +(\(cached\) )?PASSED/ { ok++ }
    /^\/\/[^ ]+ +(FAILED|TIMEOUT|NO STATUS|FLAKY)/ { bad++ }
    END { print ok + 0, bad + 0 }' "$log")
  [ "$((ok + bad))" -eq 0 ] && [ "$status" -eq 0 ] && ok=1
  [ "$bad" -eq 0 ] && [ "$status" -ne 0 ] && bad=1
  passed=$((passed + ok))
  failed=$((failed + bad))
  printf '%-11s %4d passed, %d failed, %d s\n' "$stage" "$ok" "$bad" "$((SECONDS - begun[$stage]))"
}

# Which tests of a log failed, and what they said; after that its end, where a build that failed says why.
explain() {
  echo "--- what failed, of $1:"
  grep -aE '^(test .* \.\.\. FAILED|//[^ ]+ +(FAILED|TIMEOUT|NO STATUS|FLAKY)|\[  FAILED  \]|error(\[|:))' "$1" | sort -u | head -n 40
  # Cargo repeats what failed tests printed between two such lines.
  awk '/^failures:$/ { shown = !shown } shown' "$1" | head -n 200
  echo "--- its end:"
  tail -n 40 "$1"
}

declare -A begun
run() {
  # What hangs ends here, and its log says where. The prefix matters: an exported function takes the place of a program of its
  # name in every script below, and a `bazel` that calls tools/bazel.sh, which asks `bazel --version`, never ends.
  export -f "stage_$1"
  timeout --kill-after=30 "${STAGE_LIMIT:-2400}" bash -c "stage_$1" >"$logs/$1.log" 2>&1 </dev/null
}
conclude() {
  local log=$logs/$1.log status=$2
  [ "$status" -ne 124 ] || echo "$1 took more than ${STAGE_LIMIT:-2400} s and was ended" >>"$log"
  count "$1" "$log" "$status"
  [ "$status" -eq 0 ] || explain "$log"
}

fuzzing=
for stage in "${stages[@]}"; do
  begun[$stage]=$SECONDS
  if [ "$stage" = fuzz ]; then
    # The fuzzers keep one processor busy, from a target directory of their own, and the linker of the libraries another. No other
    # stage is a background job: those ignore SIGINT, and so would all programs under test.
    run fuzz &
    fuzzing=$!
  else
    run "$stage"
    conclude "$stage" $?
  fi
done
if [ -n "$fuzzing" ]; then
  wait "$fuzzing"
  conclude fuzz $?
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
