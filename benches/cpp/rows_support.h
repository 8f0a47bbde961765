// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What the rows of bench_rows.cc have in common: time, chance, output, an allocator.

#pragma once

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "measure.h"
#include "ray/object_manager/plasma/plasma_allocator.h"

namespace rows {

using plasma::Allocation;
using plasma::PlasmaAllocator;
using ray::ObjectID;

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;

#define REQUIRE(condition)                                                   \
  do {                                                                       \
    if (!(condition)) {                                                      \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
      std::abort();                                                          \
    }                                                                        \
  } while (false)

/// Nanoseconds on the clock, and of these on a processor: on a busy machine only the second ones say what was done.
struct Time {
  double elapsed;
  double processor;

  Time operator/(double count) const { return {elapsed / count, processor / count}; }
};

inline Time TimeOf(const std::function<void()> &work) {
  const double elapsed = bench::Nanoseconds(CLOCK_MONOTONIC);
  const double processor = bench::Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return {bench::Nanoseconds(CLOCK_MONOTONIC) - elapsed,
          bench::Nanoseconds(CLOCK_THREAD_CPUTIME_ID) - processor};
}

/// splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  /// Both ends included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  double Unit() { return static_cast<double>(Next() >> 11) / 9007199254740992.0; }

  ObjectID Id() {
    const uint64_t words[4] = {Next(), Next(), Next(), Next()};
    return ObjectID::FromBinary(
        std::string(reinterpret_cast<const char *>(words), ObjectID::Size()));
  }

 private:
  uint64_t state_;
};

struct Outcome {
  double value;
  const char *unit;
  /// More members of the JSON object, each after a comma.
  std::string more = "";
};

inline std::string Member(const char *name, double value) {
  char text[96];
  std::snprintf(text, sizeof text, ",\"%s\":%.2f", name, value);
  return text;
}

inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The median of the batches, and the best one.
inline Outcome MedianOf(const std::vector<Time> &times) {
  std::vector<double> elapsed;
  std::vector<double> processor;
  for (const Time &time : times) {
    elapsed.push_back(time.elapsed);
    processor.push_back(time.processor);
  }
  return {Median(elapsed),
          "ns",
          Member("cpu", Median(processor)) +
              Member("best_cpu", *std::min_element(processor.begin(), processor.end()))};
}

inline std::string Directory(const char *variable, const std::string &otherwise) {
  const char *set = std::getenv(variable);
  const std::string directory = set != nullptr ? set : otherwise;
  mkdir(directory.c_str(), 0700);
  return directory;
}

/// Waits until the process does nothing but wait. Ours sets up its first pages in a thread, for longer than some rows last.
inline void UntilIdle() {
  double before = bench::Nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < 500; i++) {
    usleep(20'000);
    const double now = bench::Nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    if (now - before < 1e6) {
      return;
    }
    before = now;
  }
  REQUIRE(!"the process is never idle");
}

inline std::unique_ptr<PlasmaAllocator> NewAllocator(int64_t limit) {
  const char *temporary = std::getenv("TMPDIR");
  const std::string fallback = temporary != nullptr ? temporary : "/tmp";
  auto allocator = std::make_unique<PlasmaAllocator>(
      Directory("BENCH_SHM", "/dev/shm"),
      Directory("BENCH_FALLBACK", fallback + "/plasma-bench-fallback"),
      /*hugepage_enabled=*/false,
      limit);
  auto first = allocator->Allocate(kKiB);
  REQUIRE(first.has_value());
  allocator->Free(std::move(*first));
  UntilIdle();
  return allocator;
}

template <typename Allocator>
Allocation Allocate(Allocator &allocator, int64_t size) {
  auto allocation = allocator.Allocate(static_cast<size_t>(size));
  REQUIRE(allocation.has_value());
  return std::move(*allocation);
}

}  // namespace rows
