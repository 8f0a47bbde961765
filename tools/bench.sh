#!/usr/bin/env bash
# Measures Ray's classes row by row: ours, and beside it the original where somebody has built it.
#
#   tools/bench.sh [SUBJECT] [ROW...]                            ours; all rows, or these
#   ORIGINAL=/path/to/program tools/bench.sh [SUBJECT] [ROW...]  both, alternately, round by round, on one state of the machine
#
# SUBJECT is rows (the store's classes, docs/benchmarks.md; the default), ids (docs/ids-and-status.md) or scheduling
# (docs/scheduling.md): the program benches/cpp/bench_SUBJECT.cc.
#
# ORIGINAL is that program built against Ray's own headers and linked with Ray's own classes; docs/benchmarks.md says how. OURS
# is the other program, if it is not to be built here.
#
# Environment: ROUNDS (5); PYTHON (python3); OUT (target/bench), where results.json, table.md and, if there is matplotlib, plot.svg are written.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
out=${OUT:-$target/bench}
rounds=${ROUNDS:-5}
case ${1:-} in
  rows | ids | scheduling) bench=bench_$1 && shift ;;
  -*) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 2 ;;
  *) bench=bench_rows ;;
esac
mkdir -p "$out"

if [ -z "${OURS:-}" ]; then
  tools/build-libs.sh "$target/plasma-rs" >&2
  OURS=$out/$bench
  # Ray compiles with -O2 too.
  "${CXX:-g++}" -std=c++17 -O2 -DNDEBUG -Wall -Wextra -I ray-ffi/include -I ray-ffi/common/include -I ray-ffi/standalone/include \
    "benches/cpp/$bench.cc" "$target/plasma-rs/libray_object_manager.a" -lpthread -ldl -lm -o "$OURS"
fi
[ $# -gt 0 ] || set -- $("$OURS" --list)

: >"$out/runs.jsonl"
run() { # SIDE PROGRAM ROW ROUND
  local line
  line=$("$2" "$3" 2>"$out/stderr") || { echo "bench: $2 $3 failed:" >&2; tail -3 "$out/stderr" >&2; return 1; }
  echo "{\"side\":\"$1\",\"round\":$4,\"result\":$(tail -1 <<<"$line")}" >>"$out/runs.jsonl"
}
for round in $(seq "$rounds"); do
  echo "round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)" >&2
  for row in "$@"; do
    # Who goes first alternates.
    if [ $((round % 2)) = 1 ]; then run ours "$OURS" "$row" "$round"; fi
    if [ -n "${ORIGINAL:-}" ]; then run original "$ORIGINAL" "$row" "$round"; fi
    if [ $((round % 2)) = 0 ]; then run ours "$OURS" "$row" "$round"; fi
  done
done
"${PYTHON:-python3}" tools/plot_benchmarks.py "$out/runs.jsonl" "$out"
