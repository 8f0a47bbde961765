// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The header of a mutable object, the manager of channels and their provider, over objects on the heap.

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "ray/core_worker/experimental_mutable_object_manager.h"
#include "ray/core_worker/experimental_mutable_object_provider.h"
#include "test_support.h"

namespace {

using plasma::MutableObject;
using plasma::PlasmaObject;
using ray::Buffer;
using ray::NodeID;
using ray::ObjectID;
using ray::PlasmaObjectHeader;
using ray::RayObject;
using ray::Status;
using ray::StatusCode;
using ray::experimental::MutableObjectManager;

/// An object with room for some bytes. It outlives what is made of it.
class Memory {
 public:
  explicit Memory(size_t capacity)
      : capacity_(capacity),
        bytes_(static_cast<uint8_t *>(
            std::aligned_alloc(64, (sizeof(PlasmaObjectHeader) + capacity + 63) / 64 * 64))) {
    Header()->Init();
  }

  ~Memory() { std::free(bytes_); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  PlasmaObjectHeader *Header() const { return reinterpret_cast<PlasmaObjectHeader *>(bytes_); }

  std::unique_ptr<MutableObject> Object() const {
    PlasmaObject info{};
    info.header_offset = 0;
    info.data_offset = sizeof(PlasmaObjectHeader);
    info.allocated_size = static_cast<int64_t>(capacity_);
    return std::make_unique<MutableObject>(bytes_, info);
  }

  bool HasNames() const {
    const std::string name = Header()->unique_name;
    return std::filesystem::exists("/dev/shm/sem.obj" + name) ||
           std::filesystem::exists("/dev/shm/sem.hdr" + name);
  }

 private:
  const size_t capacity_;
  uint8_t *const bytes_;
};

std::string Text(const std::shared_ptr<Buffer> &buffer) {
  return std::string(reinterpret_cast<const char *>(buffer->Data()), buffer->Size());
}

Status Write(MutableObjectManager &manager,
             const ObjectID &id,
             const std::string &data,
             const std::string &metadata,
             int64_t readers = 1,
             int64_t timeout_ms = -1) {
  std::shared_ptr<Buffer> buffer;
  const auto *bytes = reinterpret_cast<const uint8_t *>(metadata.data());
  RAY_RETURN_NOT_OK(manager.WriteAcquire(id,
                                         static_cast<int64_t>(data.size()),
                                         bytes,
                                         static_cast<int64_t>(metadata.size()),
                                         readers,
                                         buffer,
                                         timeout_ms));
  EXPECT_EQ(buffer->Size(), data.size());
  std::memcpy(buffer->Data(), data.data(), data.size());
  return manager.WriteRelease(id);
}

class ManagerTest : public testing::Test {
 protected:
  ManagerTest()
      : memory_(100),
        writer_(std::make_shared<MutableObjectManager>()),
        reader_(std::make_shared<MutableObjectManager>()) {
    EXPECT_TRUE(writer_->RegisterChannel(id_, memory_.Object(), /*reader=*/false).ok());
    EXPECT_TRUE(reader_->RegisterChannel(id_, memory_.Object(), /*reader=*/true).ok());
  }

