// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// For programs that measure operations of nanoseconds, row by row.
//
//   PROGRAM --list    names the rows
//   PROGRAM ROW       measures one and prints a line of JSON: row, value and cpu in unit

#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Keeps the compiler from leaving out what makes a value, and from remembering what is in memory.
template <typename T>
void Use(const T &value) {
  asm volatile("" : : "r"(&value) : "memory");
}

/// Nanoseconds an operation takes.
struct Cost {
  double clock;
  double cpu;

  Cost operator/(double operations) const { return {clock / operations, cpu / operations}; }
};

inline double Nanoseconds(clockid_t clock) {
  struct timespec now {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// The best of 500 batches. A batch takes a tenth of a millisecond at least: short beside a time slice, for the machine may be
/// busy, and long beside the reading of two clocks.
template <typename Operation>
Cost Measure(Operation operation) {
  const auto run = [&operation](int64_t times) {
    const double started = Nanoseconds(CLOCK_MONOTONIC);
    const double cpu = Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    for (int64_t i = 0; i < times; i++) {
      operation();
    }
    const double used = Nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    return Cost{Nanoseconds(CLOCK_MONOTONIC) - started, used};
  };
  operation();  // what the first one sets up is not of interest
  int64_t times = 1;
  while (std::min(run(times).cpu, run(times).cpu) < 1e5) {
    times *= 2;
  }
  Cost best = run(times);
  for (int i = 0; i < 500; i++) {
    const Cost cost = run(times);
    best = {std::min(best.clock, cost.clock), std::min(best.cpu, cost.cpu)};
  }
  return best / static_cast<double>(times);
}

using Rows = std::vector<std::pair<const char *, Cost (*)()>>;

inline int Main(int argc, char **argv, const Rows &rows) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  setenv("RAY_BACKEND_LOG_LEVEL", "error", 0);
  for (const auto &[name, measure] : rows) {
    if (wanted == "--list") {
      std::puts(name);
    } else if (wanted == name) {
      const Cost cost = measure();
      std::printf("{\"row\":\"%s\",\"value\":%.3f,\"cpu\":%.3f,\"unit\":\"ns\"}\n",
                  name,
                  cost.clock,
                  cost.cpu);
      return 0;
    }
  }
  if (wanted != "--list") {
    std::fprintf(stderr, "usage: %s ROW | --list\n", argv[0]);
    return 2;
  }
  return 0;
}

}  // namespace bench
