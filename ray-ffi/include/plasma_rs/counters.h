// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The counters of the stats collector, as Rust keeps them. `ray-ffi/src/stats_collector.rs` asserts the
// same layout.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace plasma_rs {

struct Tally {
  std::int64_t objects;
  std::int64_t bytes;
};

struct Counters {
  Tally spillable;
  Tally unsealed;
  Tally in_use;
  Tally evictable;
  Tally created_by_worker;
  Tally restored;
  Tally received;
  Tally errored;
  Tally created_total;
  /// By 2 * fallback_allocated + sealed.
  std::int64_t bytes_by_location[4];
};

static_assert(sizeof(Counters) == 22 * 8, "layout shared with Rust");
static_assert(offsetof(Counters, created_by_worker) == 64, "layout shared with Rust");
static_assert(offsetof(Counters, created_total) == 128, "layout shared with Rust");
static_assert(offsetof(Counters, bytes_by_location) == 144, "layout shared with Rust");

/// Reads bytes_by_location as the CounterMap that Ray has in its place.
class BytesByLocation {
 public:
  explicit BytesByLocation(const Counters &counters) : counters_(counters) {}

  /// \param key Whether fallback allocated, and whether sealed.
  std::int64_t Get(const std::pair<bool, bool> &key) const {
    return counters_.bytes_by_location[2 * key.first + key.second];
  }

 private:
  const Counters &counters_;
};

}  // namespace plasma_rs