  const ObjectID id_ = ObjectID::FromRandom();
  const Memory memory_;
  std::shared_ptr<MutableObjectManager> writer_;
  std::shared_ptr<MutableObjectManager> reader_;
};

TEST(HeaderTest, AFreshHeaderIsEmptyAndHasANameOfItsOwn) {
  const Memory first(0);
  const Memory second(0);
  const auto *header = first.Header();
  EXPECT_STRNE(header->unique_name, second.Header()->unique_name);
  EXPECT_EQ(std::string(header->unique_name).find(std::to_string(getpid()) + "-"), 0u);
  EXPECT_EQ(header->version, 0);
  EXPECT_FALSE(header->is_sealed);
  EXPECT_TRUE(header->CheckHasError().ok());
  ray::PrintPlasmaObjectHeader(header);
}

TEST(HeaderTest, SemaphoresOfSomebodyElseServe) {
  const Memory memory(8);
  sem_t object_sem;
  sem_t header_sem;
  ASSERT_EQ(sem_init(&object_sem, 1, 1), 0);
  ASSERT_EQ(sem_init(&header_sem, 1, 1), 0);
  PlasmaObjectHeader::Semaphores semaphores{&object_sem, &header_sem};
  auto *header = memory.Header();
  std::thread writer([&] {
    for (int i = 0; i < 100; i++) {
      EXPECT_TRUE(header->WriteAcquire(semaphores, 1, 2, 1).ok());
      EXPECT_TRUE(header->WriteRelease(semaphores).ok());
    }
  });
  for (int64_t wanted = 1; wanted <= 100; wanted++) {
    int64_t version = 0;
    ASSERT_TRUE(header->ReadAcquire(ObjectID(), semaphores, wanted, version, nullptr).ok());
    EXPECT_EQ(version, wanted);
    ASSERT_TRUE(header->ReadRelease(semaphores, version).ok());
  }
  writer.join();
  const auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(header->TryToAcquireSemaphore(&object_sem, now).ok());
  EXPECT_EQ(header->TryToAcquireSemaphore(&object_sem, now).code(),
            StatusCode::ChannelTimeoutError);
  header->SetErrorUnlocked(semaphores);
  EXPECT_TRUE(header->CheckHasError().IsChannelError());
  EXPECT_TRUE(header->WriteAcquire(semaphores, 0, 0, 1).IsChannelError());
  EXPECT_TRUE(header->TryToAcquireSemaphore(&object_sem).IsChannelError());
}

TEST_F(ManagerTest, AValueArrivesInPlaceAndGoesBackWithItsBuffers) {
  ASSERT_TRUE(Write(*writer_, id_, "data", "meta").ok());
  std::shared_ptr<RayObject> value;
  ASSERT_TRUE(reader_->ReadAcquire(id_, value).ok());
  EXPECT_EQ(Text(value->GetData()), "data");
  EXPECT_EQ(Text(value->GetMetadata()), "meta");
  EXPECT_EQ(value->GetData()->Data(),
            reinterpret_cast<uint8_t *>(memory_.Header()) + sizeof(PlasmaObjectHeader));
  EXPECT_EQ(Write(*writer_, id_, "more", "", 1, /*timeout_ms=*/0).code(),
            StatusCode::ChannelTimeoutError);
  EXPECT_TRUE(reader_->GetChannel(id_)->reading);
  const auto data = value->GetData();
  value.reset();
  EXPECT_EQ(Write(*writer_, id_, "more", "", 1, 1).code(), StatusCode::ChannelTimeoutError);
  EXPECT_EQ(Text(data), "data");
}

TEST_F(ManagerTest, AnExceptionIsCopiedSoThatTheWriterCanGoOn) {
  ASSERT_TRUE(Write(*writer_, id_, "what was wrong", "7").ok());
  std::shared_ptr<RayObject> value;
  ASSERT_TRUE(reader_->ReadAcquire(id_, value).ok());
  ASSERT_TRUE(Write(*writer_, id_, "next", "m", 1, /*timeout_ms=*/0).ok());
  EXPECT_EQ(Text(value->GetData()), "what was wrong");
  EXPECT_EQ(Text(value->GetMetadata()), "7");
}

TEST_F(ManagerTest, WhatDoesNotFitIsRefused) {
  std::shared_ptr<Buffer> buffer;
  const std::pair<int64_t, int64_t> wrong[] = {
      {101, 0}, {0, 101}, {50, 51}, {-1, 5}, {5, -1}, {INT64_MAX, INT64_MAX}};
  for (const auto &[data, metadata] : wrong) {
    EXPECT_EQ(writer_->WriteAcquire(id_, data, nullptr, metadata, 1, buffer).code(),
              StatusCode::InvalidArgument);
  }
  EXPECT_EQ(writer_->WriteAcquire(id_, 1, nullptr, 1, 0, buffer).code(),
            StatusCode::InvalidArgument);
  ASSERT_TRUE(writer_->WriteAcquire(id_, 50, nullptr, 50, 1, buffer).ok());
  EXPECT_EQ(writer_->GetObjectBackingStore(id_, 50, 51, buffer).code(),
            StatusCode::InvalidArgument);
  ASSERT_TRUE(writer_->GetObjectBackingStore(id_, 50, 50, buffer).ok());
  EXPECT_EQ(buffer->Size(), 100u);
  EXPECT_TRUE(writer_->WriteRelease(id_).ok());
}

TEST_F(ManagerTest, ChannelsThatAreUnknownAreErrors) {
  const auto other = ObjectID::FromRandom();
  std::shared_ptr<Buffer> buffer;
  std::shared_ptr<RayObject> value;
  EXPECT_FALSE(writer_->ChannelRegistered(other));
  EXPECT_TRUE(writer_->WriteAcquire(other, 0, nullptr, 0, 1, buffer).IsChannelError());
  EXPECT_TRUE(writer_->WriteRelease(other).IsChannelError());
  EXPECT_TRUE(writer_->ReadAcquire(other, value).IsChannelError());
  EXPECT_TRUE(writer_->ReadRelease(other).IsChannelError());
  EXPECT_TRUE(writer_->SetError(other).IsChannelError());
  EXPECT_TRUE(writer_->GetObjectBackingStore(other, 0, 0, buffer).IsChannelError());
  EXPECT_TRUE(writer_->GetChannelStatus(other, true).IsNotFound());
  EXPECT_TRUE(reader_->ReadRelease(id_).IsChannelError());
}

TEST_F(ManagerTest, OutOfTurnEndsTheProcess) {
  std::shared_ptr<Buffer> buffer;
  EXPECT_DEATH((void)writer_->WriteRelease(id_), "You must call WriteAcquire");
  ASSERT_TRUE(writer_->WriteAcquire(id_, 0, nullptr, 0, 1, buffer).ok());
  EXPECT_DEATH((void)writer_->WriteAcquire(id_, 0, nullptr, 0, 1, buffer),
               "You must call WriteRelease");
}

TEST_F(ManagerTest, AnErrorReachesWhoWaitsAndStays) {
  auto waits = std::async(std::launch::async, [&] {
    std::shared_ptr<RayObject> value;
    return reader_->ReadAcquire(id_, value);
  });
  EXPECT_TRUE(writer_->GetChannelStatus(id_, /*is_reader=*/false).ok());
  ASSERT_TRUE(writer_->SetError(id_).ok());
  ASSERT_TRUE(writer_->SetError(id_).ok());
  EXPECT_TRUE(waits.get().IsChannelError());
  EXPECT_TRUE(writer_->GetChannelStatus(id_, /*is_reader=*/false).IsChannelError());
  EXPECT_TRUE(Write(*writer_, id_, "", "").IsChannelError());
  EXPECT_TRUE(writer_->WriteRelease(id_).IsChannelError());
}

TEST_F(ManagerTest, AManagerThatGoesClosesItsChannelsAndTakesTheirNamesAway) {
  EXPECT_TRUE(memory_.HasNames());
  writer_.reset();
  EXPECT_FALSE(memory_.HasNames());
  std::shared_ptr<RayObject> value;
  EXPECT_TRUE(reader_->ReadAcquire(id_, value).IsChannelError());
}

TEST(ManagerSignalsTest, ASignalEndsAWaitWithItsStatus) {
  ASSERT_EQ(setenv("RAY_get_check_signal_interval_milliseconds", "1", 1), 0);
  const Memory memory(10);
  const auto id = ObjectID::FromRandom();
  const auto manager = std::make_shared<MutableObjectManager>(
      [] { return Status(StatusCode::TimedOut, "a signal"); });
  ASSERT_TRUE(manager->RegisterChannel(id, memory.Object(), /*reader=*/true).ok());
  std::shared_ptr<RayObject> value;
  EXPECT_EQ(manager->ReadAcquire(id, value).message(), "a signal");
}

TEST_F(ManagerTest, AReaderThatMissesAValueIsTold) {
  const auto late = std::make_shared<MutableObjectManager>();
  ASSERT_TRUE(late->RegisterChannel(id_, memory_.Object(), /*reader=*/true).ok());
  for (const std::string text : {"one", "two"}) {
    std::shared_ptr<RayObject> value;
    ASSERT_TRUE(Write(*writer_, id_, text, "").ok());
    ASSERT_TRUE(reader_->ReadAcquire(id_, value).ok());
    EXPECT_EQ(Text(value->GetData()), text);
  }
  std::shared_ptr<RayObject> value;
  EXPECT_TRUE(late->ReadAcquire(id_, value).IsInvalid());
}

TEST_F(ManagerTest, ManyReadersSeeEveryValueOnce) {
  constexpr int kReaders = 6;
  constexpr int kValues = 500;
  std::vector<std::shared_ptr<MutableObjectManager>> managers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kReaders; i++) {
    managers.push_back(std::make_shared<MutableObjectManager>());
    ASSERT_TRUE(managers.back()->RegisterChannel(id_, memory_.Object(), true).ok());
  }
  for (const auto &manager : managers) {
    threads.emplace_back([this, &manager] {
      for (int i = 0; i < kValues; i++) {
        std::shared_ptr<RayObject> value;
        ASSERT_TRUE(manager->ReadAcquire(id_, value).ok());
        ASSERT_EQ(Text(value->GetData()), std::to_string(i));
      }
    });
  }
  for (int i = 0; i < kValues; i++) {
    ASSERT_TRUE(Write(*writer_, id_, std::to_string(i), "m", kReaders).ok());
  }
  for (auto &thread : threads) {
    thread.join();
  }
}

/// Objects on the heap in the place of a store's.
class Objects : public plasma::PlasmaClientInterface {
 public:
  Status GetExperimentalMutableObject(const ObjectID &id,
                                      std::unique_ptr<MutableObject> *object) override {
    auto &memory = memories_[id.Binary()];
    if (memory == nullptr) {
      memory = std::make_unique<Memory>(64);
    }
    *object = memory->Object();
    return Status::OK();
  }

