// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <utility>  // before Boost: 1.74 forgets it under C++20

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ray/common/asio/instrumented_io_context.h"
#include "ray/common/id.h"
#include "ray/common/status.h"

namespace ray {

using local_stream_protocol = boost::asio::generic::stream_protocol;
using local_stream_socket = boost::asio::basic_stream_socket<local_stream_protocol>;

/// Connects to the socket of this path, and tries again while nobody listens there.
Status ConnectSocketRetry(local_stream_socket &socket,
                          const std::string &endpoint,
                          int num_retries = -1,
                          int64_t timeout_in_ms = -1);

/// A connection that writes and reads messages: cookie, type and length, then the body.
class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(const ServerConnection &) = delete;
  ServerConnection &operator=(const ServerConnection &) = delete;
  virtual ~ServerConnection() = default;

  Status WriteMessage(int64_t type, int64_t length, const uint8_t *message);
  /// Fails when a message of another type comes.
  Status ReadMessage(int64_t type, std::vector<uint8_t> *message);
  virtual Status WriteBuffer(const std::vector<boost::asio::const_buffer> &buffer);
  virtual Status ReadBuffer(const std::vector<boost::asio::mutable_buffer> &buffer);
  int GetNativeHandle() { return socket_.native_handle(); }

 protected:
  explicit ServerConnection(local_stream_socket &&socket) : socket_(std::move(socket)) {}

  local_stream_socket socket_;
};

class ClientConnection;

using MessageHandler = std::function<void(
    std::shared_ptr<ClientConnection>, int64_t, const std::vector<uint8_t> &)>;

using ConnectionErrorHandler = std::function<void(std::shared_ptr<ClientConnection>,
                                                  const boost::system::error_code &)>;

/// The server's end of a connection: hands each message to a handler.
class ClientConnection : public ServerConnection {
 public:
  /// Waits for one message and hands it to the handler.
  void ProcessMessages();
  void Close();

 protected:
  ClientConnection(MessageHandler message_handler,
                   ConnectionErrorHandler connection_error_handler,
                   local_stream_socket &&socket,
                   std::string debug_label,
                   std::vector<std::string> message_type_enum_names);

 private:
  void ReadBody(const boost::system::error_code &error);
  void Failed(const boost::system::error_code &error);
  std::shared_ptr<ClientConnection> Self();

  MessageHandler message_handler_;
  ConnectionErrorHandler connection_error_handler_;
  bool closed_ = false;
  int64_t head_[3] = {};
  std::vector<uint8_t> body_;
};

}  // namespace ray
