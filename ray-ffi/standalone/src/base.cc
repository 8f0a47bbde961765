// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Behind the stand-ins for Ray's base headers.

#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <string_view>

#include "ray/common/id.h"
#include "ray/object_manager/common.h"
#include "ray/stats/metric.h"
#include "ray/util/logging.h"

namespace ray {
namespace {

constexpr std::string_view kLevelNames[] = {
    "trace", "debug", "info", "warning", "error", "fatal"};

int Index(RayLogLevel level) { return static_cast<int>(level) + 2; }

RayLogLevel LowestLevel() {
  const char *wanted = std::getenv("RAY_BACKEND_LOG_LEVEL");
  for (int index = 0; wanted != nullptr && index < 6; index++) {
    if (kLevelNames[index] == wanted) {
      return static_cast<RayLogLevel>(index - 2);
    }
  }
  return RayLogLevel::WARNING;
}

}  // namespace

RayLog::RayLog(const char *file, int line, RayLogLevel level)
    : level_(level), enabled_(IsLevelEnabled(level)) {
  if (enabled_) {
    text_ << "[" << kLevelNames[Index(level)] << "] " << file << ":" << line << ": ";
  }
}

RayLog::~RayLog() {
  if (enabled_) {
    text_ << "\n";
    std::cerr << text_.str() << std::flush;
  }
  if (level_ == RayLogLevel::FATAL) {
    std::abort();
  }
}

bool RayLog::IsLevelEnabled(RayLogLevel level) {
  static const RayLogLevel lowest = LowestLevel();
  return level >= lowest || level == RayLogLevel::FATAL;
}

namespace internal {

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    const ssize_t count = getrandom(&bytes[filled], size - filled, 0);
    RAY_CHECK(count > 0 || errno == EINTR) << "the operating system has no random bytes";
    filled += count > 0 ? static_cast<size_t>(count) : 0;
  }
  return bytes;
}

std::string ToHex(const uint8_t *bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * size);
  for (size_t i = 0; i < size; i++) {
    hex.push_back(kDigits[bytes[i] >> 4]);
    hex.push_back(kDigits[bytes[i] & 15]);
  }
  return hex;
}

std::string FromHex(const std::string &hex, size_t size) {
  const auto value = [](char digit) {
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
  };
  std::string bytes;
  if (hex.size() != 2 * size) {
    RAY_LOG(ERROR) << "incorrect hex string length: " << hex.size();
    return bytes;
  }
  for (size_t i = 0; i < hex.size(); i += 2) {
    if (value(hex[i]) < 0 || value(hex[i + 1]) < 0) {
      RAY_LOG(ERROR) << "incorrect hex character, hex string: " << hex;
      return std::string();
    }
    bytes.push_back(static_cast<char>(value(hex[i]) * 16 + value(hex[i + 1])));
  }
  return bytes;
}

size_t HashBytes(const uint8_t *bytes, size_t size) {
  return std::hash<std::string_view>()({reinterpret_cast<const char *>(bytes), size});
}

}  // namespace internal

void PlasmaObjectHeader::Init() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto name =
      std::to_string(getpid()) + "-" +
      std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  RAY_CHECK(name.size() < sizeof(unique_name)) << name;
  semaphores_created = SemaphoresCreationLevel::kUnitialized;
  std::memset(unique_name, 0, sizeof(unique_name));
  std::memcpy(unique_name, name.data(), name.size());
  version = 0;
  is_sealed = false;
  has_error = false;
  num_readers = 0;
  num_read_acquires_remaining = 0;
  num_read_releases_remaining = 0;
  data_size = 0;
  metadata_size = 0;
}

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
