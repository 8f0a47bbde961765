// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

/// The settings that the allocator reads, from the environment variables that Ray reads them from.
class RayConfig {
 public:
  static RayConfig &instance();

  /// RAY_preallocate_plasma_memory: fill the primary region with pages at once. Off by default.
  bool preallocate_plasma_memory() const { return preallocate_plasma_memory_; }

  /// RAY_raylet_core_dump_exclude_plasma_store: leave the region out of core dumps. On by default.
  bool raylet_core_dump_exclude_plasma_store() const {
    return raylet_core_dump_exclude_plasma_store_;
  }

 private:
  RayConfig();

  const bool preallocate_plasma_memory_;
  const bool raylet_core_dump_exclude_plasma_store_;
};
