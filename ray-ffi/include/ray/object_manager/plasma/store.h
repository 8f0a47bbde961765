// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the store that clients connect to.

#pragma once

#include <utility>  // before Boost: 1.74 forgets it under C++20

#include <boost/asio.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plasma_rs/handle.h"
#include "ray/common/asio/instrumented_io_context.h"
#include "ray/common/file_system_monitor.h"
#include "ray/common/ray_config.h"
#include "ray/common/status.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/connection.h"
#include "ray/object_manager/plasma/create_request_queue.h"
#include "ray/object_manager/plasma/eviction_policy.h"
#include "ray/object_manager/plasma/get_request_queue.h"
#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/object_store.h"
#include "ray/object_manager/plasma/plasma.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/object_manager/plasma/protocol.h"

// Ray's own files expect these names from here. Without Abseil nothing here needs them.
#if __has_include("absl/synchronization/mutex.h")
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#endif

namespace plasma_rs {
class PlasmaStoreHook;
}  // namespace plasma_rs

namespace plasma {

using flatbuf::PlasmaError;
using ray::Status;

/// A store. Clients are served by threads of its own; the context of Asio is used for metrics and log lines that
/// come again and again. Thread-safe. The callbacks run on the store's threads, one at a time, and may call the store.
class PlasmaStore {
 public:
  /// \param allocator Where objects lie. Outlives the store and is used by it alone, as is `fs_monitor`.
  /// \param socket_name Path of the socket. One that a dead store left behind is replaced.
  /// \param delay_on_oom_ms Milliseconds between two tries of a creation that waits for space.
  /// \param spill_objects_callback Starts spilling. Returns whether objects are being spilled.
  /// \param object_store_full_callback Is called when an object does not fit.
  /// \param add_object_callback Is called for each object that was sealed, before any client sees it.
  /// \param delete_object_callback Is called for each sealed object that has gone.
  PlasmaStore(instrumented_io_context &main_service,
              IAllocator &allocator,
              ray::FileSystemMonitor &fs_monitor,
              const std::string &socket_name,
              uint32_t delay_on_oom_ms,
              ray::SpillObjectsCallback spill_objects_callback,
              std::function<void()> object_store_full_callback,
              ray::AddObjectCallback add_object_callback,
              ray::DeleteObjectCallback delete_object_callback);
  /// Stops.
  ~PlasmaStore();

  PlasmaStore(const PlasmaStore &) = delete;
  PlasmaStore &operator=(const PlasmaStore &) = delete;

  /// Begins to serve clients. Aborts when the socket cannot be used. After Stop() it does nothing.
  void Start();

  /// Ends all connections, waits for callbacks that are running, and removes the socket. May be called again.
  void Stop();

  /// Whether an object is sealed and has exactly one reference: that of the raylet, which may then spill it.
  bool IsObjectSpillable(const ObjectID &object_id);

  /// Objects and bytes ever created.
  int64_t GetCumulativeCreatedObjects() const;
  int64_t GetCumulativeCreatedBytes() const;

  /// Bytes that new objects could have if everything went that nobody uses. What is being written counts as unused.
  size_t GetAvailableMemory() const;

  /// Lines for people: how full it is, and what waits.
  std::string GetDebugDump() const;

 private:
  class Repeated;

  void RecordMetrics() const;

  instrumented_io_context &io_context_;
  IAllocator &allocator_;
  const std::string socket_name_;
  const uint32_t delay_on_oom_ms_;
  std::unique_ptr<plasma_rs::PlasmaStoreHook> hook_;
  plasma_rs::Handle<plasma_rs::PlasmaStoreHandle> handle_;
  /// Hold nothing of the store once they are cancelled.
  std::shared_ptr<Repeated> metrics_;
  std::shared_ptr<Repeated> debug_dumps_;
};

}  // namespace plasma
