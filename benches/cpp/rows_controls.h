// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Rows without a store: what no store can do without.

#pragma once

#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "rows_allocator.h"

namespace rows {

/// Takes back an allocation and gives the same one out again: an allocator that has nothing to do.
class KeepsTheLast {
 public:
  explicit KeepsTheLast(Allocation kept) : kept_(std::move(kept)) {}

  __attribute__((noinline)) void Free(Allocation allocation) { kept_ = std::move(allocation); }
  __attribute__((noinline)) std::optional<Allocation> Allocate(size_t) { return std::move(kept_); }

 private:
  Allocation kept_;
};

/// What the rows alloc_random_* take that is not the allocator's: their `Allocation`s at random, and how they come and go.
inline Outcome NothingAtRandom() {
  const auto allocator = NewAllocator(kGiB);
  Random random(1);
  std::vector<Allocation> live;
  for (int i = 0; i < kLive; i++) {
    live.push_back(Allocate(*allocator, 100));
  }
  KeepsTheLast nothing(Allocate(*allocator, 100));
  return Replace(nothing, live, random, 100);
}

/// What a look-up cannot do without, and nothing else: a word of a table of 16 bytes an object, at random, and from there the
/// first word of a record of 112. By turns the next one waits for this one, or all are known beforehand.
inline Outcome TwoReads(size_t objects) {
  constexpr int kBatch = 200'000;
  Random random(1);
  using Record = std::array<uint64_t, 14>;
  const auto pages = [](size_t bytes) {
    void *start = mmap(
        nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(start != MAP_FAILED);
    madvise(start, bytes, MADV_HUGEPAGE);
    return start;
  };
  const size_t places = size_t{1} << 21;
  auto *table = static_cast<uint64_t *>(pages(places * sizeof(uint64_t)));
  auto *records = static_cast<Record *>(pages(objects * sizeof(Record)));
  for (size_t i = 0; i < places; i++) {
    table[i] = random.Below(objects);
  }
  for (size_t i = 0; i < objects; i++) {
    records[i][0] = 0;
  }
  std::vector<uint64_t> plan(kBatch);
  std::vector<Time> waiting;
  std::vector<Time> known;
  uint64_t sum = 0;
  for (int batch = 0; batch < 22; batch++) {
    for (auto &place : plan) {
      place = random.Below(places);
    }
    const bool waits = batch % 2 == 0;
    const Time time = TimeOf([&] {
      uint64_t last = 0;
      if (waits) {
        for (const uint64_t place : plan) {
          // Always 0, which the processor knows only when it has read it.
          last = records[table[place + last]][0];
        }
      } else {
        for (const uint64_t place : plan) {
          last += records[table[place]][0];
        }
      }
      sum += last;
    });
    if (batch > 1) {
      (waits ? waiting : known).push_back(time / kBatch);
    }
  }
  REQUIRE(sum == 0);
  Outcome outcome = MedianOf(waiting);
  outcome.more += Member("overlapping", MedianOf(known).value);
  return outcome;
}

}  // namespace rows
