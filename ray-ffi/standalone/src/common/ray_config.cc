// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The settings behind the stand-ins, from the environment.

#include "ray/common/ray_config.h"

#include <cstdlib>
#include <sstream>
#include <string_view>

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

std::string Text(const std::string &name, const char *otherwise = "") {
  const char *value = Setting(name);
  return value == nullptr ? otherwise : value;
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
          NumberOf<int64_t>("raylet_client_connect_timeout_milliseconds", 1000)),
      predefined_unit_instance_resources_(Text("predefined_unit_instance_resources", "GPU")),
      custom_unit_instance_resources_(
          Text("custom_unit_instance_resources", "neuron_cores,TPU,NPU,HPU,RBLN")),
      check_signal_interval_ms_(
          NumberOf<int64_t>("get_check_signal_interval_milliseconds", 1000)) {}

RayConfig &RayConfig::instance() {
  static RayConfig config;
  return config;
}
