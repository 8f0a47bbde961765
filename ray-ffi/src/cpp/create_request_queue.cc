// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/create_request_queue.h"

#include "convert.h"
#include "ray-ffi/src/create_request_queue.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(CreateQueueHandle *handle) const {
  rust::Box<CreateQueueHandle>::from_raw(handle);
}

std::size_t WaitingCreations::size() const { return queue_->num_pending_requests(); }

std::size_t UntakenCreations::size() const { return queue_->num_untaken(); }

std::size_t UntakenCreations::count(std::uint64_t request_id) const {
  return queue_->is_known(request_id) ? 1 : 0;
}

namespace {

/// Keeps the client alive as long as its request.
class CreateFromCpp : public CreateHook {
 public:
  CreateFromCpp(std::shared_ptr<plasma::ClientInterface> client,
                plasma::CreateRequestQueue::CreateObjectCallback create)
      : client_(std::move(client)), create_(std::move(create)) {}

  std::int32_t create(bool fallback, std::uint8_t *object) const override {
    return static_cast<std::int32_t>(
        create_(fallback, reinterpret_cast<plasma::PlasmaObject *>(object)));
  }

 private:
  std::shared_ptr<plasma::ClientInterface> client_;
  plasma::CreateRequestQueue::CreateObjectCallback create_;
};

class CreateQueueFromCpp : public CreateQueueHook {
 public:
  CreateQueueFromCpp(ray::FileSystemMonitor &fs_monitor,
                     ray::SpillObjectsCallback spill,
                     std::function<void()> collect_garbage,
                     std::function<std::int64_t()> now,
                     std::function<std::string()> debug_info)
      : fs_monitor_(fs_monitor),
        spill_(std::move(spill)),
        collect_garbage_(std::move(collect_garbage)),
        now_(std::move(now)),
        debug_info_(std::move(debug_info)) {}

  bool disk_is_full() const override { return fs_monitor_.OverCapacity(); }
  std::int64_t now() const override { return now_(); }
  void collect_garbage() const override {
    if (collect_garbage_) {
      collect_garbage_();
    }
  }
  bool spill() const override { return spill_(); }
  void out_of_disk() const override {
    if (debug_info_) {
      RAY_LOG(INFO) << debug_info_();
    }
  }

 private:
  ray::FileSystemMonitor &fs_monitor_;
  ray::SpillObjectsCallback spill_;
  std::function<void()> collect_garbage_;
  std::function<std::int64_t()> now_;
  std::function<std::string()> debug_info_;
};

std::size_t NumberOf(const std::shared_ptr<plasma::ClientInterface> &client) {
  return reinterpret_cast<std::size_t>(client.get());
}

}  // namespace
}  // namespace plasma_rs

namespace plasma {

CreateRequestQueue::CreateRequestQueue(ray::FileSystemMonitor &fs_monitor,
                                       int64_t oom_grace_period_s,
                                       ray::SpillObjectsCallback spill_objects_callback,
                                       std::function<void()> trigger_global_gc,
                                       std::function<int64_t()> get_time,
                                       std::function<std::string()> dump_debug_info_callback)
    : hook_(std::make_unique<plasma_rs::CreateQueueFromCpp>(fs_monitor,
                                                            std::move(spill_objects_callback),
                                                            std::move(trigger_global_gc),
                                                            std::move(get_time),
                                                            std::move(dump_debug_info_callback))),
      handle_(plasma_rs::create_queue_new(oom_grace_period_s).into_raw()),
      queue_(handle_.get()),
      fulfilled_requests_(handle_.get()) {}

CreateRequestQueue::~CreateRequestQueue() = default;

uint64_t CreateRequestQueue::AddRequest(const ObjectID & /*object_id*/,
                                        const std::shared_ptr<ClientInterface> &client,
                                        const CreateObjectCallback &create_callback,
                                        const size_t object_size) {
  return handle_->add(plasma_rs::NumberOf(client),
                      std::make_unique<plasma_rs::CreateFromCpp>(client, create_callback),
                      object_size);
}

bool CreateRequestQueue::GetRequestResult(uint64_t req_id,
                                          PlasmaObject *result,
                                          PlasmaError *error) {
  std::int32_t number = 0;
  const bool finished =
      handle_->take_result(req_id, reinterpret_cast<std::uint8_t *>(result), number);
  if (finished) {
    *error = static_cast<PlasmaError>(number);
  }
  return finished;
}

std::pair<PlasmaObject, PlasmaError> CreateRequestQueue::TryRequestImmediately(
    const ObjectID & /*object_id*/,
    const std::shared_ptr<ClientInterface> & /*client*/,
    const CreateObjectCallback &create_callback,
    size_t /*object_size*/) {
  PlasmaObject object = {};
  const auto error = create_callback(/*fallback_allocator=*/true, &object);
  return {object, error};
}

Status CreateRequestQueue::ProcessRequests() {
  switch (handle_->process(*hook_)) {
  case plasma_rs::CreateOutcome::Done:
    return Status::OK();
  case plasma_rs::CreateOutcome::Spilling:
    return Status::TransientObjectStoreFull("objects are being spilled");
  case plasma_rs::CreateOutcome::Grace:
    return Status::ObjectStoreFull("no space, and the grace period is not over");
  default:
    return Status::OutOfDisk("the local disk is full");
  }
}

void CreateRequestQueue::RemoveDisconnectedClientRequests(
    const std::shared_ptr<ClientInterface> &client) {
  handle_->remove_client(plasma_rs::NumberOf(client));
}

size_t CreateRequestQueue::NumPendingBytes() const { return handle_->num_pending_bytes(); }

}  // namespace plasma
