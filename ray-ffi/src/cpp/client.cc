// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/client.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "convert.h"
#include "ray-ffi/src/client.rs.h"
#include "ray/common/ray_config.h"
#include "ray/util/logging.h"
#include "ray/util/process_utils.h"
#include "socket_path.h"

namespace plasma_rs {

void HandleDeleter::operator()(ClientHandle *handle) const {
  rust::Box<ClientHandle>::from_raw(handle);
}

namespace {

ray::Status ToStatus(const ClientOutcome &outcome) {
  const std::string message(outcome.message);
  switch (outcome.kind) {
  case ClientOutcomeKind::Ok:
    return ray::Status::OK();
  case ClientOutcomeKind::ObjectExists:
    return ray::Status::ObjectExists(message);
  case ClientOutcomeKind::NotFound:
    return ray::Status::ObjectNotFound(message);
  case ClientOutcomeKind::OutOfMemory:
    return ray::Status::ObjectStoreFull(message);
  case ClientOutcomeKind::OutOfDisk:
    return ray::Status::OutOfDisk(message);
  case ClientOutcomeKind::AlreadySealed:
    return ray::Status::ObjectAlreadySealed(message);
  case ClientOutcomeKind::Disconnected:
  case ClientOutcomeKind::IoError:
    return ray::Status::IOError(message);
  case ClientOutcomeKind::Invalid:
    return ray::Status::Invalid(message);
  default:
    return ray::Status::UnknownError(message);
  }
}

rust::Slice<const std::uint8_t> Bytes(const std::string &text) {
  return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

uint8_t *Pointer(std::size_t address) { return reinterpret_cast<uint8_t *>(address); }

}  // namespace
}  // namespace plasma_rs

namespace plasma {

using plasma_rs::ArrayOf;

/// One connection, and all that came over it.
class PlasmaClient::Connection {
 public:
  Connection(plasma_rs::ClientHandle *handle, bool exit_on_failure)
      : handle_(handle), exit_on_failure_(exit_on_failure) {}

  const plasma_rs::ClientHandle &Rust() const { return *handle_; }

  void Disconnect() {
    wanted_ = true;
    handle_->disconnect();
  }

  /// Ends the process if the connection broke, nobody wanted that, and it is to end then.
  Status Checked(const plasma_rs::ClientOutcome &outcome) const {
    const Status status = plasma_rs::ToStatus(outcome);
    if (outcome.kind == plasma_rs::ClientOutcomeKind::Disconnected && exit_on_failure_ &&
        !wanted_) {
      RAY_LOG(WARNING) << "the connection to the plasma store is broken, and so this process ends: "
                       << status.ToString();
      ray::QuickExit();
    }
    return status;
  }

  Status Release(const ObjectID &id) const {
    return wanted_ ? Status::OK() : Checked(handle_->release(ArrayOf(id)));
  }

 private:
  const plasma_rs::Handle<plasma_rs::ClientHandle> handle_;
  const bool exit_on_failure_;
  std::atomic<bool> wanted_{false};
};

/// All bytes of an object that a get has found. Gives the reference back.
class PlasmaClient::PinnedBuffer : public SharedMemoryBuffer {
 public:
  PinnedBuffer(std::shared_ptr<PlasmaClient> client,
               std::shared_ptr<Connection> connection,
               const ObjectID &id,
               uint8_t *data,
               size_t size)
      : SharedMemoryBuffer(data, size),
        client_(std::move(client)),
        connection_(std::move(connection)),
        id_(id) {}

  ~PinnedBuffer() override {
    const Status status = connection_->Release(id_);
    if (!status.ok()) {
      RAY_LOG(DEBUG) << "releasing " << id_ << ": " << status.ToString();
    }
  }

  PinnedBuffer(const PinnedBuffer &) = delete;
  PinnedBuffer &operator=(const PinnedBuffer &) = delete;

 private:
  const std::shared_ptr<PlasmaClient> client_;
  const std::shared_ptr<Connection> connection_;
  const ObjectID id_;
};

/// The data of a new object. The memory stays mapped as long as this.
class PlasmaClient::NewBuffer : public SharedMemoryBuffer {
 public:
  NewBuffer(std::shared_ptr<PlasmaClient> client,
            std::shared_ptr<Connection> connection,
            uint8_t *data,
            size_t size)
      : SharedMemoryBuffer(data, size),
        client_(std::move(client)),
        connection_(std::move(connection)) {}

