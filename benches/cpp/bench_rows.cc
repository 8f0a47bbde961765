// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The cost of Ray's plasma classes, row by row: the same source compiles against our drop-in headers and against Ray's
// own, so that both are measured by one program. tools/bench.sh builds it, docs/benchmarks.md defines the rows.
//
//   bench_rows --list    names the rows
//   bench_rows ROW       measures one and prints a line of JSON: row, value, unit, and more to look at
//
// rows_*.h have the rows. One row is one process: what an earlier row left in the heap does not matter then. Environment: BENCH_SHM
// (/dev/shm) and BENCH_FALLBACK (a new directory below TMPDIR) are where the allocator's files lie.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "ray/util/logging.h"
#include "rows_allocator.h"
#include "rows_controls.h"
#include "rows_lifecycle.h"

namespace rows {
namespace {

struct Row {
  const char *name;
  std::function<Outcome()> measure;
};

const std::vector<Row> &Rows() {
  static const std::vector<Row> rows = {
      {"alloc_lifo", AllocLifo},
      {"alloc_random_100B", [] { return AllocRandom(100); }},
      {"alloc_random_1KB", [] { return AllocRandom(kKiB); }},
      {"alloc_random_100KB", [] { return AllocRandom(100 * kKiB); }},
      {"alloc_random_1MB", [] { return AllocRandom(kMiB); }},
      {"control_random", NothingAtRandom},
      {"alloc_lifo_fb1000", AllocLifoWithFallbacks},
      {"lookup_10k", [] { return Lookup(10'000); }},
      {"lookup_1m", [] { return Lookup(1'000'000); }},
      {"control_reads_1m", [] { return TwoReads(1'000'000); }},
      {"lifecycle_10k", [] { return Lifecycle(10'000); }},
      {"lifecycle_1m", [] { return Lifecycle(1'000'000); }},
      {"evict_100k", [] { return Evict(100'000, 5); }},
      {"evict_1m", [] { return Evict(1'000'000, 3); }},
      {"evict_stall_1m", EvictStall},
      {"heap_per_object", [] { return HeapOf(false); }},
      {"heap_after_delete", [] { return HeapOf(true); }},
      {"pack_uniform", [] { return Pack(PackFull, false, 10); }},
      {"pack_log", [] { return Pack(PackFull, true, 10); }},
      {"pack_replacing_uniform", [] { return Pack(PackReplacing, false, 20); }},
      {"pack_replacing_log", [] { return Pack(PackReplacing, true, 20); }},
  };
  return rows;
}

/// Ray's log writes what is above INFO unless it is started; ours reads the environment at any time.
template <typename Log>
auto OnlyErrors(int) -> decltype(Log::StartRayLog("bench", ray::RayLogLevel::ERROR)) {
  return Log::StartRayLog("bench", ray::RayLogLevel::ERROR);
}
template <typename Log>
void OnlyErrors(long) {}

}  // namespace
}  // namespace rows

int main(int argc, char **argv) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  setenv("RAY_BACKEND_LOG_LEVEL", "error", 0);
  rows::OnlyErrors<ray::RayLog>(0);
  for (const auto &row : rows::Rows()) {
    if (wanted == "--list") {
      std::puts(row.name);
    } else if (wanted == row.name) {
      const rows::Outcome outcome = row.measure();
      std::printf("{\"row\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"%s}\n",
                  row.name,
                  outcome.value,
                  outcome.unit,
                  outcome.more.c_str());
      std::fflush(stdout);
      _exit(0);
    }
  }
  if (wanted != "--list") {
    std::fprintf(stderr, "usage: bench_rows ROW | --list\n");
    return 2;
  }
  return 0;
}
