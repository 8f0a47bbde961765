// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/connection.h"

#include <utility>

#include "ray/object_manager/plasma/fling.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/util/logging.h"
#include "ray/util/process_utils.h"

namespace plasma {

using flatbuf::MessageType;
using ray::Status;

namespace {

/// By number.
std::vector<std::string> MessageTypeNames() {
  std::vector<std::string> names;
  for (auto type = static_cast<int64_t>(MessageType::MIN);
       type <= static_cast<int64_t>(MessageType::MAX);
       type++) {
    names.emplace_back(EnumNameMessageType(static_cast<MessageType>(type)));
  }
  return names;
}

}  // namespace

std::ostream &operator<<(std::ostream &os, const std::shared_ptr<Client> &client) {
  return os << client->GetNativeHandle();
}

std::ostream &operator<<(std::ostream &os, const std::shared_ptr<StoreConn> &store_conn) {
  return os << store_conn->GetNativeHandle();
}

Client::Client(PrivateTag,
               ray::MessageHandler message_handler,
               ray::ConnectionErrorHandler connection_error_handler,
               ray::local_stream_socket &&socket)
    : ray::ClientConnection(std::move(message_handler),
                            std::move(connection_error_handler),
                            std::move(socket),
                            "worker",
                            MessageTypeNames()) {}

std::shared_ptr<Client> Client::Create(
    PlasmaStoreMessageHandler message_handler,
    PlasmaStoreConnectionErrorHandler connection_error_handler,
    ray::local_stream_socket &&socket) {
  const auto downcast = [](const std::shared_ptr<ray::ClientConnection> &connection) {
    return std::static_pointer_cast<Client>(connection);
  };
  auto on_message = [=](const std::shared_ptr<ray::ClientConnection> &connection,
                        int64_t type,
                        const std::vector<uint8_t> &message) {
    const Status status =
        message_handler(downcast(connection), static_cast<MessageType>(type), message);
    if (status.ok()) {
      connection->ProcessMessages();
      return;
    }
    if (!status.IsDisconnected()) {
      RAY_LOG(ERROR) << "closing the connection of a client: " << status.ToString();
    }
    connection->Close();
  };
  auto on_error = [=](const std::shared_ptr<ray::ClientConnection> &connection,
                      const boost::system::error_code &error) {
    connection_error_handler(downcast(connection), error);
  };
  return std::make_shared<Client>(
      PrivateTag{}, std::move(on_message), std::move(on_error), std::move(socket));
}

Status Client::SendFd(MEMFD_TYPE fd) {
  if (sent_fds_.count(fd) == 0) {
    if (send_fd(GetNativeHandle(), fd.first) <= 0) {
      return Status::IOError("the descriptor of a file could not be sent to the client");
    }
    sent_fds_.insert(fd);
  }
  return Status::OK();
}

void Client::MarkObjectAsUsed(const ray::ObjectID &object_id,
                              std::optional<MEMFD_TYPE> fallback_allocated_fd) {
  if (object_ids_.insert(object_id).second) {
    if (fallback_allocated_fd.has_value()) {
      fallback_files_[object_id] = *fallback_allocated_fd;
      used_in_file_[*fallback_allocated_fd]++;
    }
    return;
  }
  const auto known = fallback_files_.find(object_id);
  const bool same = known == fallback_files_.end() ? !fallback_allocated_fd.has_value()
                                                   : fallback_allocated_fd == known->second;
  RAY_CHECK(same) << object_id << " was in another file before";
}

bool Client::MarkObjectAsUnused(const ray::ObjectID &object_id) {
  object_ids_.erase(object_id);
  const auto file = fallback_files_.find(object_id);
  if (file == fallback_files_.end()) {
    return false;
  }
  const auto used = used_in_file_.find(file->second);
  const bool was_last = --used->second == 0;
  if (was_last) {
    // The client unmaps it, and needs the descriptor again for the next object in it.
    sent_fds_.erase(used->first);
    used_in_file_.erase(used);
  }
  fallback_files_.erase(file);
  return was_last;
}

StoreConn::StoreConn(ray::local_stream_socket &&socket)
    : StoreConn(std::move(socket), /*exit_on_connection_failure=*/false) {}

StoreConn::StoreConn(ray::local_stream_socket &&socket, bool exit_on_connection_failure)
    : ray::ServerConnection(std::move(socket)),
      exit_on_connection_failure_(exit_on_connection_failure) {}

Status StoreConn::RecvFd(MEMFD_TYPE_NON_UNIQUE *fd) {
  *fd = recv_fd(GetNativeHandle());
  return *fd < 0 ? Status::IOError("no descriptor came from the store") : Status::OK();
}

Status StoreConn::WriteBuffer(const std::vector<boost::asio::const_buffer> &buffer) {
  return ExitIfFailed(ray::ServerConnection::WriteBuffer(buffer));
}

Status StoreConn::ReadBuffer(const std::vector<boost::asio::mutable_buffer> &buffer) {
  return ExitIfFailed(ray::ServerConnection::ReadBuffer(buffer));
}

Status StoreConn::ExitIfFailed(Status status) const {
  if (!status.ok() && exit_on_connection_failure_) {
    RAY_LOG(WARNING) << "the connection to the plasma store is broken, and so this process ends: "
                     << status.ToString();
    ray::QuickExit();
  }
  return status;
}

}  // namespace plasma
