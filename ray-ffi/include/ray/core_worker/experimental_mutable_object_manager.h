// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the channels of a process.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "plasma_rs/handle.h"
#include "ray/common/buffer.h"
#include "ray/common/id.h"
#include "ray/common/ray_object.h"
#include "ray/common/status.h"
#include "ray/object_manager/plasma/client.h"

// Ray's own files expect these names from here. Without Abseil nothing here needs them.
#if __has_include("absl/container/node_hash_map.h")
#include "absl/container/node_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#endif

namespace ray {
namespace experimental {

/// A reader of a channel on some node.
struct ReaderRefInfo {
  ReaderRefInfo() = default;

  ObjectID reader_ref_id;
  ActorID owner_reader_actor_id;
  int64_t num_reader_actors{};
};

/// The channels that this process has open, by their ids. All functions may be called by several threads at once. Destroying
/// it closes all channels; nobody may be inside of a function then, but who waits in one is woken by SetErrorAll.
class MutableObjectManager : public std::enable_shared_from_this<MutableObjectManager> {
 public:
  /// A value in its place, which goes back to the channel with this buffer.
  class MutableObjectBuffer : public SharedMemoryBuffer {
   public:
    MutableObjectBuffer(std::shared_ptr<MutableObjectManager> mutable_object_manager,
                        const std::shared_ptr<Buffer> &buffer,
                        const ObjectID &object_id);
    ~MutableObjectBuffer() override;
    MutableObjectBuffer(const MutableObjectBuffer &) = delete;
    MutableObjectBuffer &operator=(const MutableObjectBuffer &) = delete;

    const ObjectID &object_id() const { return object_id_; }

   private:
    const std::shared_ptr<MutableObjectManager> manager_;
    const ObjectID object_id_;
  };

  /// A view of what Rust remembers of a channel.
  struct Channel {
    /// The version that is read next.
    int64_t next_version_to_read;
    /// Whether a value is being written.
    bool written;
    /// Whether a value is being read.
    bool reading;
    bool reader_registered;
    bool writer_registered;
  };

  /// \param check_signals Is asked from time to time while a read waits; an error ends the wait.
  explicit MutableObjectManager(std::function<Status()> check_signals = nullptr);
  ~MutableObjectManager();
  MutableObjectManager(const MutableObjectManager &) = delete;
  MutableObjectManager &operator=(const MutableObjectManager &) = delete;

  /// Opens an end of a channel. When both ends are registered here, the object that came first serves both.
  ///
  /// \return ChannelError when the semaphores cannot be made or opened.
  Status RegisterChannel(const ObjectID &object_id,
                         std::unique_ptr<plasma::MutableObject> mutable_object,
                         bool reader);

  bool ChannelRegistered(const ObjectID &object_id) { return GetChannel(object_id) != nullptr; }

  /// Room for data and metadata of the value that is being written.
  Status GetObjectBackingStore(const ObjectID &object_id,
                               int64_t data_size,
                               int64_t metadata_size,
                               std::shared_ptr<Buffer> &data);

  /// Begins a value, when all readers of the last one have finished.
  ///
  /// \param metadata Is copied behind the data; with null, the caller writes metadata later.
  /// \param num_readers How many reads of the value there will be.
  /// \param[out] data Where to write the data.
  /// \param timeout_ms 0: try once. -1: wait for ever.
  /// \return InvalidArgument when it does not fit; ChannelTimeoutError; ChannelError when the channel is closed or not
  ///         registered.
  Status WriteAcquire(const ObjectID &object_id,
                      int64_t data_size,
                      const uint8_t *metadata,
                      int64_t metadata_size,
                      int64_t num_readers,
                      std::shared_ptr<Buffer> &data,
                      int64_t timeout_ms = -1);

  /// Lets the readers have the value.
  Status WriteRelease(const ObjectID &object_id);

  /// Waits for the next value. Its buffers give it back when the last of them goes; an exception is copied, and given back
  /// at once.
  ///
  /// \return Invalid when the value is there no more; as WriteAcquire.
  Status ReadAcquire(const ObjectID &object_id,
                     std::shared_ptr<RayObject> &result,
                     int64_t timeout_ms = -1);

  /// Gives the value back before its buffers go.
  Status ReadRelease(const ObjectID &object_id);

  /// Closes a channel at all its ends.
  Status SetError(const ObjectID &object_id);

  /// Closes all channels at all their ends.
  Status SetErrorAll();

  /// \return ChannelError when the channel is closed, NotFound when there is none.
  Status GetChannelStatus(const ObjectID &object_id, bool is_reader);

  /// \return Null when there is none. Stays valid as long as this manager.
  Channel *GetChannel(const ObjectID &object_id);

 private:
  // Ray's tests use these.
  void OpenSemaphores(const ObjectID &object_id, PlasmaObjectHeader *header);
  bool GetSemaphores(const ObjectID &object_id, PlasmaObjectHeader::Semaphores &sem);
  void DestroySemaphores(const ObjectID &object_id);

  friend class plasma_rs::ChannelAccess;
  friend class MutableObjectTest_TestBasic_Test;
  friend class MutableObjectTest_TestMultipleReaders_Test;
  friend class MutableObjectTest_TestWriterFails_Test;
  friend class MutableObjectTest_TestWriterFailsAfterAcquire_Test;
  friend class MutableObjectTest_TestReaderFails_Test;
  friend class MutableObjectTest_TestWriteAcquireDuringFailure_Test;
  friend class MutableObjectTest_TestReadAcquireDuringFailure_Test;
  friend class MutableObjectTest_TestReadMultipleAcquireDuringFailure_Test;

  const std::function<Status()> check_signals_;
  const plasma_rs::Handle<plasma_rs::ChannelManagerHandle> handle_;
};

}  // namespace experimental
}  // namespace ray
