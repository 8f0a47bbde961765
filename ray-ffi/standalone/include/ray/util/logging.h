// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "ray/util/macros.h"

namespace ray {

inline constexpr std::string_view kLogKeyClusterID = "cluster_id";
inline constexpr std::string_view kLogKeyJobID = "job_id";
inline constexpr std::string_view kLogKeyWorkerID = "worker_id";
inline constexpr std::string_view kLogKeyNodeID = "node_id";
inline constexpr std::string_view kLogKeyActorID = "actor_id";
inline constexpr std::string_view kLogKeyTaskID = "task_id";
inline constexpr std::string_view kLogKeyObjectID = "object_id";
inline constexpr std::string_view kLogKeyPlacementGroupID = "placement_group_id";
inline constexpr std::string_view kLogKeyLeaseID = "lease_id";

/// Types whose values are fields of a log line name the field here, as `key`.
template <typename T>
struct DefaultLogKey {};

enum class RayLogLevel {
  TRACE = -2,
  DEBUG = -1,
  INFO = 0,
  WARNING = 1,
  ERROR = 2,
  FATAL = 3,
};

/// One line on standard error. FATAL ends the process when the line is complete.
///
/// Only lines from the level of the environment variable RAY_BACKEND_LOG_LEVEL upwards are written (trace,
/// debug, info, warning, error, fatal); without it, from WARNING upwards.
class RayLog {
 public:
  RayLog(const char *file, int line, RayLogLevel level);
  ~RayLog();
  RayLog(const RayLog &) = delete;
  RayLog &operator=(const RayLog &) = delete;

  template <typename T>
  RayLog &operator<<(const T &value) {
    if (enabled_) {
      text_ << value;
    }
    return *this;
  }

  /// A field of the line. Fields come after the text.
  template <typename T>
  RayLog &WithField(std::string_view key, const T &value) {
    if (enabled_) {
      fields_ << " " << key << "=" << value;
    }
    return *this;
  }
  template <typename T>
  RayLog &WithField(const T &value) {
    return WithField(DefaultLogKey<T>::key, value);
  }

  static bool IsLevelEnabled(RayLogLevel level);

 private:
  const RayLogLevel level_;
  const bool enabled_;
  std::ostringstream text_;
  std::ostringstream fields_;
};

/// Makes a log expression fit for either side of `?:`.
class Voidify {
 public:
  void operator&(const RayLog &) {}
};

}  // namespace ray

#define RAY_LOG_ENABLED(level) ::ray::RayLog::IsLevelEnabled(::ray::RayLogLevel::level)

#define RAY_LOG(level) ::ray::RayLog(__FILE__, __LINE__, ::ray::RayLogLevel::level)

/// Ends the process unless the condition holds; `display` is what it is called.
#define RAY_CHECK_WITH_DISPLAY(condition, display)                             \
  RAY_PREDICT_TRUE(condition)                                                  \
      ? static_cast<void>(0)                                                   \
      : ::ray::Voidify() & RAY_LOG(FATAL) << " Check failed: " display " "

#define RAY_CHECK(condition) RAY_CHECK_WITH_DISPLAY((condition), #condition)

#ifdef NDEBUG
#define RAY_DCHECK(condition) RAY_CHECK(true || (condition))
#else
#define RAY_DCHECK(condition) RAY_CHECK(condition)
#endif
