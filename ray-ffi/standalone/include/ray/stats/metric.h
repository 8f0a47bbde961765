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

/// The numbers of all metrics of one name.
struct Series;

/// A metric that keeps its numbers in the process, for programs that have no exporter. Thread-safe.
class Metric {
 public:
  explicit Metric(const std::string &name);

  const std::string &GetName() const { return name_; }

 protected:
  std::string name_;
  Series &series_;
};

/// Keeps the last value for each set of tags.
class Gauge : public Metric {
 public:
  using Metric::Metric;
  void Record(double value, const Tags &tags = {});
};

/// Counts the values for each set of tags.
class Histogram : public Metric {
 public:
  using Metric::Metric;
  void Record(double value, const Tags &tags = {});
};

/// By "name{key=value,...}": the last value of a gauge, or how many values a histogram has had.
std::map<std::string, double> RecordedMetrics();

}  // namespace stats
}  // namespace ray
