// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: a client of the store.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "ray/common/asio/instrumented_io_context.h"
#include "ray/common/buffer.h"
#include "ray/common/status.h"
#include "ray/common/status_or.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/connection.h"
#include "ray/object_manager/plasma/shared_memory.h"
#include "src/ray/protobuf/common.pb.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/container/flat_hash_map.h")
#include "absl/container/flat_hash_map.h"
#endif

namespace plasma {

using ray::Buffer;
using ray::PlasmaObjectHeader;
using ray::SharedMemoryBuffer;
using ray::Status;
using ray::StatusOr;

/// A channel: an object that is written again and again.
struct MutableObject {
  /// \param base_ptr Where the object's file is mapped.
  MutableObject(uint8_t *base_ptr, const PlasmaObject &object_info)
      : header(reinterpret_cast<PlasmaObjectHeader *>(base_ptr + object_info.header_offset)),
        buffer(std::make_shared<SharedMemoryBuffer>(
            base_ptr + object_info.data_offset,
            static_cast<size_t>(object_info.allocated_size))),
        allocated_size(object_info.allocated_size) {}

  PlasmaObjectHeader *header;
  /// Data and metadata.
  std::shared_ptr<SharedMemoryBuffer> buffer;
  const int64_t allocated_size;
};

/// An object that a get has found; without data, one that it has not.
struct ObjectBuffer {
  std::shared_ptr<SharedMemoryBuffer> data;
  std::shared_ptr<SharedMemoryBuffer> metadata;
  /// 0: main memory.
  int device_num;
};

/// What Ray needs of a client.
class PlasmaClientInterface {
 public:
  virtual ~PlasmaClientInterface() = default;

  /// Connects, and tries again for a while when nobody listens yet.
  ///
  /// \param manager_socket_name Not used, nor is `num_retries`.
  virtual Status Connect(const std::string &store_socket_name,
                         const std::string &manager_socket_name = "",
                         int num_retries = -1) = 0;

  /// Takes away a reference to an object, which the caller got from a get or a creation.
  virtual Status Release(const ObjectID &object_id) = 0;

  /// \param has_object Whether this client uses the object, or the store has it sealed.
  virtual Status Contains(const ObjectID &object_id, bool *has_object) = 0;

  /// Ends the connection. The store takes back what this client had.
  virtual void Disconnect() = 0;

  /// Waits until all objects are sealed, or the time is over.
  ///
  /// \param timeout_ms -1 to wait for ever.
  /// \param object_buffers An element for each id, in that order. A buffer gives its reference back when it goes.
  virtual Status Get(const std::vector<ObjectID> &object_ids,
                     int64_t timeout_ms,
                     std::vector<ObjectBuffer> *object_buffers) = 0;

  /// A channel, which is pinned from then on.
  virtual Status GetExperimentalMutableObject(
      const ObjectID &object_id, std::unique_ptr<MutableObject> *mutable_object) = 0;

  /// Seals an object that this client created, and takes one of its two references away.
  virtual Status Seal(const ObjectID &object_id) = 0;

  /// Gives up an object that this client created and has not sealed, after one of its two references was released.
  virtual Status Abort(const ObjectID &object_id) = 0;

  /// Creates an object with two references. Waits until there is room, in the end on disk.
  ///
  /// \param metadata Null if the caller will write the `metadata_size` bytes behind the data.
  /// \param data Where the data go. It keeps the client, and no reference to the object.
  virtual Status CreateAndSpillIfNeeded(const ObjectID &object_id,
                                        const ray::rpc::Address &owner_address,
                                        bool is_mutable,
                                        int64_t data_size,
                                        const uint8_t *metadata,
                                        int64_t metadata_size,
                                        std::shared_ptr<Buffer> *data,
                                        plasma::flatbuf::ObjectSource source,
                                        int device_num = 0) = 0;

  /// The same without waiting.
  virtual Status TryCreateImmediately(const ObjectID &object_id,
                                      const ray::rpc::Address &owner_address,
                                      int64_t data_size,
                                      const uint8_t *metadata,
                                      int64_t metadata_size,
                                      std::shared_ptr<Buffer> *data,
                                      plasma::flatbuf::ObjectSource source,
                                      int device_num = 0) = 0;

  /// Deletes objects; what is in use, when it is not any more. An object that is not there is no error.
  virtual Status Delete(const std::vector<ObjectID> &object_ids) = 0;

  /// What the store tells of itself, for people.
  virtual StatusOr<std::string> GetMemoryUsage() = 0;
};

/// A client. Thread-safe: a get that waits hinders no other call. Objects and references are counted in Rust. Has to
/// be owned by a shared_ptr, which buffers share.
class PlasmaClient : public std::enable_shared_from_this<PlasmaClient>,
                     public PlasmaClientInterface {
 public:
  PlasmaClient() : PlasmaClient(/*exit_on_connection_failure=*/false) {}
  /// \param exit_on_connection_failure Whether the process ends when the connection breaks.
  explicit PlasmaClient(bool exit_on_connection_failure);
  ~PlasmaClient() override;

  PlasmaClient(const PlasmaClient &) = delete;
  PlasmaClient &operator=(const PlasmaClient &) = delete;

  Status Connect(const std::string &store_socket_name,
                 const std::string &manager_socket_name = "",
                 int num_retries = -1) override;
  Status CreateAndSpillIfNeeded(const ObjectID &object_id,
                                const ray::rpc::Address &owner_address,
                                bool is_experimental_mutable_object,
                                int64_t data_size,
                                const uint8_t *metadata,
                                int64_t metadata_size,
                                std::shared_ptr<Buffer> *data,
                                plasma::flatbuf::ObjectSource source,
                                int device_num = 0) override;
  Status TryCreateImmediately(const ObjectID &object_id,
                              const ray::rpc::Address &owner_address,
                              int64_t data_size,
                              const uint8_t *metadata,
                              int64_t metadata_size,
                              std::shared_ptr<Buffer> *data,
                              plasma::flatbuf::ObjectSource source,
                              int device_num = 0) override;
  /// Aborts when it would wait for ever for an object that this client itself has not sealed.
  Status Get(const std::vector<ObjectID> &object_ids,
             int64_t timeout_ms,
             std::vector<ObjectBuffer> *object_buffers) override;
  Status GetExperimentalMutableObject(
      const ObjectID &object_id, std::unique_ptr<MutableObject> *mutable_object) override;
  Status Release(const ObjectID &object_id) override;
  Status Contains(const ObjectID &object_id, bool *has_object) override;
  /// Aborts when this client does not use the object, or has sealed it.
  Status Abort(const ObjectID &object_id) override;
  Status Seal(const ObjectID &object_id) override;
  Status Delete(const std::vector<ObjectID> &object_ids) override;
  void Disconnect() override;
  StatusOr<std::string> GetMemoryUsage() override;

 private:
  class Connection;
  class PinnedBuffer;
  class NewBuffer;
  struct Creation;

  Status Create(const Creation &creation, std::shared_ptr<Buffer> *data);
  /// The connection, or null. What it brought stays mapped as long as somebody has it.
  std::shared_ptr<Connection> Current() const;
  bool IsInUse(const ObjectID &object_id);

  mutable std::mutex mutex_;
  std::shared_ptr<Connection> connection_;
  const bool exit_on_connection_failure_;
};

}  // namespace plasma
