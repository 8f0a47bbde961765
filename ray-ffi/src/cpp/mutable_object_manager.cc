// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/core_worker/experimental_mutable_object_manager.h"

#include <cstring>
#include <vector>

#include "channel.h"
#include "convert.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(ChannelManagerHandle *handle) const {
  rust::Box<ChannelManagerHandle>::from_raw(handle);
}

void HandleDeleter::operator()(IncomingHandle *handle) const {
  rust::Box<IncomingHandle>::from_raw(handle);
}

namespace {

/// A plasma::MutableObject as Rust keeps it.
class KeptObject : public ChannelObject {
 public:
  explicit KeptObject(std::unique_ptr<plasma::MutableObject> object)
      : object_(std::move(object)) {}

  std::size_t header() const override {
    return reinterpret_cast<std::size_t>(object_->header);
  }
  std::size_t data() const override {
    return reinterpret_cast<std::size_t>(object_->buffer->Data());
  }
  std::size_t capacity() const override {
    return object_->allocated_size < 0 ? 0 : static_cast<std::size_t>(object_->allocated_size);
  }

  const std::shared_ptr<ray::SharedMemoryBuffer> &Buffer() const { return object_->buffer; }

 private:
  const std::unique_ptr<plasma::MutableObject> object_;
};

static_assert(sizeof(ray::experimental::MutableObjectManager::Channel) == 16);
static_assert(offsetof(ray::experimental::MutableObjectManager::Channel, written) == 8);
static_assert(offsetof(ray::experimental::MutableObjectManager::Channel, writer_registered) == 11);

/// The bytes of a channel that is registered; else null.
std::shared_ptr<ray::SharedMemoryBuffer> BufferOf(const ChannelManagerHandle &manager,
                                                  const ray::ObjectID &id) {
  const auto *object =
      reinterpret_cast<const ChannelObject *>(manager.object(ArrayOf(id)));
  return object == nullptr ? nullptr : static_cast<const KeptObject *>(object)->Buffer();
}

}  // namespace
}  // namespace plasma_rs

