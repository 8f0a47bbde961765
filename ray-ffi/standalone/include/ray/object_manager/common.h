// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "ray/common/id.h"
#include "ray/common/status.h"

namespace ray {

/// Is called when space is needed. Returns whether objects are being spilled.
using SpillObjectsCallback = std::function<bool()>;

/// The head of a mutable object, in shared memory. Layout of Ray's.
struct PlasmaObjectHeader {
  enum class SemaphoresCreationLevel : int { kUnitialized, kInitializing, kDone };

  std::atomic<SemaphoresCreationLevel> semaphores_created =
      SemaphoresCreationLevel::kUnitialized;
  /// "<process id>-<nanoseconds since 1970>"; semaphores are named after it.
  char unique_name[32];
  int64_t version = 0;
  bool is_sealed = false;
  std::atomic<bool> has_error = false;
  int64_t num_readers = 0;
  uint64_t num_read_acquires_remaining = 0;
  uint64_t num_read_releases_remaining = 0;
  uint64_t data_size = 0;
  uint64_t metadata_size = 0;

  /// Makes it a header that nobody has written or read yet, with a new name.
  void Init();
};

/// What the creator of an object says of it.
struct ObjectInfo {
  ObjectID object_id;
  bool is_mutable = false;
  int64_t data_size = 0;
  int64_t metadata_size = 0;
  NodeID owner_node_id;
  std::string owner_ip_address;
  int owner_port = 0;
  WorkerID owner_worker_id;

  /// Bytes of header, data and metadata.
  int64_t GetObjectSize() const {
    return data_size + metadata_size + (is_mutable ? sizeof(PlasmaObjectHeader) : 0);
  }

  bool operator==(const ObjectInfo &other) const {
    return object_id == other.object_id && data_size == other.data_size &&
           metadata_size == other.metadata_size && owner_node_id == other.owner_node_id &&
           owner_ip_address == other.owner_ip_address && owner_port == other.owner_port &&
           owner_worker_id == other.owner_worker_id;
  }
};

/// Is called when an object was sealed.
using AddObjectCallback = std::function<void(const ObjectInfo &)>;

/// Is called when a sealed object has gone.
using DeleteObjectCallback = std::function<void(const ObjectID &)>;

}  // namespace ray
