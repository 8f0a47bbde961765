// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: channels of a process, also to and from other nodes.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "ray/common/asio/instrumented_io_context.h"
#include "ray/core_worker/experimental_mutable_object_manager.h"
#include "ray/raylet_rpc_client/raylet_client_interface.h"
#include "ray/rpc/client_call.h"

namespace ray {
namespace core {
namespace experimental {

/// See MutableObjectManager for what is not said here.
class MutableObjectProviderInterface {
 public:
  virtual ~MutableObjectProviderInterface() = default;

  /// Opens the reading end of a channel of this node.
  virtual void RegisterReaderChannel(const ObjectID &object_id) = 0;

  /// Opens the writing end of a channel of this node, and sends each of its values to the other nodes.
  virtual void RegisterWriterChannel(const ObjectID &writer_object_id,
                                     const std::vector<NodeID> &remote_reader_node_ids) = 0;

  /// Another node wants to write to a channel of this node.
  ///
  /// \param writer_object_id The channel there. \param reader_object_id The channel here. \param num_readers Its readers.
  virtual void HandleRegisterMutableObject(const ObjectID &writer_object_id,
                                           int64_t num_readers,
                                           const ObjectID &reader_object_id) = 0;

  /// A piece of a value from another node.
  virtual void HandlePushMutableObject(const rpc::PushMutableObjectRequest &request,
                                       rpc::PushMutableObjectReply *reply) = 0;

  virtual Status WriteAcquire(const ObjectID &object_id,
                              int64_t data_size,
                              const uint8_t *metadata,
                              int64_t metadata_size,
                              int64_t num_readers,
                              std::shared_ptr<Buffer> &data,
                              int64_t timeout_ms = -1) = 0;
  virtual Status WriteRelease(const ObjectID &object_id) = 0;
  virtual Status ReadAcquire(const ObjectID &object_id,
                             std::shared_ptr<RayObject> &result,
                             int64_t timeout_ms = -1) = 0;
  virtual Status ReadRelease(const ObjectID &object_id) = 0;
  virtual Status SetError(const ObjectID &object_id) = 0;
  virtual Status GetChannelStatus(const ObjectID &object_id, bool is_reader) = 0;
};

class MutableObjectProvider : public MutableObjectProviderInterface {
 public:
  using RayletFactory =
      std::function<std::shared_ptr<RayletClientInterface>(const NodeID &)>;

  /// \param plasma Where the objects of channels come from. \param raylet_client_factory Clients of other nodes.
  MutableObjectProvider(std::shared_ptr<plasma::PlasmaClientInterface> plasma,
                        RayletFactory raylet_client_factory,
                        std::function<Status(void)> check_signals);

  /// Closes all channels and ends all threads.
  ~MutableObjectProvider() override;

  void RegisterReaderChannel(const ObjectID &object_id) override;
  void RegisterWriterChannel(const ObjectID &writer_object_id,
                             const std::vector<NodeID> &remote_reader_node_ids) override;
  void HandleRegisterMutableObject(const ObjectID &writer_object_id,
                                   int64_t num_readers,
                                   const ObjectID &reader_object_id) override;

  /// What does not fit, or comes for a channel that is closed, closes that channel; the reply says that it is not done.
  void HandlePushMutableObject(const rpc::PushMutableObjectRequest &request,
                               rpc::PushMutableObjectReply *reply) override;

  Status WriteAcquire(const ObjectID &object_id,
                      int64_t data_size,
                      const uint8_t *metadata,
                      int64_t metadata_size,
                      int64_t num_readers,
                      std::shared_ptr<Buffer> &data,
                      int64_t timeout_ms = -1) override;
  Status WriteRelease(const ObjectID &object_id) override;
  Status ReadAcquire(const ObjectID &object_id,
                     std::shared_ptr<RayObject> &result,
                     int64_t timeout_ms = -1) override;
  Status ReadRelease(const ObjectID &object_id) override;
  Status SetError(const ObjectID &object_id) override;
  Status GetChannelStatus(const ObjectID &object_id, bool is_reader) override;

 private:
  /// A channel whose values go to other nodes, with the thread that sends them.
  class Outgoing;

  friend class MutableObjectProvider_MutableObjectBufferReadRelease_Test;

  const std::shared_ptr<plasma::PlasmaClientInterface> plasma_;
  const std::shared_ptr<ray::experimental::MutableObjectManager> object_manager_;
  const RayletFactory raylet_client_factory_;
  const plasma_rs::Handle<plasma_rs::IncomingHandle> incoming_;
  std::mutex outgoing_mutex_;
  std::vector<std::unique_ptr<Outgoing>> outgoing_;
};

}  // namespace experimental
}  // namespace core
}  // namespace ray
