// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the store of a raylet, with everything that it needs.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "ray/common/asio/instrumented_io_context.h"
#include "ray/common/file_system_monitor.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/object_manager/plasma/store.h"

namespace plasma {

/// Makes an allocator and a store and runs them. Thread-safe. Queries before Start() and after the store has gone
/// are answered as for a store without objects.
class PlasmaStoreRunner {
 public:
  /// Aborts when the socket has no name, the memory is -1, or huge pages are wanted without a directory.
  ///
  /// \param system_memory Bytes for objects; less, with a warning, when the directory has not got as many.
  /// \param plasma_directory Where objects lie; /dev/shm when it is empty.
  /// \param fallback_directory Where those lie that do not fit; /tmp when it is empty.
  PlasmaStoreRunner(std::string socket_name,
                    int64_t system_memory,
                    bool hugepages_enabled,
                    std::string plasma_directory,
                    std::string fallback_directory);
  ~PlasmaStoreRunner();

  /// Runs the store on this thread and threads of its own, and returns after Stop(). The callbacks are those of store.h.
  void Start(ray::SpillObjectsCallback spill_objects_callback,
             std::function<void()> object_store_full_callback,
             ray::AddObjectCallback add_object_callback,
             ray::DeleteObjectCallback delete_object_callback);

  /// Lets Start() return. May be called before it and more than once.
  void Stop();

  bool IsPlasmaObjectSpillable(const ObjectID &object_id);
  int64_t GetCumulativeCreatedObjects() const;
  int64_t GetCumulativeCreatedBytes() const;
  /// Bytes of objects in files of their own on disk.
  int64_t GetFallbackAllocated() const;
  /// Calls back on the thread of Start().
  void GetAvailableMemoryAsync(std::function<void(size_t)> callback) const;

 private:
  /// The store while there is one.
  std::shared_ptr<PlasmaStore> Store() const;

  mutable std::mutex mutex_;
  const std::string socket_name_;
  int64_t system_memory_;
  const bool hugepages_enabled_;
  std::string plasma_directory_;
  std::string fallback_directory_;
  mutable instrumented_io_context main_service_{/*emit_metrics=*/false,
                                                /*running_on_single_thread=*/true};
  std::unique_ptr<PlasmaAllocator> allocator_;
  std::unique_ptr<ray::FileSystemMonitor> fs_monitor_;
  std::shared_ptr<PlasmaStore> store_;
};

/// The raylet's.
extern std::unique_ptr<PlasmaStoreRunner> plasma_store_runner;

}  // namespace plasma
