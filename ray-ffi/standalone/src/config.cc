// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The settings, statuses and small things behind the stand-ins.

#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include "ray/common/file_system_monitor.h"
#include "ray/common/ray_config.h"
#include "ray/common/status.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/util/process_utils.h"
#include "ray/util/thread_utils.h"

namespace {

const char *Setting(const std::string &name) { return std::getenv(("RAY_" + name).c_str()); }

bool Flag(const std::string &name, bool otherwise) {
  const char *value = Setting(name);
  if (value == nullptr) {
    return otherwise;
  }
  const std::string_view text(value);
  return text == "1" || text == "true" || text == "True";
}

template <typename Number>
Number NumberOf(const std::string &name, Number otherwise) {
  const char *value = Setting(name);
  if (value == nullptr) {
    return otherwise;
  }
  std::istringstream text{std::string(value)};
  Number number;
  return text >> number ? number : otherwise;
}

std::string Text(const std::string &name) {
  const char *value = Setting(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

RayConfig::RayConfig()
    : preallocate_plasma_memory_(Flag("preallocate_plasma_memory", false)),
      raylet_core_dump_exclude_plasma_store_(Flag("raylet_core_dump_exclude_plasma_store", true)),
      worker_core_dump_exclude_plasma_store_(Flag("worker_core_dump_exclude_plasma_store", true)),
      oom_grace_period_s_(NumberOf<int64_t>("oom_grace_period_s", 2)),
      object_store_full_delay_ms_(NumberOf<uint32_t>("object_store_full_delay_ms", 10)),
      local_fs_capacity_threshold_(NumberOf<float>("local_fs_capacity_threshold", 0.95F)),
      local_fs_monitor_interval_ms_(NumberOf<uint64_t>("local_fs_monitor_interval_ms", 100)),
      is_external_storage_type_fs_(Flag("is_external_storage_type_fs", true)),
      object_spilling_config_(Text("object_spilling_config")),
      metrics_report_interval_ms_(NumberOf<uint64_t>("metrics_report_interval_ms", 10000)),
      event_stats_(Flag("event_stats", true)),
      event_stats_print_interval_ms_(NumberOf<int64_t>("event_stats_print_interval_ms", 60000)),
      num_connect_attempts_(NumberOf<int64_t>("raylet_client_num_connect_attempts", 10)),
      connect_timeout_ms_(
          NumberOf<int64_t>("raylet_client_connect_timeout_milliseconds", 1000)) {}

RayConfig &RayConfig::instance() {
  static RayConfig config;
  return config;
}

void SetThreadName(const std::string &thread_name) {
  pthread_setname_np(pthread_self(), thread_name.substr(0, 15).c_str());
}

namespace ray {
namespace {

const char *NameOf(StatusCode code) {
  switch (code) {
  case StatusCode::OK:
    return "OK";
  case StatusCode::OutOfMemory:
    return "Out of memory";
  case StatusCode::Invalid:
    return "Invalid";
  case StatusCode::IOError:
    return "IOError";
  case StatusCode::UnknownError:
    return "Unknown error";
  case StatusCode::NotImplemented:
    return "NotImplemented";
  case StatusCode::TimedOut:
    return "TimedOut";
  case StatusCode::NotFound:
    return "NotFound";
  case StatusCode::Disconnected:
    return "Disconnected";
  case StatusCode::ObjectExists:
    return "ObjectExists";
  case StatusCode::ObjectNotFound:
    return "ObjectNotFound";
  case StatusCode::ObjectAlreadySealed:
    return "ObjectAlreadySealed";
  case StatusCode::ObjectStoreFull:
    return "ObjectStoreFull";
  case StatusCode::TransientObjectStoreFull:
    return "TransientObjectStoreFull";
  case StatusCode::OutOfDisk:
    return "OutOfDisk";
  case StatusCode::InvalidArgument:
    return "InvalidArgument";
  }
  return "Unknown code";
}

}  // namespace

std::string Status::ToString() const {
  return ok() ? "OK" : std::string(NameOf(code())) + ": " + message();
}

FileSystemMonitor::FileSystemMonitor(std::vector<std::string> paths,
                                     double capacity_threshold,
                                     uint64_t /*monitor_interval_ms*/)
    : paths_(std::move(paths)), capacity_threshold_(capacity_threshold) {}

bool FileSystemMonitor::OverCapacity() const {
  for (const auto &path : paths_) {
    std::error_code error;
    const auto space = std::filesystem::space(path, error);
    if (!error && space.capacity > 0 &&
        static_cast<double>(space.capacity - space.available) >
            capacity_threshold_ * static_cast<double>(space.capacity)) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> ParseSpillingPaths(const std::string & /*spilling_config*/) {
  return {};
}

void QuickExit() { _exit(1); }

}  // namespace ray

namespace plasma {
namespace flatbuf {

const char *EnumNameMessageType(MessageType type) {
  static constexpr const char *kNames[] = {"PlasmaDisconnectClient",
                                           "PlasmaCreateRequest",
                                           "PlasmaCreateRetryRequest",
                                           "PlasmaCreateReply",
                                           "PlasmaAbortRequest",
                                           "PlasmaAbortReply",
                                           "PlasmaSealRequest",
                                           "PlasmaSealReply",
                                           "PlasmaGetRequest",
                                           "PlasmaGetReply",
                                           "PlasmaReleaseRequest",
                                           "PlasmaReleaseReply",
                                           "PlasmaDeleteRequest",
                                           "PlasmaDeleteReply",
                                           "PlasmaContainsRequest",
                                           "PlasmaContainsReply",
                                           "PlasmaConnectRequest",
                                           "PlasmaConnectReply",
                                           "PlasmaGetDebugStringRequest",
                                           "PlasmaGetDebugStringReply"};
  const auto number = static_cast<std::uint64_t>(type);
  return number < sizeof(kNames) / sizeof(*kNames) ? kNames[number] : "";
}

}  // namespace flatbuf
}  // namespace plasma
