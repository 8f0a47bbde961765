// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for the header that Ray's build makes of its protocol buffers, with as much as the drop-in headers need.

#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace ray {
namespace rpc {

/// Where a worker is.
class Address {
 public:
  const std::string &node_id() const { return node_id_; }
  const std::string &ip_address() const { return ip_address_; }
  int32_t port() const { return port_; }
  const std::string &worker_id() const { return worker_id_; }
  void set_node_id(std::string value) { node_id_ = std::move(value); }
  void set_ip_address(std::string value) { ip_address_ = std::move(value); }
  void set_port(int32_t value) { port_ = value; }
  void set_worker_id(std::string value) { worker_id_ = std::move(value); }

 private:
  std::string node_id_;
  std::string ip_address_;
  int32_t port_ = 0;
  std::string worker_id_;
};

}  // namespace rpc
}  // namespace ray
