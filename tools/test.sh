#!/usr/bin/env bash
# Runs every test: formatting, lints, Rust and C++ under Cargo, libraries and examples, sanitizers, and all of
# it again under Bazel. Installs what it needs first. Ends with "N passed, N failed".
# Usage: tools/test.sh [STAGE...]   (default: all stages; their names are below)
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(format lint rust cpp properties fuzz libraries examples docs sanitizers bazel)
[ $# -gt 0 ] && stages=("$@")
tools/setup.sh test || exit 1
logs=target/test-logs
mkdir -p "$logs"
passed=0
failed=0

format() { cargo fmt --all -- --check; }
lint() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
rust() { cargo test --workspace --exclude cpp-tests --locked --no-fail-fast; }
cpp() { cargo test -p cpp-tests --locked --no-fail-fast; }
properties() {
  PLASMA_RS_TEST_SCALE=full cargo test --profile quick-release -p ray-object-manager --locked --no-fail-fast --test '*'
}
fuzz() { tools/fuzz.sh; }
libraries() { tools/build-libs.sh && tools/check-exports.sh; }
examples() { examples/c/run.sh && tools/demo.sh && examples/client/run.sh; }
docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude cpp-tests --no-deps --locked; }
sanitizers() { tools/sanitize.sh; }
bazel() { tools/bazel.sh test //... --test_output=errors; }

# Adds the tests that a log counts; a stage that counts none is one test itself.
count() {
  local log=$1 status=$2 ok bad
  read -r ok bad < <(awk '
    /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) ok += $i; if ($(i+1) ~ /^failed/) bad += $i } }
    /^\/\/[^ ]+ +(\(cached\) )?PASSED/ { ok++ }
    /^\/\/[^ ]+ +(FAILED|TIMEOUT|NO STATUS|FLAKY)/ { bad++ }
    END { print ok + 0, bad + 0 }' "$log")
  [ "$((ok + bad))" -eq 0 ] && [ "$status" -eq 0 ] && ok=1
  [ "$bad" -eq 0 ] && [ "$status" -ne 0 ] && bad=1
  passed=$((passed + ok))
  failed=$((failed + bad))
  printf '%-11s %4d passed, %d failed, %d s\n' "$stage" "$ok" "$bad" "$((SECONDS - started))"
}

for stage in "${stages[@]}"; do
  started=$SECONDS
  "$stage" >"$logs/$stage.log" 2>&1
  status=$?
  count "$logs/$stage.log" $status
  [ $status -eq 0 ] || { echo "--- the end of $logs/$stage.log:"; tail -n 60 "$logs/$stage.log"; }
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
