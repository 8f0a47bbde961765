#!/usr/bin/env bash
# Fuzzes the decoder of messages and whole sessions with the store's state. Ends with an error at the first input that
# makes either panic, leak, hang or take too much memory; that input lies in fuzz/artifacts then.
#
#   tools/fuzz.sh [SECONDS]   default: a fixed number of runs each, about a minute together
#
# The instrumentation is LLVM's, which the stable compiler has; nothing else is needed. What the fuzzers learn goes to
# fuzz/found; fuzz/corpus is what they begin with.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
cd fuzz

host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
cargo build --release --locked --target "$host" --target-dir "$target"

# A changed byte can ask for a file of ten gigabytes, whose pages take a minute where the host of a virtual machine has to provide them.
# So files end at 64 MiB, which the store is told as the error of a full disk is, and what takes 40 seconds is a hang.
ulimit -f $((64 << 10))
trap '' XFSZ

fuzz() {
  local name=$1 runs=$2 seconds=$3
  mkdir -p "found/$name" "artifacts/$name"
  echo "== $name"
  "$target/$host/release/$name" -runs="$runs" -max_total_time="$seconds" -seed="${FUZZ_SEED:-1}" -max_len=4096 \
    -timeout=40 -handle_xfsz=0 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="artifacts/$name/" "found/$name" "corpus/$name" 2>&1 |
    grep -vE '^#[0-9]+\s+(NEW|REDUCE)|NEW_FUNC'
}

if [ $# -gt 0 ]; then
  fuzz decoder -1 "$(($1 / 2))"
  fuzz sessions -1 "$(($1 - $1 / 2))"
else
  fuzz decoder 200000 60
  fuzz sessions 20000 60
fi
