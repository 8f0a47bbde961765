// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the two ends of a connection between a client and a store. What they do
// with the socket is Ray's (ray/raylet_ipc_client); which objects and files a client has is noted here, for Ray's
// interface returns it by reference.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ray/common/id.h"
#include "ray/common/status.h"
#include "ray/raylet_ipc_client/client_connection.h"
#include "ray/util/compat.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/container/flat_hash_set.h")
#include "absl/container/flat_hash_set.h"
#endif

namespace plasma {

namespace flatbuf {
enum class MessageType : int64_t;
}  // namespace flatbuf

class Client;

/// Serves a message. After an error the connection is closed.
using PlasmaStoreMessageHandler = std::function<ray::Status(
    std::shared_ptr<Client>, flatbuf::MessageType, const std::vector<uint8_t> &)>;

/// Is called when a connection breaks.
using PlasmaStoreConnectionErrorHandler =
    std::function<void(std::shared_ptr<Client>, const boost::system::error_code &)>;

/// What the queues need of a client.
class ClientInterface {
 public:
  virtual ~ClientInterface() = default;

  /// Sends a descriptor unless the client has it.
  virtual ray::Status SendFd(MEMFD_TYPE fd) = 0;
  /// The objects that the client uses.
  virtual const std::unordered_set<ray::ObjectID> &GetObjectIDs() = 0;
  /// Notes that the client uses an object. More than once is as once.
  ///
  /// \param fallback_allocated_fd The file of its own that the object lies in.
  virtual void MarkObjectAsUsed(const ray::ObjectID &object_id,
                                std::optional<MEMFD_TYPE> fallback_allocated_fd) = 0;
  /// \return Whether the client uses nothing more in the object's file, and should unmap it.
  virtual bool MarkObjectAsUnused(const ray::ObjectID &object_id) = 0;
};

/// The store's end of a connection.
class Client : public ray::ClientConnection, public ClientInterface {
 private:
  struct PrivateTag {};

 public:
  Client(PrivateTag,
         ray::MessageHandler message_handler,
         ray::ConnectionErrorHandler connection_error_handler,
         ray::local_stream_socket &&socket);

  static std::shared_ptr<Client> Create(
      PlasmaStoreMessageHandler message_handler,
      PlasmaStoreConnectionErrorHandler connection_error_handler,
      ray::local_stream_socket &&socket);

  ray::Status SendFd(MEMFD_TYPE fd) override;
  const std::unordered_set<ray::ObjectID> &GetObjectIDs() override { return object_ids_; }
  /// Aborts when the object was in another file the last time.
  void MarkObjectAsUsed(const ray::ObjectID &object_id,
                        std::optional<MEMFD_TYPE> fallback_allocated_fd) override;
  /// The id must not be that in GetObjectIDs().
  bool MarkObjectAsUnused(const ray::ObjectID &object_id) override;

  std::string name = "anonymous_client";

 private:
  std::set<MEMFD_TYPE> sent_fds_;
  std::unordered_set<ray::ObjectID> object_ids_;
  /// For the objects in files of their own: which, and how many objects are used in each.
  std::unordered_map<ray::ObjectID, MEMFD_TYPE> fallback_files_;
  std::map<MEMFD_TYPE, size_t> used_in_file_;
};

/// Writes the number of the descriptor.
std::ostream &operator<<(std::ostream &os, const std::shared_ptr<Client> &client);

/// The client's end of a connection.
class StoreConn : public ray::ServerConnection {
 public:
  explicit StoreConn(ray::local_stream_socket &&socket);
  /// \param exit_on_connection_failure Whether the process ends when the connection breaks.
  explicit StoreConn(ray::local_stream_socket &&socket, bool exit_on_connection_failure);

  /// Receives a descriptor.
  ray::Status RecvFd(MEMFD_TYPE_NON_UNIQUE *fd);

  ray::Status WriteBuffer(const std::vector<boost::asio::const_buffer> &buffer) override;
  ray::Status ReadBuffer(const std::vector<boost::asio::mutable_buffer> &buffer) override;

 private:
  ray::Status ExitIfFailed(ray::Status status) const;

  const bool exit_on_connection_failure_;
};

/// Writes the number of the descriptor.
std::ostream &operator<<(std::ostream &os, const std::shared_ptr<StoreConn> &store_conn);

}  // namespace plasma
