// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/core_worker/experimental_mutable_object_provider.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "channel.h"
#include "convert.h"
#include "ray/util/logging.h"

namespace ray {
namespace core {
namespace experimental {

using plasma_rs::ArrayOf;

class MutableObjectProvider::Outgoing {
 public:
  Outgoing(std::shared_ptr<ray::experimental::MutableObjectManager> manager,
           const ObjectID &channel,
           const std::vector<NodeID> &nodes,
           const RayletFactory &factory)
      : manager_(std::move(manager)), channel_(channel), work_(context_.get_executor()) {
    for (const auto &node : nodes) {
      // The name is that of no node, so that Ray takes none of these calls for one within a node.
      call_managers_.push_back(std::make_unique<rpc::ClientCallManager>(
          context_, /*record_stats=*/false, /*local_address=*/"always not local"));
      readers_.push_back(factory(node));
    }
    PostSend();
    thread_ = std::thread([this] { Run(); });
  }

  Outgoing(const Outgoing &) = delete;
  Outgoing &operator=(const Outgoing &) = delete;

  /// The channel is closed before, so that the thread waits for nothing.
  ~Outgoing() {
    work_.reset();
    context_.stop();
    thread_.join();
  }

 private:
  void Run() {
    // Signals are for the main thread.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    pthread_setname_np(pthread_self(), "worker.channel");
    context_.run();
  }

  void PostSend() {
    context_.post([this] { Send(); }, "experimental::MutableObjectProvider.PollWriter");
  }

  /// Sends the next value. When all nodes have answered it is sent for again.
  void Send() {
    std::shared_ptr<RayObject> value;
    const Status status = manager_->ReadAcquire(channel_, value);
    if (!status.ok()) {
      // It is closed at the end of this object's life; otherwise somebody has failed.
      RAY_LOG(INFO) << "no more values of channel " << channel_.Hex()
                    << " are sent: " << status.ToString();
      return;
    }
    const auto answers = std::make_shared<std::atomic<size_t>>(0);
    const auto data = value->GetData();
    const auto metadata = value->GetMetadata();
    for (const auto &reader : readers_) {
      reader->PushMutableObject(
          channel_,
          data->Size(),
          metadata->Size(),
          data->Data(),
          metadata->Data(),
          [this, answers](const Status &pushed, const rpc::PushMutableObjectReply & /*reply*/) {
            if (!pushed.ok()) {
              RAY_LOG(ERROR) << "a value of channel " << channel_.Hex()
                             << " did not reach another node: " << pushed.ToString();
            }
            if (++*answers == readers_.size()) {
              PostSend();
            }
          });
    }
  }

