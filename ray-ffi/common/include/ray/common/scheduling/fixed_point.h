// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Amounts of resources: whole numbers of ten-thousandths. Inline, for an amount is a value; ray-common has the same in Rust.

#pragma once

#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "ray/common/constants.h"

/// An amount. Sums are exact; what would overflow stays at the largest or smallest amount. What is smaller than a ten-thousandth
/// is cut off when a floating-point number becomes an amount, and NaN becomes nothing.
class FixedPoint {
 public:
  constexpr FixedPoint() = default;
  constexpr FixedPoint(double units) : i_(Parts(units)) {}                                   // NOLINT
  constexpr FixedPoint(int units) : i_(static_cast<int64_t>(units) * kResourceUnitScaling) {}  // NOLINT
  /// By way of the floating-point number, so that equal numbers of either type are equal amounts.
  constexpr FixedPoint(int64_t units) : FixedPoint(static_cast<double>(units)) {}  // NOLINT

  static FixedPoint Sum(const std::vector<FixedPoint> &list) {
    FixedPoint sum;
    for (const FixedPoint &amount : list) {
      sum += amount;
    }
    return sum;
  }

  constexpr FixedPoint operator+(const FixedPoint &other) const { return Raw(Plus(i_, other.i_)); }
  constexpr FixedPoint operator-(const FixedPoint &other) const { return Raw(Minus(i_, other.i_)); }
  constexpr FixedPoint operator-() const { return Raw(Minus(0, i_)); }
  constexpr FixedPoint operator+(double units) const { return *this + FixedPoint(units); }
  constexpr FixedPoint operator-(double units) const { return *this - FixedPoint(units); }

  constexpr FixedPoint &operator+=(const FixedPoint &other) { return *this = *this + other; }
  constexpr FixedPoint &operator-=(const FixedPoint &other) { return *this = *this - other; }
  constexpr FixedPoint &operator+=(double units) { return *this += FixedPoint(units); }
  constexpr FixedPoint &operator+=(int64_t units) { return *this += FixedPoint(units); }
  constexpr FixedPoint &operator=(double units) { return *this = FixedPoint(units); }
  constexpr FixedPoint(const FixedPoint &) = default;
  constexpr FixedPoint &operator=(const FixedPoint &) = default;

  constexpr bool operator<(const FixedPoint &other) const { return i_ < other.i_; }
  constexpr bool operator>(const FixedPoint &other) const { return i_ > other.i_; }
  constexpr bool operator<=(const FixedPoint &other) const { return i_ <= other.i_; }
  constexpr bool operator>=(const FixedPoint &other) const { return i_ >= other.i_; }
  constexpr bool operator==(const FixedPoint &other) const { return i_ == other.i_; }
  constexpr bool operator!=(const FixedPoint &other) const { return i_ != other.i_; }

  /// In units: the nearest floating-point number.
  [[nodiscard]] constexpr double Double() const {
    return static_cast<double>(i_) / kResourceUnitScaling;
  }

  /// Prints the ten-thousandths.
  friend std::ostream &operator<<(std::ostream &out, const FixedPoint &amount) {
    return out << amount.i_;
  }

 private:
  using Limits = std::numeric_limits<int64_t>;

  static constexpr FixedPoint Raw(int64_t parts) {
    FixedPoint amount;
    amount.i_ = parts;
    return amount;
  }

  // Whoever adds a negative number that does not fit has gone below the smallest.
  static constexpr int64_t Plus(int64_t left, int64_t right) {
    int64_t sum = 0;
    return !__builtin_add_overflow(left, right, &sum) ? sum : right < 0 ? Limits::min() : Limits::max();
  }
  static constexpr int64_t Minus(int64_t left, int64_t right) {
    int64_t rest = 0;
    return !__builtin_sub_overflow(left, right, &rest) ? rest
           : right < 0                                 ? Limits::max()
                                                       : Limits::min();
  }

  // C++ does not say what a number becomes that does not fit.
  static constexpr int64_t Parts(double units) {
    const double parts = units * kResourceUnitScaling;
    constexpr double kLimit = 9223372036854775808.0;
    if (__builtin_fabs(parts) < kLimit) {
      return static_cast<int64_t>(parts);
    }
    return parts > 0 ? Limits::max() : parts < 0 ? Limits::min() : 0;
  }

  int64_t i_ = 0;
};

std::vector<FixedPoint> FixedPointVectorFromDouble(const std::vector<double> &vector);

std::vector<double> FixedPointVectorToDouble(const std::vector<FixedPoint> &vector_fp);

/// `[10000, 5000]`
std::string FixedPointVectorToString(const std::vector<FixedPoint> &vector);
