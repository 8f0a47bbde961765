// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Behind the stand-in for Ray's logging, which ids and statuses need.

#include "ray/util/logging.h"

#include <cstdlib>
#include <string_view>

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
    text_ << fields_.str() << "\n";
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

}  // namespace ray
