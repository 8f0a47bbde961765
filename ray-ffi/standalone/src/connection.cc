// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Messages over a local socket, behind the stand-in for Ray's connections.

#include <sys/un.h>

#include <boost/asio.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "ray/common/ray_config.h"
#include "ray/raylet_ipc_client/client_connection.h"

instrumented_io_context::instrumented_io_context(bool /*emit_metrics*/,
                                                 bool running_on_single_thread,
                                                 std::optional<std::string> /*context_name*/)
    : boost::asio::io_context(running_on_single_thread ? 1 : BOOST_ASIO_CONCURRENCY_HINT_DEFAULT) {}

void instrumented_io_context::post(std::function<void()> handler,
                                   std::string /*name*/,
                                   int64_t delay_us) {
  if (delay_us <= 0) {
    boost::asio::post(*this, std::move(handler));
    return;
  }
  auto timer = std::make_shared<boost::asio::steady_timer>(*this);
  timer->expires_after(std::chrono::microseconds(delay_us));
  timer->async_wait([timer, handler = std::move(handler)](const boost::system::error_code &error) {
    if (!error) {
      handler();
    }
  });
}

void instrumented_io_context::dispatch(std::function<void()> handler, std::string /*name*/) {
  boost::asio::dispatch(*this, std::move(handler));
}

namespace ray {
namespace {

constexpr int64_t kCookie = 0x5241590000000000;
/// No message of this protocol comes near it.
constexpr int64_t kLargestBody = int64_t{1} << 30;

}  // namespace

Status ConnectSocketRetry(local_stream_socket &socket,
                          const std::string &endpoint,
                          int num_retries,
                          int64_t timeout_in_ms) {
  const auto &config = RayConfig::instance();
  const int64_t tries = num_retries < 0 ? config.raylet_client_num_connect_attempts() : num_retries;
  const std::chrono::milliseconds pause(
      timeout_in_ms < 0 ? config.raylet_client_connect_timeout_milliseconds() : timeout_in_ms);
  if (endpoint.size() >= sizeof(sockaddr_un::sun_path)) {
    return Status::Invalid("the path of a socket is too long: " + endpoint);
  }
  const boost::asio::local::stream_protocol::endpoint path(endpoint);
  boost::system::error_code error = boost::asio::error::not_connected;
  for (int64_t tried = 0; error && tried < tries; tried++) {
    if (tried > 0) {
      std::this_thread::sleep_for(pause);
    }
    socket.connect(path, error);
  }
  return boost_to_ray_status(error);
}

Status ServerConnection::WriteBuffer(const std::vector<boost::asio::const_buffer> &buffer) {
  boost::system::error_code error;
  boost::asio::write(socket_, buffer, error);
  return boost_to_ray_status(error);
}

Status ServerConnection::ReadBuffer(const std::vector<boost::asio::mutable_buffer> &buffer) {
  boost::system::error_code error;
  boost::asio::read(socket_, buffer, error);
  return boost_to_ray_status(error);
}

Status ServerConnection::WriteMessage(int64_t type, int64_t length, const uint8_t *message) {
  const int64_t head[] = {kCookie, type, length};
  return WriteBuffer({boost::asio::buffer(head),
                      boost::asio::buffer(message, static_cast<size_t>(length))});
}

Status ServerConnection::ReadMessage(int64_t type, std::vector<uint8_t> *message) {
  int64_t head[3] = {};
  RAY_RETURN_NOT_OK(ReadBuffer({boost::asio::buffer(head)}));
  if (head[0] != kCookie) {
    return Status::IOError("a message does not begin with the cookie");
  }
  if (head[1] != type) {
    return Status::IOError("message of type " + std::to_string(head[1]) + " where one of type " +
                           std::to_string(type) + " was expected");
  }
  if (head[2] < 0 || head[2] > kLargestBody) {
    return Status::IOError("a message of " + std::to_string(head[2]) + " bytes");
  }
  message->resize(static_cast<size_t>(head[2]));
  return ReadBuffer({boost::asio::buffer(*message)});
}

ClientConnection::ClientConnection(MessageHandler message_handler,
                                   ConnectionErrorHandler connection_error_handler,
                                   local_stream_socket &&socket,
                                   std::string /*debug_label*/,
                                   std::vector<std::string> /*message_type_enum_names*/)
    : ServerConnection(std::move(socket)),
      message_handler_(std::move(message_handler)),
      connection_error_handler_(std::move(connection_error_handler)) {}

std::shared_ptr<ClientConnection> ClientConnection::Self() {
  return std::static_pointer_cast<ClientConnection>(shared_from_this());
}

void ClientConnection::ProcessMessages() {
  boost::asio::async_read(
      socket_,
      boost::asio::buffer(head_),
      [self = Self()](const boost::system::error_code &error, size_t) { self->ReadBody(error); });
}

void ClientConnection::ReadBody(const boost::system::error_code &error) {
  if (error || head_[0] != kCookie || head_[2] < 0 || head_[2] > kLargestBody) {
    Failed(error ? error : boost::asio::error::invalid_argument);
    return;
  }
  body_.resize(static_cast<size_t>(head_[2]));
  boost::asio::async_read(socket_,
                          boost::asio::buffer(body_),
                          [self = Self()](const boost::system::error_code &error, size_t) {
                            if (error) {
                              self->Failed(error);
                            } else {
                              self->message_handler_(self, self->head_[1], self->body_);
                            }
                          });
}

void ClientConnection::Failed(const boost::system::error_code &error) {
  if (!closed_) {
    connection_error_handler_(Self(), error);
  }
}

void ClientConnection::Close() {
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace ray
