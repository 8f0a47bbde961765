// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Rows of the allocator: how long it takes, and how full a region gets.

#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rows_support.h"

namespace rows {

inline Outcome Pairs(PlasmaAllocator &allocator, int warm_up, int batch) {
  const auto pairs = [&](int count) {
    for (int i = 0; i < count; i++) {
      allocator.Free(Allocate(allocator, 1024));
    }
  };
  pairs(warm_up);
  std::vector<Time> times;
  for (int i = 0; i < 10; i++) {
    times.push_back(TimeOf([&] { pairs(batch); }) / batch);
  }
  return MedianOf(times);
}

inline Outcome AllocLifo() {
  const auto allocator = NewAllocator(kGiB);
  return Pairs(*allocator, 200'000, 500'000);
}

inline Outcome AllocLifoWithFallbacks() {
  const auto allocator = NewAllocator(64 * kMiB);
  Allocation hole = Allocate(*allocator, kMiB);
  std::vector<Allocation> kept;
  for (const int64_t size : {kMiB, 64 * kKiB, 4 * kKiB, kKiB, int64_t{64}}) {
    while (auto allocation = allocator->Allocate(static_cast<size_t>(size))) {
      kept.push_back(std::move(*allocation));
    }
  }
  for (int i = 0; i < 1000; i++) {
    auto allocation = allocator->FallbackAllocate(4096);
    REQUIRE(allocation.has_value() && allocation->fallback_allocated_);
    kept.push_back(std::move(*allocation));
  }
  allocator->Free(std::move(hole));
  return Pairs(*allocator, 20'000, 50'000);
}

/// Frees one of `live` at random and allocates another, again and again: sizes from half of `nominal` to one and a half.
template <typename Allocator>
Outcome Replace(Allocator &allocator,
                std::vector<Allocation> &live,
                Random &random,
                int64_t nominal) {
  constexpr int kBatch = 20'000;
  std::vector<std::pair<size_t, int64_t>> plan(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 30; batch++) {
    for (auto &[which, bytes] : plan) {
      which = random.Below(live.size());
      bytes = random.Between(nominal / 2, nominal + nominal / 2);
    }
    const Time time = TimeOf([&] {
      for (const auto &[which, bytes] : plan) {
        allocator.Free(std::move(live[which]));
        live[which] = Allocate(allocator, bytes);
      }
    });
    if (batch >= 5) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

constexpr int kLive = 10'000;

inline Outcome AllocRandom(int64_t nominal) {
  const auto allocator = NewAllocator(16 * kGiB);
  Random random(1);
  std::vector<Allocation> live;
  for (int i = 0; i < kLive; i++) {
    live.push_back(Allocate(*allocator, random.Between(nominal / 2, nominal + nominal / 2)));
  }
  return Replace(*allocator, live, random, nominal);
}

/// A region of 1 GiB and allocations of 1 KiB to 4 MiB in it.
class Packing {
 public:
  Packing(bool logarithmic, uint64_t seed)
      : logarithmic_(logarithmic), allocator_(NewAllocator(kGiB)), random_(seed * 7919) {}

  bool Add() {
    operations_++;
    auto allocation = allocator_->Allocate(static_cast<size_t>(Size()));
    if (allocation.has_value()) {
      live_.push_back(std::move(*allocation));
      return true;
    }
    return false;
  }
  void Fill() {
    while (Add()) {
    }
  }
  void DropOne() {
    operations_++;
    const size_t which = random_.Below(live_.size());
    allocator_->Free(std::move(live_[which]));
    if (which + 1 != live_.size()) {
      live_[which] = std::move(live_.back());
    }
    live_.pop_back();
  }
  double Percent() const {
    return 100.0 * static_cast<double>(allocator_->Allocated()) / static_cast<double>(kGiB);
  }
  uint64_t operations() const { return operations_; }

 private:
  int64_t Size() {
    if (!logarithmic_) {
      return random_.Between(kKiB, 4 * kMiB);
    }
    const double low = std::log(1024.0);
    const double high = std::log(4194304.0);
    return static_cast<int64_t>(std::floor(std::exp(low + random_.Unit() * (high - low))));
  }

  bool logarithmic_;
  std::unique_ptr<PlasmaAllocator> allocator_;
  Random random_;
  std::vector<Allocation> live_;
  uint64_t operations_ = 0;
};

struct Packed {
  double filled;
  double churned;
  double refilled;
  double nanoseconds;
};

/// Always full.
inline Packed PackFull(Packing &packing) {
  Packed packed{};
  packing.Fill();
  packed.filled = packing.Percent();
  const uint64_t before = packing.operations();
  const Time time = TimeOf([&] {
    for (int i = 0; i < 20'000; i++) {
      packing.DropOne();
      packing.Fill();
    }
  });
  packed.nanoseconds = time.processor / static_cast<double>(packing.operations() - before);
  packed.churned = packing.Percent();
  while (packing.Percent() > 80) {
    packing.DropOne();
  }
  packing.Fill();
  packed.refilled = packing.Percent();
  return packed;
}

/// One for one, from four fifths on.
inline Packed PackReplacing(Packing &packing) {
  Packed packed{};
  while (packing.Percent() < 80) {
    REQUIRE(packing.Add());
  }
  packed.filled = packing.Percent();
  const uint64_t before = packing.operations();
  const Time time = TimeOf([&] {
    bool fits = true;
    for (int i = 0; i < 20'000 && fits; i++) {
      packing.DropOne();
      fits = packing.Add();
    }
  });
  packed.nanoseconds = time.processor / static_cast<double>(packing.operations() - before);
  packed.churned = packing.Percent();
  packing.Fill();
  packed.refilled = packing.Percent();
  return packed;
}

/// Each seed in a process of its own.
inline Outcome Pack(Packed (*pack)(Packing &), bool logarithmic, uint64_t seeds) {
  Packed sum{};
  double worst = 100;
  const auto count = static_cast<double>(seeds);
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    Packed packed{};
    if (child == 0) {
      Packing packing(logarithmic, seed);
      packed = pack(packing);
      _exit(write(ends[1], &packed, sizeof packed) == sizeof packed ? 0 : 1);
    }
    REQUIRE(read(ends[0], &packed, sizeof packed) == sizeof packed);
    waitpid(child, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    sum.filled += packed.filled / count;
    sum.churned += packed.churned / count;
    sum.refilled += packed.refilled / count;
    sum.nanoseconds += packed.nanoseconds / count;
    worst = std::min(worst, packed.refilled);
  }
  return {sum.refilled,
          "percent",
          Member("worst", worst) + Member("filled", sum.filled) +
              Member("churned", sum.churned) + Member("operation_ns", sum.nanoseconds)};
}

}  // namespace rows
