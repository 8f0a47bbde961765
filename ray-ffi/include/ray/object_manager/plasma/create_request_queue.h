// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: creations that wait for space, first come, first served.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plasma_rs/create_queue_views.h"
#include "plasma_rs/handle.h"
#include "ray/common/file_system_monitor.h"
#include "ray/common/status.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/connection.h"
#include "ray/object_manager/plasma/plasma.h"
#include "ray/object_manager/plasma/protocol.h"

namespace plasma_rs {
class CreateQueueHook;
}  // namespace plasma_rs

namespace plasma {

/// Requests to create objects. The head blocks those behind it. Not thread-safe; the callbacks must not call the
/// queue, except for `dump_debug_info_callback` and `spill_objects_callback`.
class CreateRequestQueue {
 public:
  /// Tries to create an object. OutOfMemory leaves the request in the queue, everything else ends it.
  using CreateObjectCallback =
      std::function<PlasmaError(bool fallback_allocator, PlasmaObject *result)>;

  /// \param fs_monitor Says whether the disk is too full for fallback files. Outlives the queue.
  /// \param oom_grace_period_s Seconds that the head waits after the last spilling before it gets a file on disk.
  /// \param spill_objects_callback Starts spilling. Returns whether objects are being spilled.
  /// \param trigger_global_gc May be empty.
  /// \param get_time Nanoseconds of any clock.
  /// \param dump_debug_info_callback What to log when an object fits nowhere. May be empty.
  CreateRequestQueue(ray::FileSystemMonitor &fs_monitor,
                     int64_t oom_grace_period_s,
                     ray::SpillObjectsCallback spill_objects_callback,
                     std::function<void()> trigger_global_gc,
                     std::function<int64_t()> get_time,
                     std::function<std::string()> dump_debug_info_callback = nullptr);
  ~CreateRequestQueue();

  CreateRequestQueue(const CreateRequestQueue &) = delete;
  CreateRequestQueue &operator=(const CreateRequestQueue &) = delete;

  /// Adds a request, without trying it.
  ///
  /// \param client Who asks; when it goes, so do its requests.
  /// \param object_size Bytes, for NumPendingBytes() and the log.
  /// \return The number of the request, from 1 upwards, for GetRequestResult().
  uint64_t AddRequest(const ObjectID &object_id,
                      const std::shared_ptr<ClientInterface> &client,
                      const CreateObjectCallback &create_callback,
                      const size_t object_size);

  /// Takes the result of a request, once.
  ///
  /// \param error UnexpectedError when there is no such request, or when its result was taken.
  /// \return False while the request waits.
  bool GetRequestResult(uint64_t req_id, PlasmaObject *result, PlasmaError *error);

  /// Tries at once, past the queue, with a file on disk as the last resort.
  std::pair<PlasmaObject, PlasmaError> TryRequestImmediately(
      const ObjectID &object_id,
      const std::shared_ptr<ClientInterface> &client,
      const CreateObjectCallback &create_callback,
      size_t object_size);

  /// Serves as many requests as possible.
  ///
  /// \return OK when none waits any more; TransientObjectStoreFull when the head waits for spilling, ObjectStoreFull
  /// when it waits for the end of the grace period, OutOfDisk when it was refused because the disk is full.
  Status ProcessRequests();

  /// Drops what a client that has gone was waiting for, and the results that it did not take.
  void RemoveDisconnectedClientRequests(const std::shared_ptr<ClientInterface> &client);

  size_t NumPendingRequests() const { return queue_.size(); }
  size_t NumPendingBytes() const;

 private:
  friend class CreateRequestQueueTest;

  std::unique_ptr<plasma_rs::CreateQueueHook> hook_;
  plasma_rs::Handle<plasma_rs::CreateQueueHandle> handle_;
  const plasma_rs::WaitingCreations queue_;
  const plasma_rs::UntakenCreations fulfilled_requests_;
};

}  // namespace plasma
