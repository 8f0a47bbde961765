// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Behind the stand-ins for Ray's base headers.

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <mutex>

#include "ray/stats/metric.h"
#include "ray/util/logging.h"

namespace ray {

namespace stats {

struct Series {
  std::mutex mutex;
  // Few, so that looking through them is faster than anything else.
  std::vector<std::pair<Tags, double>> values;

  double &At(const Tags &tags) {
    for (auto &[known, value] : values) {
      if (known == tags) {
        return value;
      }
    }
    return values.emplace_back(tags, 0).second;
  }
};

namespace {

std::mutex all_series_mutex;

std::map<std::string, Series> &AllSeries() {
  // Never destroyed: metrics that are static themselves refer to it.
  static auto *all_series = new std::map<std::string, Series>();
  return *all_series;
}

Series &SeriesOf(const std::string &name) {
  const std::lock_guard<std::mutex> lock(all_series_mutex);
  return AllSeries()[name];
}

}  // namespace

Metric::Metric(const std::string &name) : name_(name), series_(SeriesOf(name)) {}

void Gauge::Record(double value, const Tags &tags) {
  const std::lock_guard<std::mutex> lock(series_.mutex);
  series_.At(tags) = value;
}

void Histogram::Record(double /*value*/, const Tags &tags) {
  const std::lock_guard<std::mutex> lock(series_.mutex);
  series_.At(tags) += 1;
}

std::map<std::string, double> RecordedMetrics() {
  std::map<std::string, double> recorded;
  const std::lock_guard<std::mutex> lock(all_series_mutex);
  for (auto &[name, series] : AllSeries()) {
    const std::lock_guard<std::mutex> series_lock(series.mutex);
    for (const auto &[tags, value] : series.values) {
      std::string key = name + "{";
      for (const auto &[tag, tag_value] : tags) {
        key += (key.back() == '{' ? "" : ",") + std::string(tag) + "=" + tag_value;
      }
      recorded[key + "}"] = value;
    }
  }
  return recorded;
}

}  // namespace stats
}  // namespace ray