namespace ray {
namespace experimental {

using plasma_rs::ArrayOf;
using plasma_rs::ToStatus;

MutableObjectManager::MutableObjectBuffer::MutableObjectBuffer(
    std::shared_ptr<MutableObjectManager> mutable_object_manager,
    const std::shared_ptr<Buffer> &buffer,
    const ObjectID &object_id)
    : SharedMemoryBuffer(buffer, 0, static_cast<int64_t>(buffer->Size())),
      manager_(std::move(mutable_object_manager)),
      object_id_(object_id) {}

MutableObjectManager::MutableObjectBuffer::~MutableObjectBuffer() {
  const Status status = manager_->ReadRelease(object_id_);
  if (!status.ok()) {
    RAY_LOG(DEBUG) << "giving back a value of " << object_id_ << ": " << status.ToString();
  }
}

MutableObjectManager::MutableObjectManager(std::function<Status()> check_signals)
    : check_signals_(std::move(check_signals)),
      handle_(plasma_rs::channel_manager_new().into_raw()) {}

MutableObjectManager::~MutableObjectManager() = default;

Status MutableObjectManager::RegisterChannel(
    const ObjectID &object_id,
    std::unique_ptr<plasma::MutableObject> mutable_object,
    bool reader) {
  std::unique_ptr<plasma_rs::ChannelObject> object;
  if (mutable_object != nullptr) {
    object = std::make_unique<plasma_rs::KeptObject>(std::move(mutable_object));
  }
  return ToStatus(handle_->register_channel(ArrayOf(object_id), std::move(object), reader));
}

Status MutableObjectManager::GetObjectBackingStore(const ObjectID &object_id,
                                                   int64_t data_size,
                                                   int64_t metadata_size,
                                                   std::shared_ptr<Buffer> &data) {
  const Channel *channel = GetChannel(object_id);
  if (channel == nullptr) {
    return Status::ChannelError("the channel has not been registered");
  }
  RAY_CHECK(channel->written) << "no value is being written";
  const auto buffer = plasma_rs::BufferOf(*handle_, object_id);
  const auto capacity = static_cast<int64_t>(buffer->Size());
  if (data_size < 0 || metadata_size < 0 || data_size > capacity ||
      metadata_size > capacity - data_size) {
    return Status::InvalidArgument("the value is larger than the channel");
  }
  data = SharedMemoryBuffer::Slice(buffer, 0, data_size + metadata_size);
  return Status::OK();
}

Status MutableObjectManager::WriteAcquire(const ObjectID &object_id,
                                          int64_t data_size,
                                          const uint8_t *metadata,
                                          int64_t metadata_size,
                                          int64_t num_readers,
                                          std::shared_ptr<Buffer> &data,
                                          int64_t timeout_ms) {
  RAY_RETURN_NOT_OK(ToStatus(handle_->write_acquire(
      ArrayOf(object_id), data_size, metadata_size, num_readers, timeout_ms)));
  const auto buffer = plasma_rs::BufferOf(*handle_, object_id);
  data = SharedMemoryBuffer::Slice(buffer, 0, data_size);
  if (metadata != nullptr && metadata_size > 0) {
    std::memcpy(buffer->Data() + data_size, metadata, metadata_size);
  }
  return Status::OK();
}

Status MutableObjectManager::WriteRelease(const ObjectID &object_id) {
  return ToStatus(handle_->write_release(ArrayOf(object_id)));
}

Status MutableObjectManager::ReadAcquire(const ObjectID &object_id,
                                         std::shared_ptr<RayObject> &result,
                                         int64_t timeout_ms) {
  const plasma_rs::StatusCheck check(check_signals_);
  plasma_rs::ValueRead read = {};
  const auto outcome = handle_->read_acquire(ArrayOf(object_id), timeout_ms, check, read);
  RAY_RETURN_NOT_OK(check.StatusOf(outcome));
  const std::shared_ptr<Buffer> whole = std::make_shared<MutableObjectBuffer>(
      shared_from_this(), plasma_rs::BufferOf(*handle_, object_id), object_id);
  std::shared_ptr<Buffer> data = SharedMemoryBuffer::Slice(whole, 0, read.data_size);
  std::shared_ptr<Buffer> metadata =
      SharedMemoryBuffer::Slice(whole, read.data_size, read.metadata_size);
  auto object = std::make_shared<RayObject>(
      std::move(data), std::move(metadata), std::vector<rpc::ObjectReference>());
  if (object->IsException()) {
    // Whoever handles an exception may keep it for long, and nothing could be written meanwhile.
    object = std::make_shared<RayObject>(
        std::make_shared<LocalMemoryBuffer>(
            whole->Data(), static_cast<size_t>(read.data_size), /*copy_data=*/true),
        std::make_shared<LocalMemoryBuffer>(whole->Data() + read.data_size,
                                            static_cast<size_t>(read.metadata_size),
                                            /*copy_data=*/true),
        std::vector<rpc::ObjectReference>());
  }
  result = std::move(object);
  return Status::OK();
}

Status MutableObjectManager::ReadRelease(const ObjectID &object_id) {
  const auto outcome = handle_->read_release(ArrayOf(object_id));
  // Unlike a write, a read may be given back by hand and then by its buffer.
  if (outcome.kind == plasma_rs::ChannelOutcomeKind::OutOfTurn) {
    return Status::ChannelError(std::string(outcome.message));
  }
  return ToStatus(outcome);
}

Status MutableObjectManager::SetError(const ObjectID &object_id) {
  return ToStatus(handle_->set_error(ArrayOf(object_id)));
}

Status MutableObjectManager::SetErrorAll() { return ToStatus(handle_->set_error_all()); }

Status MutableObjectManager::GetChannelStatus(const ObjectID &object_id, bool is_reader) {
  switch (handle_->status(ArrayOf(object_id), is_reader)) {
  case 0:
    return Status::OK();
  case 1:
    return Status::ChannelError("the channel is closed");
  default:
    return Status::NotFound("there is no channel of object " + object_id.Hex());
  }
}

MutableObjectManager::Channel *MutableObjectManager::GetChannel(const ObjectID &object_id) {
  return reinterpret_cast<Channel *>(handle_->state(ArrayOf(object_id)));
}

void MutableObjectManager::OpenSemaphores(const ObjectID &object_id,
                                          PlasmaObjectHeader * /*header*/) {
  const Status status = ToStatus(handle_->open_semaphores(ArrayOf(object_id)));
  RAY_CHECK(status.ok()) << status.ToString();
}

bool MutableObjectManager::GetSemaphores(const ObjectID &object_id,
                                         PlasmaObjectHeader::Semaphores &sem) {
  std::size_t object_sem = 0;
  std::size_t header_sem = 0;
  const bool is_open = handle_->semaphores(ArrayOf(object_id), object_sem, header_sem);
  if (is_open) {
    sem.object_sem = reinterpret_cast<sem_t *>(object_sem);
    sem.header_sem = reinterpret_cast<sem_t *>(header_sem);
  }
  return is_open;
}

void MutableObjectManager::DestroySemaphores(const ObjectID &object_id) {
  handle_->destroy_semaphores(ArrayOf(object_id));
}

}  // namespace experimental
}  // namespace ray
