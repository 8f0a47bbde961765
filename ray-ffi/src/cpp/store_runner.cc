// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/store_runner.h"

#include <sys/statvfs.h>

#include <utility>
#include <vector>

#include "ray/common/ray_config.h"
#include "ray/object_manager/plasma/malloc.h"
#include "ray/util/logging.h"
#include "ray/util/thread_utils.h"

namespace plasma {

namespace {

/// Bytes that a directory can take, less a tenth for what surrounds objects; -1 when nobody knows.
int64_t RoomIn(const std::string &directory) {
  struct statvfs space = {};
  if (statvfs(directory.c_str(), &space) != 0) {
    return -1;
  }
  return static_cast<int64_t>(space.f_bsize * space.f_bavail / 10 * 9);
}

}  // namespace

std::unique_ptr<PlasmaStoreRunner> plasma_store_runner;

PlasmaStoreRunner::PlasmaStoreRunner(std::string socket_name,
                                     int64_t system_memory,
                                     bool hugepages_enabled,
                                     std::string plasma_directory,
                                     std::string fallback_directory)
    : socket_name_(std::move(socket_name)),
      system_memory_(system_memory),
      hugepages_enabled_(hugepages_enabled),
      plasma_directory_(std::move(plasma_directory)),
      fallback_directory_(std::move(fallback_directory)) {
  RAY_CHECK(!socket_name_.empty()) << "the plasma store needs the name of a socket";
  RAY_CHECK(system_memory_ != -1) << "the plasma store must be told how much memory it has";
  RAY_LOG(INFO) << "The plasma store may use up to " << static_cast<double>(system_memory_) / 1e9
                << " GB of memory.";
  RAY_CHECK(!hugepages_enabled_ || !plasma_directory_.empty())
      << "huge pages need the directory of a file system that has them";
  if (plasma_directory_.empty()) {
    plasma_directory_ = "/dev/shm";
  }
  if (fallback_directory_.empty()) {
    fallback_directory_ = "/tmp";
  }
  RAY_LOG(INFO) << "Objects lie in " << plasma_directory_ << ", those that do not fit in "
                << fallback_directory_ << "; huge pages are "
                << (hugepages_enabled_ ? "enabled" : "disabled") << ".";
  if (hugepages_enabled_) {
    internal::SetMallocGranularity(1 << 30);
    return;
  }
  const int64_t room = RoomIn(plasma_directory_);
  if (room >= 0 && system_memory_ > room) {
    RAY_LOG(WARNING) << "The plasma store was given " << system_memory_ << " bytes, but "
                     << plasma_directory_ << " has room for " << room
                     << " only, which it uses. Delete files there; in a container, make /dev/shm "
                        "larger (docker run --shm-size).";
    system_memory_ = room;
  }
}

PlasmaStoreRunner::~PlasmaStoreRunner() = default;

void PlasmaStoreRunner::Start(ray::SpillObjectsCallback spill_objects_callback,
                              std::function<void()> object_store_full_callback,
                              ray::AddObjectCallback add_object_callback,
                              ray::DeleteObjectCallback delete_object_callback) {
  SetThreadName("store.io");
  RAY_LOG(DEBUG) << "the plasma store listens on " << socket_name_;
  const auto work = boost::asio::make_work_guard(main_service_);
  {
    auto &config = RayConfig::instance();
    std::vector<std::string> watched;
    if (config.is_external_storage_type_fs()) {
      watched = ray::ParseSpillingPaths(config.object_spilling_config());
    }
    watched.push_back(fallback_directory_);
    const std::lock_guard<std::mutex> lock(mutex_);
    allocator_ = std::make_unique<PlasmaAllocator>(
        plasma_directory_, fallback_directory_, hugepages_enabled_, system_memory_);
    fs_monitor_ = std::make_unique<ray::FileSystemMonitor>(std::move(watched),
                                                           config.local_fs_capacity_threshold(),
                                                           config.local_fs_monitor_interval_ms());
    store_ = std::make_shared<PlasmaStore>(main_service_,
                                           *allocator_,
                                           *fs_monitor_,
                                           socket_name_,
                                           config.object_store_full_delay_ms(),
                                           std::move(spill_objects_callback),
                                           std::move(object_store_full_callback),
                                           std::move(add_object_callback),
                                           std::move(delete_object_callback));
    store_->Start();
  }
  main_service_.run();
  std::shared_ptr<PlasmaStore> store;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    store.swap(store_);
  }
  // Without the lock: a callback that is running may ask the runner.
  store->Stop();
}

void PlasmaStoreRunner::Stop() {
  if (const auto store = Store()) {
    store->Stop();
  }
  main_service_.stop();
}

std::shared_ptr<PlasmaStore> PlasmaStoreRunner::Store() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return store_;
}

bool PlasmaStoreRunner::IsPlasmaObjectSpillable(const ObjectID &object_id) {
  const auto store = Store();
  return store != nullptr && store->IsObjectSpillable(object_id);
}

int64_t PlasmaStoreRunner::GetCumulativeCreatedObjects() const {
  const auto store = Store();
  return store == nullptr ? 0 : store->GetCumulativeCreatedObjects();
}

int64_t PlasmaStoreRunner::GetCumulativeCreatedBytes() const {
  const auto store = Store();
  return store == nullptr ? 0 : store->GetCumulativeCreatedBytes();
}

int64_t PlasmaStoreRunner::GetFallbackAllocated() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return allocator_ == nullptr ? 0 : allocator_->FallbackAllocated();
}

void PlasmaStoreRunner::GetAvailableMemoryAsync(std::function<void(size_t)> callback) const {
  main_service_.post(
      [this, callback = std::move(callback)] {
        const auto store = Store();
        callback(store == nullptr ? static_cast<size_t>(system_memory_)
                                  : store->GetAvailableMemory());
      },
      "PlasmaStoreRunner.GetAvailableMemory");
}

}  // namespace plasma
