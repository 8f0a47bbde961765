// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Between the scheduling types and what crosses the border.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plasma_rs/scheduling/quantities.h"

namespace plasma_rs {

static_assert(sizeof(FixedPoint) == sizeof(std::int64_t), "ray_common::scheduling::FixedPoint");

inline const std::int64_t *RawAmounts(const std::vector<FixedPoint> &amounts) {
  return reinterpret_cast<const std::int64_t *>(amounts.data());
}

inline std::int64_t *RawAmounts(std::vector<FixedPoint> &amounts) {
  return reinterpret_cast<std::int64_t *>(amounts.data());
}

inline std::int64_t RawAmount(const FixedPoint &amount) {
  return reinterpret_cast<const std::int64_t &>(amount);
}

inline const std::uint8_t *Entries(const Quantities &set) {
  return reinterpret_cast<const std::uint8_t *>(set.begin());
}

inline std::uint8_t *Entries(Quantities &set) {
  return const_cast<std::uint8_t *>(reinterpret_cast<const std::uint8_t *>(set.begin()));
}

}  // namespace plasma_rs
