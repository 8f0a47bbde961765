// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Small things behind the stand-ins.

#include <pthread.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "ray/common/file_system_monitor.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/util/process_utils.h"
#include "ray/util/thread_utils.h"

void SetThreadName(const std::string &thread_name) {
  pthread_setname_np(pthread_self(), thread_name.substr(0, 15).c_str());
}

namespace ray {

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
