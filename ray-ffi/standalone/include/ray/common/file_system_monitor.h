// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ray {

/// Says whether a disk is too full. Looks when it is asked.
class FileSystemMonitor {
 public:
  /// Finds no disk full.
  FileSystemMonitor() = default;
  /// \param capacity_threshold The used part, from 0 to 1, above which a disk is full.
  FileSystemMonitor(std::vector<std::string> paths,
                    double capacity_threshold,
                    uint64_t monitor_interval_ms = 1000);

  /// Whether the disk of any of the paths is too full.
  bool OverCapacity() const;

 private:
  std::vector<std::string> paths_;
  double capacity_threshold_ = 1;
};

/// The directories in a configuration of spilling. Here always empty.
std::vector<std::string> ParseSpillingPaths(const std::string &spilling_config);

}  // namespace ray
