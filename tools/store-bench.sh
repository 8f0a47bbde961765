#!/usr/bin/env bash
# Measures our store and Ray's own (from its wheel) with one client, by turns: a table, a JSON file and a plot.
#
#   tools/store-bench.sh [ARGUMENT...]     arguments of the program store-bench: --rounds 10, --only get, --scale 0.5, --ours
#
# Environment: PYTHON (python3); OUT (target/store-bench), where results.json, table.md and, if there is matplotlib, plot.svg are written.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-${CARGO_TARGET_DIR:-target}/store-bench}
mkdir -p "$out"
tools/setup.sh demo
cargo build --quiet --release --locked -p store-bench
"${CARGO_TARGET_DIR:-target}/release/store-bench" "$@" >"$out/runs.jsonl"
"${PYTHON:-python3}" tools/plot_benchmarks.py "$out/runs.jsonl" "$out"
