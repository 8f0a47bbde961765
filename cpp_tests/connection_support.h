// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A client's and a store's end of one connection.

#pragma once

#include <sys/socket.h>

#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "ray/object_manager/plasma/connection.h"

namespace plasma_tests {

/// The two ends of a local socket. The store's end hands what comes to `on_message`.
struct Connected {
  Connected() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    store = std::make_shared<plasma::StoreConn>(Socket(ends[0]));
    client = plasma::Client::Create(
        [this](const auto &from, auto type, const auto &message) {
          return on_message ? on_message(from, type, message) : ray::Status::OK();
        },
        [this](const auto &, const boost::system::error_code &) { broken++; },
        Socket(ends[1]));
  }

  ray::local_stream_socket Socket(int end) {
    return ray::local_stream_socket(io_context, ray::local_stream_protocol(AF_UNIX, 0), end);
  }

  instrumented_io_context io_context;
  plasma::PlasmaStoreMessageHandler on_message;
  int broken = 0;
  std::shared_ptr<plasma::StoreConn> store;
  std::shared_ptr<plasma::Client> client;
};

}  // namespace plasma_tests
