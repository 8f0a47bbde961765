// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

namespace ray {

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

  static bool IsLevelEnabled(RayLogLevel level);

 private:
  const RayLogLevel level_;
  const bool enabled_;
  std::ostringstream text_;
};

/// Makes a log expression fit for either side of `?:`.
class Voidify {
 public:
  void operator&(const RayLog &) {}
};

}  // namespace ray

#define RAY_LOG_ENABLED(level) ::ray::RayLog::IsLevelEnabled(::ray::RayLogLevel::level)

#define RAY_LOG(level) ::ray::RayLog(__FILE__, __LINE__, ::ray::RayLogLevel::level)

#define RAY_CHECK(condition)                                                   \
  (condition) ? static_cast<void>(0)                                           \
              : ::ray::Voidify() & RAY_LOG(FATAL) << " Check failed: " #condition " "

#ifdef NDEBUG
#define RAY_DCHECK(condition) RAY_CHECK(true || (condition))
#else
#define RAY_DCHECK(condition) RAY_CHECK(condition)
#endif