  Status Connect(const std::string &, const std::string &, int) override { return Status::OK(); }
  Status Release(const ObjectID &) override { return Status::OK(); }
  Status Contains(const ObjectID &, bool *) override { return Status::OK(); }
  void Disconnect() override {}
  Status Get(const std::vector<ObjectID> &,
             int64_t,
             std::vector<plasma::ObjectBuffer> *) override {
    return Status::OK();
  }
  Status Seal(const ObjectID &) override { return Status::OK(); }
  Status Abort(const ObjectID &) override { return Status::OK(); }
  Status CreateAndSpillIfNeeded(const ObjectID &,
                                const ray::rpc::Address &,
                                bool,
                                int64_t,
                                const uint8_t *,
                                int64_t,
                                std::shared_ptr<Buffer> *,
                                plasma::flatbuf::ObjectSource,
                                int) override {
    return Status::OK();
  }
  Status TryCreateImmediately(const ObjectID &,
                              const ray::rpc::Address &,
                              int64_t,
                              const uint8_t *,
                              int64_t,
                              std::shared_ptr<Buffer> *,
                              plasma::flatbuf::ObjectSource,
                              int) override {
    return Status::OK();
  }
  Status Delete(const std::vector<ObjectID> &) override { return Status::OK(); }
  ray::StatusOr<std::string> GetMemoryUsage() override { return std::string(); }

