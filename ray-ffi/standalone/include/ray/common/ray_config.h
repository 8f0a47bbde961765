// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>
#include <string>

/// The settings of the store and its clients, from the environment variables that Ray reads them from: RAY_ and the
/// name of the setting.
class RayConfig {
 public:
  static RayConfig &instance();

  /// Whether to fill the primary region with pages at once. Off by default.
  bool preallocate_plasma_memory() const { return preallocate_plasma_memory_; }
  /// Whether the store leaves the region out of its core dumps. On by default.
  bool raylet_core_dump_exclude_plasma_store() const {
    return raylet_core_dump_exclude_plasma_store_;
  }
  /// Whether a client leaves what it maps out of its core dumps. On by default.
  bool worker_core_dump_exclude_plasma_store() const {
    return worker_core_dump_exclude_plasma_store_;
  }
  /// Seconds that a creation waits for space before it gets a file on disk. 2 by default.
  int64_t oom_grace_period_s() const { return oom_grace_period_s_; }
  /// Milliseconds between two tries of a creation that waits for space. 10 by default.
  uint32_t object_store_full_delay_ms() const { return object_store_full_delay_ms_; }
  /// The used part of a disk, from 0 to 1, above which nothing more is put there. 0.95 by default.
  float local_fs_capacity_threshold() const { return local_fs_capacity_threshold_; }
  /// Milliseconds between two looks at the disk. 100 by default.
  uint64_t local_fs_monitor_interval_ms() const { return local_fs_monitor_interval_ms_; }
  /// Whether objects are spilled to files. On by default.
  bool is_external_storage_type_fs() const { return is_external_storage_type_fs_; }
  /// How objects are spilled.
  const std::string &object_spilling_config() const { return object_spilling_config_; }
  /// Milliseconds between two reports of metrics. 10 000 by default; 0 for none.
  uint64_t metrics_report_interval_ms() const { return metrics_report_interval_ms_; }
  /// Whether to log statistics. On by default.
  bool event_stats() const { return event_stats_; }
  /// Milliseconds between two such lines. 60 000 by default; 0 for none.
  int64_t event_stats_print_interval_ms() const { return event_stats_print_interval_ms_; }
  /// How often a client tries to connect. 10 by default.
  int64_t raylet_client_num_connect_attempts() const { return num_connect_attempts_; }
  /// Milliseconds between two tries. 1000 by default.
  int64_t raylet_client_connect_timeout_milliseconds() const { return connect_timeout_ms_; }
  /// Predefined resources that come in whole things, commas between them. "GPU" by default.
  const std::string &predefined_unit_instance_resources() const {
    return predefined_unit_instance_resources_;
  }
  /// Other resources that do. "neuron_cores,TPU,NPU,HPU,RBLN" by default.
  const std::string &custom_unit_instance_resources() const {
    return custom_unit_instance_resources_;
  }
  /// Milliseconds between two questions whether a call that waits is to end. 1000 by default.
  int64_t get_check_signal_interval_milliseconds() const { return check_signal_interval_ms_; }

 private:
  RayConfig();

  const bool preallocate_plasma_memory_;
  const bool raylet_core_dump_exclude_plasma_store_;
  const bool worker_core_dump_exclude_plasma_store_;
  const int64_t oom_grace_period_s_;
  const uint32_t object_store_full_delay_ms_;
  const float local_fs_capacity_threshold_;
  const uint64_t local_fs_monitor_interval_ms_;
  const bool is_external_storage_type_fs_;
  const std::string object_spilling_config_;
  const uint64_t metrics_report_interval_ms_;
  const bool event_stats_;
  const int64_t event_stats_print_interval_ms_;
  const int64_t num_connect_attempts_;
  const int64_t connect_timeout_ms_;
  const std::string predefined_unit_instance_resources_;
  const std::string custom_unit_instance_resources_;
  const int64_t check_signal_interval_ms_;
};
