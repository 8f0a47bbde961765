// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <string>

#include "ray/common/asio/instrumented_io_context.h"

namespace ray {
namespace rpc {

/// Ray's brings answers of other nodes to a context. Here nothing does.
class ClientCallManager {
 public:
  ClientCallManager(instrumented_io_context & /*main_service*/,
                    bool /*record_stats*/,
                    std::string /*local_address*/) {}
};

}  // namespace rpc
}  // namespace ray