 private:
  const std::shared_ptr<PlasmaClient> client_;
  const std::shared_ptr<Connection> connection_;
};

struct PlasmaClient::Creation {
  const ObjectID &object_id;
  const ray::rpc::Address &owner;
  bool is_mutable;
  int64_t data_size;
  const uint8_t *metadata;
  int64_t metadata_size;
  flatbuf::ObjectSource source;
  int device_num;
  bool wait;
};

namespace {

Status NotConnected() { return Status::IOError("there is no connection to a plasma store"); }

}  // namespace

PlasmaClient::PlasmaClient(bool exit_on_connection_failure)
    : exit_on_connection_failure_(exit_on_connection_failure) {}

PlasmaClient::~PlasmaClient() = default;

std::shared_ptr<PlasmaClient::Connection> PlasmaClient::Current() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return connection_;
}

Status PlasmaClient::Connect(const std::string &store_socket_name,
                             const std::string & /*manager_socket_name*/,
                             int /*num_retries*/) {
  auto &config = RayConfig::instance();
  plasma_rs::ClientSettings settings;
  settings.total_wait_ms = static_cast<std::uint64_t>(
      std::max<int64_t>(0, config.raylet_client_num_connect_attempts() - 1) *
      std::max<int64_t>(0, config.raylet_client_connect_timeout_milliseconds()));
  settings.store_full_delay_ms = config.object_store_full_delay_ms();
  settings.exclude_from_core_dump = config.worker_core_dump_exclude_plasma_store();
  const std::string path = plasma_rs::SocketPath(store_socket_name);
  try {
    auto connection = std::make_shared<Connection>(
        plasma_rs::client_connect(plasma_rs::Bytes(path), settings).into_raw(),
        exit_on_connection_failure_);
    const std::lock_guard<std::mutex> lock(mutex_);
    connection_ = std::move(connection);
    return Status::OK();
  } catch (const rust::Error &error) {
    return Status::IOError(error.what());
  }
}

void PlasmaClient::Disconnect() {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    connection.swap(connection_);
  }
  if (connection != nullptr) {
    connection->Disconnect();
  }
}

Status PlasmaClient::Create(const Creation &creation, std::shared_ptr<Buffer> *data) {
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  if (creation.data_size < 0 || creation.metadata_size < 0) {
    return Status::Invalid("an object has no negative size");
  }
  plasma_rs::CreationRequest request;
  request.object_id = ArrayOf(creation.object_id);
  request.owner_node_id = plasma_rs::Bytes(creation.owner.node_id());
  request.owner_ip_address = plasma_rs::Bytes(creation.owner.ip_address());
  request.owner_port = creation.owner.port();
  request.owner_worker_id = plasma_rs::Bytes(creation.owner.worker_id());
  request.is_mutable = creation.is_mutable;
  request.data_size = static_cast<std::uint64_t>(creation.data_size);
  request.has_metadata = creation.metadata != nullptr || creation.metadata_size == 0;
  request.metadata = {creation.metadata,
                      creation.metadata == nullptr ? 0
                                                   : static_cast<size_t>(creation.metadata_size)};
  request.metadata_size = static_cast<std::uint64_t>(creation.metadata_size);
  request.source = static_cast<std::int32_t>(creation.source);
  request.device_num = creation.device_num;
  request.wait = creation.wait;
  std::size_t address = 0;
  RAY_RETURN_NOT_OK(connection->Checked(connection->Rust().create(request, address)));
  *data = std::make_shared<NewBuffer>(shared_from_this(),
                                      connection,
                                      plasma_rs::Pointer(address),
                                      static_cast<size_t>(creation.data_size));
  return Status::OK();
}

Status PlasmaClient::CreateAndSpillIfNeeded(const ObjectID &object_id,
                                            const ray::rpc::Address &owner_address,
                                            bool is_experimental_mutable_object,
                                            int64_t data_size,
                                            const uint8_t *metadata,
                                            int64_t metadata_size,
                                            std::shared_ptr<Buffer> *data,
                                            plasma::flatbuf::ObjectSource source,
                                            int device_num) {
  return Create({object_id,
                 owner_address,
                 is_experimental_mutable_object,
                 data_size,
                 metadata,
                 metadata_size,
                 source,
                 device_num,
                 /*wait=*/true},
                data);
}

