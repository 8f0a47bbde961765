// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ray {
namespace stats {

using Tags = std::vector<std::pair<std::string_view, std::string>>;

/// A metric that keeps its numbers in the process, for programs that have no exporter. Thread-safe.
class Metric {
 public:
  explicit Metric(std::string name) : name_(std::move(name)) {}

  const std::string &GetName() const { return name_; }

 protected:
  /// "name{key=value,...}"
  std::string Series(const Tags &tags) const;

 private:
  std::string name_;
};

/// Keeps the last value of each series.
class Gauge : public Metric {
 public:
  using Metric::Metric;
  void Record(double value, const Tags &tags = {});
};

/// Counts the values of each series.
class Histogram : public Metric {
 public:
  using Metric::Metric;
  void Record(double value, const Tags &tags = {});
};

/// The last value of each gauge series, and how many values each histogram series has had.
std::map<std::string, double> RecordedMetrics();

}  // namespace stats
}  // namespace ray