 private:
  std::map<std::string, std::unique_ptr<Memory>> memories_;
};

/// Another node: puts what it is sent together again.
class Node : public ray::RayletClientInterface {
 public:
  void PushMutableObject(
      const ObjectID &,
      uint64_t data_size,
      uint64_t metadata_size,
      void *data,
      void *metadata,
      const ray::rpc::ClientCallback<ray::rpc::PushMutableObjectReply> &callback) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      values_.push_back(std::string(static_cast<char *>(data), data_size) + "/" +
                        std::string(static_cast<char *>(metadata), metadata_size));
    }
    changed_.notify_all();
    callback(Status::OK(), ray::rpc::PushMutableObjectReply());
  }

  std::vector<std::string> WaitForValues(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> values_;
};

class ProviderTest : public testing::Test {
 protected:
  using Provider = ray::core::experimental::MutableObjectProvider;

  /// Sends a piece; says whether the value is complete.
  bool Push(uint64_t total, uint64_t offset, const std::string &data, const std::string &meta) {
    ray::rpc::PushMutableObjectRequest request;
    request.set_writer_object_id(writer_.Binary());
    request.set_total_data_size(total);
    request.set_total_metadata_size(meta.size());
    request.set_offset(offset);
    request.set_chunk_size(data.size());
    request.set_data(data);
    request.set_metadata(meta);
    ray::rpc::PushMutableObjectReply reply;
    reply.set_done(true);
    provider_.HandlePushMutableObject(request, &reply);
    return reply.done();
  }

  const std::shared_ptr<Node> node_ = std::make_shared<Node>();
  const ObjectID writer_ = ObjectID::FromRandom();
  const ObjectID reader_ = ObjectID::FromRandom();
  Provider provider_{std::make_shared<Objects>(),
                     [this](const NodeID &) { return node_; },
                     nullptr};
};