Status PlasmaClient::TryCreateImmediately(const ObjectID &object_id,
                                          const ray::rpc::Address &owner_address,
                                          int64_t data_size,
                                          const uint8_t *metadata,
                                          int64_t metadata_size,
                                          std::shared_ptr<Buffer> *data,
                                          plasma::flatbuf::ObjectSource source,
                                          int device_num) {
  return Create({object_id,
                 owner_address,
                 /*is_mutable=*/false,
                 data_size,
                 metadata,
                 metadata_size,
                 source,
                 device_num,
                 /*wait=*/false},
                data);
}

Status PlasmaClient::Get(const std::vector<ObjectID> &object_ids,
                         int64_t timeout_ms,
                         std::vector<ObjectBuffer> *object_buffers) {
  *object_buffers = std::vector<ObjectBuffer>(object_ids.size());
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  const auto ids = plasma_rs::BytesOf(object_ids);
  const rust::Slice<const std::uint8_t> bytes(ids.data(), ids.size());
  if (connection->Rust().uses_unsealed(bytes)) {
    RAY_CHECK(timeout_ms != -1)
        << "a get would wait for ever for an object that its own client has not sealed";
    RAY_LOG(WARNING) << "a get asks for an object that its own client has not sealed";
  }
  rust::Vec<plasma_rs::FoundObject> found;
  RAY_RETURN_NOT_OK(connection->Checked(connection->Rust().get(bytes, timeout_ms, found)));
  for (size_t i = 0; i < found.size(); i++) {
    const auto &object = found[i];
    if (!object.is_present) {
      continue;
    }
    const auto whole =
        std::make_shared<PinnedBuffer>(shared_from_this(),
                                       connection,
                                       object_ids[i],
                                       plasma_rs::Pointer(object.address),
                                       object.data_size + object.metadata_size);
    auto &buffer = (*object_buffers)[i];
    const auto data_size = static_cast<int64_t>(object.data_size);
    buffer.data = SharedMemoryBuffer::Slice(whole, 0, data_size);
    buffer.metadata =
        SharedMemoryBuffer::Slice(whole, data_size, static_cast<int64_t>(object.metadata_size));
    buffer.device_num = 0;
  }
  return Status::OK();
}

Status PlasmaClient::GetExperimentalMutableObject(
    const ObjectID &object_id, std::unique_ptr<MutableObject> *mutable_object) {
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  PlasmaObject object = {};
  std::size_t base = 0;
  RAY_RETURN_NOT_OK(connection->Checked(connection->Rust().get_mutable(
      ArrayOf(object_id), reinterpret_cast<std::uint8_t *>(&object), base)));
  *mutable_object = std::make_unique<MutableObject>(plasma_rs::Pointer(base), object);
  return Status::OK();
}

Status PlasmaClient::Release(const ObjectID &object_id) {
  const auto connection = Current();
  // The store has taken everything back.
  return connection == nullptr ? Status::OK() : connection->Release(object_id);
}

Status PlasmaClient::Contains(const ObjectID &object_id, bool *has_object) {
  const auto connection = Current();
  return connection == nullptr
             ? NotConnected()
             : connection->Checked(connection->Rust().contains(ArrayOf(object_id), *has_object));
}

Status PlasmaClient::Seal(const ObjectID &object_id) {
  const auto connection = Current();
  return connection == nullptr
             ? NotConnected()
             : connection->Checked(connection->Rust().seal(ArrayOf(object_id)));
}

Status PlasmaClient::Abort(const ObjectID &object_id) {
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  const auto outcome = connection->Rust().abort(ArrayOf(object_id));
  using plasma_rs::ClientOutcomeKind;
  RAY_CHECK(outcome.kind != ClientOutcomeKind::NotFound &&
            outcome.kind != ClientOutcomeKind::AlreadySealed)
      << std::string(outcome.message);
  return connection->Checked(outcome);
}

Status PlasmaClient::Delete(const std::vector<ObjectID> &object_ids) {
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  const auto ids = plasma_rs::BytesOf(object_ids);
  return connection->Checked(connection->Rust().delete_objects({ids.data(), ids.size()}));
}

StatusOr<std::string> PlasmaClient::GetMemoryUsage() {
  const auto connection = Current();
  if (connection == nullptr) {
    return NotConnected();
  }
  rust::String text;
  const Status status = connection->Checked(connection->Rust().debug_string(text));
  if (!status.ok()) {
    return status;
  }
  return std::string(text);
}

bool PlasmaClient::IsInUse(const ObjectID &object_id) {
  const auto connection = Current();
  return connection != nullptr && connection->Rust().is_in_use(ArrayOf(object_id));
}

}  // namespace plasma
