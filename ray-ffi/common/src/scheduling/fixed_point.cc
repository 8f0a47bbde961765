// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/fixed_point.h"

#include <sstream>

std::vector<FixedPoint> FixedPointVectorFromDouble(const std::vector<double> &vector) {
  return std::vector<FixedPoint>(vector.begin(), vector.end());
}

std::vector<double> FixedPointVectorToDouble(const std::vector<FixedPoint> &vector_fp) {
  std::vector<double> units;
  units.reserve(vector_fp.size());
  for (const FixedPoint &amount : vector_fp) {
    units.push_back(amount.Double());
  }
  return units;
}

std::string FixedPointVectorToString(const std::vector<FixedPoint> &vector) {
  std::ostringstream text;
  const char *separator = "[";
  for (const FixedPoint &amount : vector) {
    text << separator << amount;
    separator = ", ";
  }
  return vector.empty() ? "[]" : text.str() + "]";
}