TEST_F(ProviderTest, EveryValueGoesToEveryOtherNode) {
  provider_.RegisterWriterChannel(writer_, {NodeID::FromRandom(), NodeID::FromRandom()});
  for (const std::string text : {"a", "bc", ""}) {
    std::shared_ptr<Buffer> buffer;
    const auto size = static_cast<int64_t>(text.size());
    ASSERT_TRUE(provider_
                    .WriteAcquire(writer_, size, reinterpret_cast<const uint8_t *>("m"), 1, 1, buffer)
                    .ok());
    std::memcpy(buffer->Data(), text.data(), text.size());
    ASSERT_TRUE(provider_.WriteRelease(writer_).ok());
  }
  const std::vector<std::string> expected = {"a/m", "a/m", "bc/m", "bc/m", "/m", "/m"};
  EXPECT_EQ(node_->WaitForValues(6), expected);
}

TEST_F(ProviderTest, PiecesBecomeAValue) {
  provider_.HandleRegisterMutableObject(writer_, 1, reader_);
  EXPECT_FALSE(Push(5, 0, "ab", "m"));
  EXPECT_FALSE(Push(5, 2, "cd", "m"));
  EXPECT_TRUE(Push(5, 4, "e", "m"));
  std::shared_ptr<RayObject> value;
  ASSERT_TRUE(provider_.ReadAcquire(reader_, value).ok());
  EXPECT_EQ(Text(value->GetData()), "abcde");
  EXPECT_EQ(Text(value->GetMetadata()), "m");
  value.reset();
  EXPECT_TRUE(Push(0, 0, "", ""));
  ASSERT_TRUE(provider_.ReadAcquire(reader_, value).ok());
  EXPECT_EQ(value->GetSize(), 0u);
}

TEST_F(ProviderTest, WrongPiecesCloseTheChannelAndNothingElse) {
  provider_.HandleRegisterMutableObject(writer_, 1, reader_);
  EXPECT_FALSE(Push(4, 0, "ab", "m"));
  EXPECT_FALSE(Push(4, 3, "cd", "m"));
  std::shared_ptr<RayObject> value;
  EXPECT_TRUE(provider_.ReadAcquire(reader_, value).IsChannelError());
  EXPECT_TRUE(provider_.GetChannelStatus(reader_, true).IsChannelError());
  EXPECT_FALSE(Push(4, 0, "abcd", "m"));
}

TEST_F(ProviderTest, PiecesForNoChannelAndOfNoSizeAreDropped) {
  EXPECT_FALSE(Push(1, 0, "a", ""));
  provider_.HandleRegisterMutableObject(writer_, 1, reader_);
  EXPECT_FALSE(Push(UINT64_MAX, UINT64_MAX, "a", ""));
}

TEST_F(ProviderTest, ADeadReaderOfAnotherProcessEndsAWriteThatWaits) {
  // Shared with a child, which opens the channel and is killed with a value in its hands.
  const size_t size = 4096;
  void *shared = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto *bytes = static_cast<uint8_t *>(shared);
  reinterpret_cast<PlasmaObjectHeader *>(bytes)->Init();
  PlasmaObject info{};
  info.data_offset = sizeof(PlasmaObjectHeader);
  info.allocated_size = 100;
  auto manager = std::make_shared<MutableObjectManager>();
  ASSERT_TRUE(
      manager->RegisterChannel(writer_, std::make_unique<MutableObject>(bytes, info), false).ok());
  const pid_t child = fork();
  if (child == 0) {
    const auto reader = std::make_shared<MutableObjectManager>();
    std::shared_ptr<RayObject> value;
    if (reader->RegisterChannel(writer_, std::make_unique<MutableObject>(bytes, info), true).ok() &&
        reader->ReadAcquire(writer_, value).ok()) {
      raise(SIGKILL);
    }
    _exit(1);
  }
  ASSERT_TRUE(Write(*manager, writer_, "for the child", "m").ok());
  const Status status = Write(*manager, writer_, "for nobody", "m");
  EXPECT_TRUE(status.IsChannelError());
  EXPECT_NE(status.message().find(std::to_string(child)), std::string::npos) << status;
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  EXPECT_TRUE(WIFSIGNALED(ended));
  manager.reset();
  munmap(shared, size);
}

}  // namespace
