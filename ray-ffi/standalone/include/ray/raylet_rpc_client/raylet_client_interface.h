// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>
#include <functional>

#include "ray/common/id.h"
#include "ray/common/status.h"
#include "src/ray/protobuf/node_manager.pb.h"

namespace ray {

namespace rpc {

template <typename Reply>
using ClientCallback = std::function<void(const Status &status, Reply &&reply)>;

}  // namespace rpc

/// Another node.
class RayletClientInterface {
 public:
  virtual ~RayletClientInterface() = default;

  /// Sends a value there. The bytes must stay until the callback is called.
  virtual void PushMutableObject(
      const ObjectID &writer_object_id,
      uint64_t data_size,
      uint64_t metadata_size,
      void *data,
      void *metadata,
      const rpc::ClientCallback<rpc::PushMutableObjectReply> &callback) = 0;
};

}  // namespace ray