  const std::shared_ptr<ray::experimental::MutableObjectManager> manager_;
  const ObjectID channel_;
  instrumented_io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::unique_ptr<rpc::ClientCallManager>> call_managers_;
  std::vector<std::shared_ptr<RayletClientInterface>> readers_;
  std::thread thread_;
};

MutableObjectProvider::MutableObjectProvider(
    std::shared_ptr<plasma::PlasmaClientInterface> plasma,
    RayletFactory raylet_client_factory,
    std::function<Status(void)> check_signals)
    : plasma_(std::move(plasma)),
      object_manager_(std::make_shared<ray::experimental::MutableObjectManager>(
          std::move(check_signals))),
      raylet_client_factory_(std::move(raylet_client_factory)),
      incoming_(plasma_rs::incoming_new().into_raw()) {}

MutableObjectProvider::~MutableObjectProvider() {
  const Status closed = object_manager_->SetErrorAll();
  if (!closed.ok()) {
    RAY_LOG(WARNING) << "channels stay open: " << closed.ToString();
  }
  outgoing_.clear();
}

void MutableObjectProvider::RegisterReaderChannel(const ObjectID &object_id) {
  std::unique_ptr<plasma::MutableObject> object;
  Status status = plasma_->GetExperimentalMutableObject(object_id, &object);
  RAY_CHECK(status.ok()) << status.ToString();
  status = object_manager_->RegisterChannel(object_id, std::move(object), /*reader=*/true);
  RAY_CHECK(status.ok()) << status.ToString();
}

void MutableObjectProvider::RegisterWriterChannel(
    const ObjectID &writer_object_id, const std::vector<NodeID> &remote_reader_node_ids) {
  std::unique_ptr<plasma::MutableObject> object;
  Status status = plasma_->GetExperimentalMutableObject(writer_object_id, &object);
  RAY_CHECK(status.ok()) << status.ToString();
  status =
      object_manager_->RegisterChannel(writer_object_id, std::move(object), /*reader=*/false);
  RAY_CHECK(status.ok()) << status.ToString();
  if (!remote_reader_node_ids.empty()) {
    const std::lock_guard<std::mutex> lock(outgoing_mutex_);
    outgoing_.push_back(std::make_unique<Outgoing>(
        object_manager_, writer_object_id, remote_reader_node_ids, raylet_client_factory_));
  }
}

void MutableObjectProvider::HandleRegisterMutableObject(const ObjectID &writer_object_id,
                                                        int64_t num_readers,
                                                        const ObjectID &reader_object_id) {
  RAY_CHECK(incoming_->follow(
      ArrayOf(writer_object_id), num_readers, ArrayOf(reader_object_id)))
      << "channel " << writer_object_id.Hex() << " has been registered before";
  RegisterReaderChannel(reader_object_id);
}

void MutableObjectProvider::HandlePushMutableObject(
    const rpc::PushMutableObjectRequest &request, rpc::PushMutableObjectReply *reply) {
  bool done = false;
  const std::string &writer = request.writer_object_id();
  const std::string &data = request.data();
  if (writer.size() != ObjectID::Size() || request.chunk_size() != data.size()) {
    RAY_LOG(ERROR) << "another node has sent a piece of a value that is none";
    reply->set_done(done);
    return;
  }
  const std::string &metadata = request.metadata();
  const auto bytes = [](const std::string &text) {
    return rust::Slice<const std::uint8_t>(
        reinterpret_cast<const std::uint8_t *>(text.data()), text.size());
  };
  const plasma_rs::PieceReceived piece{ArrayOf(ObjectID::FromBinary(writer)),
                                       request.total_data_size(),
                                       request.total_metadata_size(),
                                       request.offset(),
                                       bytes(data),
                                       bytes(metadata)};
  const Status status = plasma_rs::ToStatus(
      incoming_->push(plasma_rs::ChannelAccess::Rust(*object_manager_), piece, done));
  if (!status.ok()) {
    RAY_LOG(ERROR) << "a piece of a value for channel " << ObjectID::FromBinary(writer).Hex()
                   << " is dropped: " << status.ToString();
  }
  reply->set_done(done);
}

Status MutableObjectProvider::WriteAcquire(const ObjectID &object_id,
                                           int64_t data_size,
                                           const uint8_t *metadata,
                                           int64_t metadata_size,
                                           int64_t num_readers,
                                           std::shared_ptr<Buffer> &data,
                                           int64_t timeout_ms) {
  return object_manager_->WriteAcquire(
      object_id, data_size, metadata, metadata_size, num_readers, data, timeout_ms);
}

Status MutableObjectProvider::WriteRelease(const ObjectID &object_id) {
  return object_manager_->WriteRelease(object_id);
}

Status MutableObjectProvider::ReadAcquire(const ObjectID &object_id,
                                          std::shared_ptr<RayObject> &result,
                                          int64_t timeout_ms) {
  return object_manager_->ReadAcquire(object_id, result, timeout_ms);
}

Status MutableObjectProvider::ReadRelease(const ObjectID &object_id) {
  return object_manager_->ReadRelease(object_id);
}

Status MutableObjectProvider::SetError(const ObjectID &object_id) {
  return object_manager_->SetError(object_id);
}

Status MutableObjectProvider::GetChannelStatus(const ObjectID &object_id, bool is_reader) {
  return object_manager_->GetChannelStatus(object_id, is_reader);
}

}  // namespace experimental
}  // namespace core
}  // namespace ray
