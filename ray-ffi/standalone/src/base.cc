// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Behind the stand-ins for Ray's base headers.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "ray/stats/metric.h"
#include "ray/util/logging.h"

namespace ray {

namespace stats {

/// A number that belongs to a set of tags. Once it is there it stays.
struct Number {
  explicit Number(const Tags &of) : tags(of) {}

  const Tags tags;
  std::atomic<double> value{0};
  std::atomic<std::uint64_t> count{0};
  std::atomic<Number *> next{nullptr};
};

/// Read without a lock; few, so that looking through them is faster than anything else.
struct Series {
  std::mutex adding;
  std::atomic<Number *> first{nullptr};

  Number *Find(const Tags &tags) const {
    Number *number = first.load(std::memory_order_acquire);
    while (number != nullptr && number->tags != tags) {
      number = number->next.load(std::memory_order_acquire);
    }
    return number;
  }

  Number &At(const Tags &tags) {
    Number *number = Find(tags);
    return number != nullptr ? *number : Add(tags);
  }

  Number &Add(const Tags &tags) {
    const std::lock_guard<std::mutex> lock(adding);
    if (Number *number = Find(tags)) {
      return *number;
    }
    // Never destroyed, as the series.
    auto *number = new Number(tags);
    number->next.store(first.load(std::memory_order_relaxed), std::memory_order_relaxed);
    first.store(number, std::memory_order_release);
    return *number;
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
  series_.At(tags).value.store(value, std::memory_order_relaxed);
}

void Histogram::Record(double /*value*/, const Tags &tags) {
  series_.At(tags).count.fetch_add(1, std::memory_order_relaxed);
}

std::map<std::string, double> RecordedMetrics() {
  std::map<std::string, double> recorded;
  const std::lock_guard<std::mutex> lock(all_series_mutex);
  for (auto &[name, series] : AllSeries()) {
    for (const Number *number = series.first; number != nullptr; number = number->next) {
      std::string key = name + "{";
      for (const auto &[tag, tag_value] : number->tags) {
        key += (key.back() == '{' ? "" : ",") + std::string(tag) + "=" + tag_value;
      }
      // A metric is a gauge or a histogram, and leaves the other one 0.
      recorded[key + "}"] = number->value + static_cast<double>(number->count);
    }
  }
  return recorded;
}

}  // namespace stats
}  // namespace ray
