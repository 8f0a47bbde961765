// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: what an object is described by, and the header of a mutable one.

#pragma once

#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ray/common/id.h"
#include "ray/common/status.h"

#ifndef PSEMNAMLEN
/// Bytes that the name of a channel's semaphores may have.
#define PSEMNAMLEN 30UL
#endif

namespace ray {

/// Is called when space is needed. Returns whether objects are being spilled.
using SpillObjectsCallback = std::function<bool()>;

/// Is called when space has become free.
using SpaceReleasedCallback = std::function<void()>;

/// Brings a spilled object back: its id, size and URL, and what to call then.
using RestoreSpilledObjectCallback = std::function<void(const ObjectID &,
                                                        int64_t size,
                                                        const std::string &,
                                                        std::function<void(const ray::Status &)>)>;

/// The head of a mutable object, in shared memory. Layout of Ray's. Writer and readers take turns by it; docs/channels.md
/// says how. Every function returns ChannelError once an end has failed, closed or died.
struct PlasmaObjectHeader {
  /// Both have been opened by a MutableObjectManager, or else nobody notices that another process dies.
  struct Semaphores {
    /// The right to write.
    sem_t *object_sem;
    /// The right to look at the header.
    sem_t *header_sem;
  };

  enum class SemaphoresCreationLevel : int { kUnitialized, kInitializing, kDone };

  using TimePoint = std::chrono::steady_clock::time_point;

  /// Who finds kUnitialized here and makes it kInitializing makes the semaphores.
  std::atomic<SemaphoresCreationLevel> semaphores_created =
      SemaphoresCreationLevel::kUnitialized;
  /// "<process id>-<nanoseconds since 1970>"; semaphores are named after it.
  char unique_name[32];
  /// How many writes have begun.
  int64_t version = 0;
  /// Whether that version has been written.
  bool is_sealed = false;
  /// Whether the channel is closed.
  std::atomic<bool> has_error = false;
  /// How many readers the version is for; -1: any number.
  int64_t num_readers = 0;
  /// How many of them have not begun to read it.
  uint64_t num_read_acquires_remaining = 0;
  /// How many have not finished.
  uint64_t num_read_releases_remaining = 0;
  uint64_t data_size = 0;
  uint64_t metadata_size = 0;

  /// Begins a version, when all readers of the last one have finished.
  ///
  /// \param timeout_point When to stop waiting; tries at least once. Without it, waits for ever.
  /// \return ChannelTimeoutError then.
  Status WriteAcquire(Semaphores &sem,
                      uint64_t data_size,
                      uint64_t metadata_size,
                      int64_t num_readers,
                      const std::optional<TimePoint> &timeout_point = std::nullopt);

  /// Lets the readers have the version.
  Status WriteRelease(Semaphores &sem);

  /// Waits for a version and begins to read it.
  ///
  /// \param[out] version_read The version; 0 of an object for any number of readers.
  /// \param check_signals Is asked from time to time while this waits; an error ends the wait. May be null.
  /// \return Invalid when the version has been written over or enough readers have it; as WriteAcquire.
  Status ReadAcquire(const ObjectID &object_id,
                     Semaphores &sem,
                     int64_t version_to_read,
                     int64_t &version_read,
                     const std::function<Status()> &check_signals,
                     const std::optional<TimePoint> &timeout_point = std::nullopt);

  /// Has read a version. The last reader of it lets the writer write again.
  Status ReadRelease(Semaphores &sem, int64_t read_version);

  /// Makes it a header that nobody has written or read yet, with a new name.
  void Init();

  /// Takes one of the semaphores, unless the channel is closed.
  Status TryToAcquireSemaphore(sem_t *sem,
                               const std::optional<TimePoint> &timeout_point = std::nullopt,
                               const std::function<Status()> &check_signals = nullptr) const;

  /// Closes the channel and wakes everybody. Waits for nothing, and may be called again.
  void SetErrorUnlocked(Semaphores &sem);

  /// \return ChannelError when the channel is closed.
  Status CheckHasError() const;
};

/// Logs the header, at level DEBUG.
void PrintPlasmaObjectHeader(const PlasmaObjectHeader *header);

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
