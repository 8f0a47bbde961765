// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The containers in the signatures of the scheduling types: Abseil's inside Ray, the standard library's over the stand-ins.

#pragma once

#include "plasma_rs/base.h"

#ifdef PLASMA_RS_STANDALONE
#include <chrono>
#include <unordered_set>
#include <vector>
#else
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#endif

namespace plasma_rs {

#ifdef PLASMA_RS_STANDALONE
template <typename T>
using HashSet = std::unordered_set<T>;

template <typename T, int Inline>
using SmallVector = std::vector<T>;

using Time = std::chrono::system_clock::time_point;

inline Time Now() { return std::chrono::system_clock::now(); }
#else
template <typename T>
using HashSet = absl::flat_hash_set<T>;

/// So many elements need no allocation.
template <typename T, int Inline>
using SmallVector = absl::InlinedVector<T, Inline>;

using Time = absl::Time;

inline Time Now() { return absl::Now(); }
#endif

/// Whether a table or set has a key.
template <typename Container, typename Key>
bool Contains(const Container &container, const Key &key) {
  return container.find(key) != container.end();
}

}  // namespace plasma_rs
