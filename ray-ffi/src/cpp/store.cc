// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/store.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "convert.h"
#include "metrics.h"
#include "ray-ffi/src/store.rs.h"
#include "ray/util/logging.h"
#include "socket_path.h"

namespace plasma_rs {

void HandleDeleter::operator()(PlasmaStoreHandle *handle) const {
  rust::Box<PlasmaStoreHandle>::from_raw(handle);
}

namespace {

/// Calls Ray's callbacks, one at a time: Ray's store calls them on one thread.
class PlasmaStoreFromCpp : public PlasmaStoreHook {
 public:
  PlasmaStoreFromCpp(const ray::FileSystemMonitor &fs_monitor,
                     ray::SpillObjectsCallback spill,
                     std::function<void()> full,
                     ray::AddObjectCallback added,
                     ray::DeleteObjectCallback deleted)
      : fs_monitor_(fs_monitor),
        spill_(std::move(spill)),
        full_(std::move(full)),
        added_(std::move(added)),
        deleted_(std::move(deleted)) {}

  void object_created(std::int64_t size, std::int32_t source) const override {
    RecordObjectSize(size, static_cast<plasma::flatbuf::ObjectSource>(source));
  }

  void object_added(const AddedObject &object) const override {
    ray::ObjectInfo info;
    info.object_id = ObjectIdFrom(object.object_id.data());
    info.is_mutable = object.is_mutable;
    info.data_size = object.data_size;
    info.metadata_size = object.metadata_size;
    info.owner_node_id = IdFrom<ray::NodeID>(object.owner_node_id);
    info.owner_ip_address = std::string(object.owner_ip_address);
    info.owner_port = object.owner_port;
    info.owner_worker_id = IdFrom<ray::WorkerID>(object.owner_worker_id);
    const std::lock_guard<std::mutex> lock(mutex_);
    added_(info);
  }

  void object_deleted(const std::uint8_t *id) const override {
    const auto object_id = ObjectIdFrom(id);
    const std::lock_guard<std::mutex> lock(mutex_);
    deleted_(object_id);
  }

  bool spill_objects() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return spill_();
  }

  void object_store_full() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (full_) {
      full_();
    }
  }

  bool disk_is_full() const override { return fs_monitor_.OverCapacity(); }

 private:
  const ray::FileSystemMonitor &fs_monitor_;
  ray::SpillObjectsCallback spill_;
  std::function<void()> full_;
  ray::AddObjectCallback added_;
  ray::DeleteObjectCallback deleted_;
  mutable std::mutex mutex_;
};

Counters CountersOf(const PlasmaStoreHandle &store) {
  Counters counters;
  store.read_counters(reinterpret_cast<std::uint8_t *>(&counters));
  return counters;
}

}  // namespace
}  // namespace plasma_rs

namespace plasma {

/// Does something now, and again and again on a context of Asio's until it is cancelled.
class PlasmaStore::Repeated : public std::enable_shared_from_this<Repeated> {
 public:
  Repeated(instrumented_io_context &io_context,
           std::chrono::milliseconds interval,
           std::function<void()> work)
      : timer_(io_context), interval_(interval), work_(std::move(work)) {}

  void Run() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!work_) {
      return;
    }
    work_();
    timer_.expires_after(interval_);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code &error) {
      if (!error) {
        self->Run();
      }
    });
  }

  /// Waits for work that is being done.
  void Cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    work_ = nullptr;
    timer_.cancel();
  }

 private:
  std::mutex mutex_;
  boost::asio::steady_timer timer_;
  const std::chrono::milliseconds interval_;
  std::function<void()> work_;
};

PlasmaStore::PlasmaStore(instrumented_io_context &main_service,
                         IAllocator &allocator,
                         ray::FileSystemMonitor &fs_monitor,
                         const std::string &socket_name,
                         uint32_t delay_on_oom_ms,
                         ray::SpillObjectsCallback spill_objects_callback,
                         std::function<void()> object_store_full_callback,
                         ray::AddObjectCallback add_object_callback,
                         ray::DeleteObjectCallback delete_object_callback)
    : io_context_(main_service),
      allocator_(allocator),
      socket_name_(socket_name),
      delay_on_oom_ms_(delay_on_oom_ms),
      hook_(std::make_unique<plasma_rs::PlasmaStoreFromCpp>(
          fs_monitor,
          std::move(spill_objects_callback),
          std::move(object_store_full_callback),
          std::move(add_object_callback),
          std::move(delete_object_callback))) {
  plasma_rs::PlasmaStoreOptions options;
  options.delay_on_full_ms = delay_on_oom_ms_;
  options.grace_period_s = RayConfig::instance().oom_grace_period_s();
  for (const char byte : plasma_rs::SocketPath(socket_name_)) {
    options.socket.push_back(static_cast<std::uint8_t>(byte));
  }
  const auto *own = plasma_rs::OwnHandle(allocator_);
  auto store = own != nullptr
                   ? plasma_rs::plasma_store_new(options, own, hook_.get())
                   : plasma_rs::plasma_store_new_foreign(
                         options,
                         std::make_unique<plasma_rs::AllocatorFromCpp>(allocator_),
                         hook_.get());
  handle_.reset(store.into_raw());
}

PlasmaStore::~PlasmaStore() { Stop(); }

void PlasmaStore::Start() {
  try {
    if (!handle_->start()) {
      return;
    }
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "the plasma store cannot be started: " << error.what();
  }
  auto &config = RayConfig::instance();
  if (config.event_stats() && config.event_stats_print_interval_ms() > 0) {
    debug_dumps_ = std::make_shared<Repeated>(
        io_context_,
        std::chrono::milliseconds(config.event_stats_print_interval_ms()),
        [this] { RAY_LOG(INFO) << GetDebugDump(); });
    debug_dumps_->Run();
  }
  if (config.metrics_report_interval_ms() > 0) {
    // Twice as often as they are reported.
    const auto interval = std::max<uint64_t>(1, config.metrics_report_interval_ms() / 2);
    metrics_ = std::make_shared<Repeated>(
        io_context_, std::chrono::milliseconds(interval), [this] { RecordMetrics(); });
    metrics_->Run();
  }
}

void PlasmaStore::Stop() {
  for (const auto &repeated : {metrics_, debug_dumps_}) {
    if (repeated != nullptr) {
      repeated->Cancel();
    }
  }
  handle_->stop();
}

bool PlasmaStore::IsObjectSpillable(const ObjectID &object_id) {
  return handle_->is_object_spillable(plasma_rs::ArrayOf(object_id));
}

int64_t PlasmaStore::GetCumulativeCreatedObjects() const {
  return plasma_rs::CountersOf(*handle_).created_total.objects;
}

int64_t PlasmaStore::GetCumulativeCreatedBytes() const {
  return plasma_rs::CountersOf(*handle_).created_total.bytes;
}

size_t PlasmaStore::GetAvailableMemory() const {
  return static_cast<size_t>(handle_->available_memory());
}

std::string PlasmaStore::GetDebugDump() const { return std::string(handle_->debug_dump()); }

void PlasmaStore::RecordMetrics() const { plasma_rs::RecordMemory(plasma_rs::CountersOf(*handle_)); }

}  // namespace plasma
