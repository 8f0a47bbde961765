// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The client: buffers, references, everything that can go wrong with an object, channels, connections that break.

#include "ray/object_manager/plasma/client.h"

#include <sys/wait.h>

#include <future>
#include <random>

#include "store_support.h"

namespace plasma {
namespace {

using plasma_tests::Id;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using plasma_tests::RunningStore;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

class PlasmaClientTest : public testing::Test {
 protected:
  Status Create(const ObjectID &id, int64_t size, const std::string &metadata = "") {
    return client_->CreateAndSpillIfNeeded(id,
                                           {},
                                           false,
                                           size,
                                           reinterpret_cast<const uint8_t *>(metadata.data()),
                                           static_cast<int64_t>(metadata.size()),
                                           &data_,
                                           kWorker);
  }

  void Put(const ObjectID &id, int64_t size, const std::string &metadata = "") {
    ASSERT_TRUE(Create(id, size, metadata).ok());
    std::memset(data_->Data(), 7, data_->Size());
    ASSERT_TRUE(client_->Seal(id).ok());
    ASSERT_TRUE(client_->Release(id).ok());
  }

  ObjectBuffer Get(const ObjectID &id, int64_t timeout_ms = 0) {
    std::vector<ObjectBuffer> buffers;
    EXPECT_TRUE(client_->Get({id}, timeout_ms, &buffers).ok());
    return buffers.at(0);
  }

  bool Contains(const ObjectID &id) {
    bool has = false;
    EXPECT_TRUE(client_->Contains(id, &has).ok());
    return has;
  }

  static std::string Text(const std::shared_ptr<SharedMemoryBuffer> &buffer) {
    return std::string(reinterpret_cast<const char *>(buffer->Data()), buffer->Size());
  }

  bool IsSpillable(const ObjectID &id) {
    // Releases have no answer; what comes after them has.
    static_cast<void>(client_->GetMemoryUsage());
    return store_.Runner().IsPlasmaObjectSpillable(id);
  }

  RunningStore store_;
  std::shared_ptr<PlasmaClient> client_ = store_.Connect();
  std::shared_ptr<Buffer> data_;
};

TEST_F(PlasmaClientTest, PutAndGet) {
  ASSERT_TRUE(Create(Id(1), 5, "meta").ok());
  EXPECT_EQ(data_->Size(), 5u);
  EXPECT_TRUE(data_->IsPlasmaBuffer());
  std::memcpy(data_->Data(), "hello", 5);
  EXPECT_TRUE(Contains(Id(1))) << "in use by this client";
  ASSERT_TRUE(client_->Seal(Id(1)).ok());
  ASSERT_TRUE(client_->Release(Id(1)).ok());
  EXPECT_TRUE(Contains(Id(1)));
  EXPECT_FALSE(Contains(Id(2)));
  const auto got = Get(Id(1));
  EXPECT_EQ(Text(got.data), "hello");
  EXPECT_EQ(Text(got.metadata), "meta");
  EXPECT_EQ(got.device_num, 0);
}

TEST_F(PlasmaClientTest, MetadataMayBeWrittenLater) {
  ASSERT_TRUE(client_->CreateAndSpillIfNeeded(Id(1), {}, false, 3, nullptr, 4, &data_, kWorker).ok());
  std::memcpy(data_->Data(), "abcmeta", 7);
  ASSERT_TRUE(client_->Seal(Id(1)).ok());
  const auto got = Get(Id(1));
  EXPECT_EQ(Text(got.data), "abc");
  EXPECT_EQ(Text(got.metadata), "meta");
}

TEST_F(PlasmaClientTest, EmptyObjectsAreObjects) {
  Put(Id(1), 0);
  const auto got = Get(Id(1));
  ASSERT_NE(got.data, nullptr);
  EXPECT_EQ(got.data->Size(), 0u);
  EXPECT_EQ(got.metadata->Size(), 0u);
}

TEST_F(PlasmaClientTest, BuffersGiveTheirReferenceBackTogether) {
  Put(Id(1), 100, "m");
  auto got = Get(Id(1));
  auto again = Get(Id(1));
  EXPECT_TRUE(IsSpillable(Id(1))) << "one client, one reference";
  got = {};
  EXPECT_TRUE(IsSpillable(Id(1)));
  again.data.reset();
  EXPECT_TRUE(IsSpillable(Id(1))) << "the metadata are left";
  again.metadata.reset();
  EXPECT_FALSE(IsSpillable(Id(1)));
}

TEST_F(PlasmaClientTest, BuffersKeepTheClient) {
  Put(Id(1), 100);
  auto got = Get(Id(1));
  const std::weak_ptr<PlasmaClient> watched = client_;
  client_.reset();
  data_.reset();
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(got.data->Data()[99], 7);
  got = {};
  EXPECT_TRUE(watched.expired());
}

TEST_F(PlasmaClientTest, GetsKeepOrderDuplicatesAndWhatIsMissing) {
  Put(Id(1), 1);
  Put(Id(2), 2);
  std::vector<ObjectBuffer> buffers(17);
  ASSERT_TRUE(client_->Get({Id(2), Id(9), Id(1), Id(2)}, 20, &buffers).ok());
  ASSERT_EQ(buffers.size(), 4u);
  EXPECT_EQ(buffers[0].data->Size(), 2u);
  EXPECT_EQ(buffers[1].data, nullptr);
  EXPECT_EQ(buffers[1].metadata, nullptr);
  EXPECT_EQ(buffers[2].data->Size(), 1u);
  EXPECT_EQ(buffers[3].data->Size(), 2u);
  ASSERT_TRUE(client_->Get({}, -1, &buffers).ok());
  EXPECT_TRUE(buffers.empty());
}

TEST_F(PlasmaClientTest, AGetWaitsAndHindersNobody) {
  const auto waiter = store_.Connect();
  std::vector<ObjectBuffer> buffers;
  auto waits =
      std::async(std::launch::async, [&] { return waiter->Get({Id(1)}, -1, &buffers); });
  for (int i = 0; i < 20; i++) {
    bool has = true;
    EXPECT_TRUE(waiter->Contains(Id(2), &has).ok());
    EXPECT_FALSE(has);
  }
  Put(Id(1), 10);
  ASSERT_TRUE(waits.get().ok());
  EXPECT_EQ(buffers[0].data->Size(), 10u);
}

TEST_F(PlasmaClientTest, CreationsThatFail) {
  Put(Id(1), 10);
  EXPECT_TRUE(Create(Id(1), 10).IsObjectExists());
  EXPECT_TRUE(Create(Id(2), -1).IsInvalid());
  EXPECT_FALSE(client_->TryCreateImmediately(Id(2), {}, int64_t{1} << 50, nullptr, 0, &data_, kWorker).ok());
  EXPECT_FALSE(client_->CreateAndSpillIfNeeded(Id(2), {}, false, 1, nullptr, 0, &data_, kWorker, 1).ok());
  ray::rpc::Address owner;
  owner.set_worker_id("x");
  EXPECT_TRUE(client_->CreateAndSpillIfNeeded(Id(2), owner, false, 1, nullptr, 0, &data_, kWorker).IsInvalid());
  Put(Id(2), 10);
}

TEST_F(PlasmaClientTest, Seals) {
  EXPECT_TRUE(client_->Seal(Id(1)).IsObjectNotFound());
  ASSERT_TRUE(Create(Id(1), 10).ok());
  EXPECT_TRUE(client_->Seal(Id(1)).ok());
  EXPECT_TRUE(client_->Seal(Id(1)).IsObjectAlreadySealed());
  EXPECT_TRUE(client_->Release(Id(1)).ok());
  EXPECT_TRUE(client_->Seal(Id(1)).IsObjectNotFound());
}

TEST_F(PlasmaClientTest, Aborts) {
  ASSERT_TRUE(Create(Id(1), 10).ok());
  EXPECT_TRUE(client_->Abort(Id(1)).IsInvalid()) << "there is a second reference";
  EXPECT_TRUE(client_->Release(Id(1)).ok());
  EXPECT_TRUE(client_->Abort(Id(1)).ok());
  EXPECT_FALSE(Contains(Id(1)));
  Put(Id(1), 20);
}

using PlasmaClientDeathTest = PlasmaClientTest;

TEST_F(PlasmaClientDeathTest, MisuseThatRayAbortsOn) {
  // Started anew: the child of a fork has no connection.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Put(Id(1), 10);
  const auto got = Get(Id(1));
  EXPECT_DEATH(static_cast<void>(client_->Abort(Id(1))), "sealed");
  EXPECT_DEATH(static_cast<void>(client_->Abort(Id(2))), "no such object");
  ASSERT_TRUE(Create(Id(3), 10).ok());
  std::vector<ObjectBuffer> buffers;
  EXPECT_DEATH(static_cast<void>(client_->Get({Id(3)}, -1, &buffers)), "wait for ever");
  EXPECT_EQ(Get(Id(3), 10).data, nullptr);
}

TEST_F(PlasmaClientTest, WhatIsInUseIsDeletedLater) {
  Put(Id(1), 10);
  auto got = Get(Id(1));
  EXPECT_TRUE(client_->Delete({Id(1), Id(9)}).ok());
  EXPECT_TRUE(Contains(Id(1)));
  got = {};
  EXPECT_FALSE(Contains(Id(1)));
  EXPECT_TRUE(client_->Delete({Id(1)}).ok());
  EXPECT_TRUE(client_->Delete({}).ok());
}

TEST_F(PlasmaClientTest, FilesOfTheirOwnComeAndGo) {
  for (int round = 0; round < 5; round++) {
    std::vector<std::shared_ptr<Buffer>> data(4);
    for (uint64_t i = 0; i < data.size(); i++) {
      ASSERT_TRUE(
          client_->TryCreateImmediately(Id(i), {}, 3 * kMiB, nullptr, 0, &data[i], kWorker).ok());
      std::memset(data[i]->Data(), static_cast<int>(i + 1), data[i]->Size());
    }
    EXPECT_GT(store_.Runner().GetFallbackAllocated(), 0);
    for (uint64_t i = 0; i < data.size(); i++) {
      ASSERT_TRUE(client_->Seal(Id(i)).ok());
      auto got = Get(Id(i));
      EXPECT_EQ(got.data->Data()[3 * kMiB - 1], i + 1);
      ASSERT_TRUE(client_->Release(Id(i)).ok());
      ASSERT_TRUE(client_->Delete({Id(i)}).ok());
    }
    EXPECT_EQ(store_.Runner().GetFallbackAllocated(), 0);
  }
}

TEST_F(PlasmaClientTest, Channels) {
  ASSERT_TRUE(client_->CreateAndSpillIfNeeded(Id(1), {}, true, 100, nullptr, 4, &data_, kWorker).ok());
  ASSERT_TRUE(client_->Seal(Id(1)).ok());
  ASSERT_TRUE(client_->Release(Id(1)).ok());
  std::unique_ptr<MutableObject> channel;
  ASSERT_TRUE(client_->GetExperimentalMutableObject(Id(1), &channel).ok());
  EXPECT_EQ(channel->allocated_size, 104);
  EXPECT_EQ(channel->buffer->Size(), 104u);
  EXPECT_EQ(channel->buffer->Data(), data_->Data());
  EXPECT_EQ(reinterpret_cast<uint8_t *>(channel->header) + sizeof(PlasmaObjectHeader),
            data_->Data());
  EXPECT_NE(std::string(channel->header->unique_name), "");
  EXPECT_TRUE(IsSpillable(Id(1))) << "pinned";
  EXPECT_TRUE(client_->Release(Id(1)).ok()) << "of the creation";
  EXPECT_TRUE(client_->Release(Id(1)).ok()) << "of the channel";
  EXPECT_FALSE(IsSpillable(Id(1)));

  EXPECT_TRUE(client_->GetExperimentalMutableObject(Id(2), &channel).IsInvalid());
  Put(Id(3), 10);
  EXPECT_TRUE(client_->GetExperimentalMutableObject(Id(3), &channel).IsObjectNotFound());
  EXPECT_FALSE(IsSpillable(Id(3))) << "not pinned";
}

TEST_F(PlasmaClientTest, TheStoreTellsOfItself) {
  Put(Id(1), 10);
  const auto text = client_->GetMemoryUsage();
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, testing::HasSubstr("Eviction Stats"));
}

TEST_F(PlasmaClientTest, WithoutAConnectionThereAreErrors) {
  Put(Id(1), 10);
  const auto got = Get(Id(1));
  client_->Disconnect();
  client_->Disconnect();
  bool has = false;
  std::vector<ObjectBuffer> buffers;
  std::unique_ptr<MutableObject> channel;
  EXPECT_TRUE(client_->Contains(Id(1), &has).IsIOError());
  EXPECT_TRUE(client_->Get({Id(1)}, 0, &buffers).IsIOError());
  EXPECT_TRUE(Create(Id(2), 10).IsIOError());
  EXPECT_TRUE(client_->Seal(Id(1)).IsIOError());
  EXPECT_TRUE(client_->Abort(Id(1)).IsIOError());
  EXPECT_TRUE(client_->Delete({Id(1)}).IsIOError());
  EXPECT_TRUE(client_->GetExperimentalMutableObject(Id(1), &channel).IsIOError());
  EXPECT_TRUE(client_->GetMemoryUsage().status().IsIOError());
  EXPECT_TRUE(client_->Release(Id(1)).ok()) << "the store has it back";
  EXPECT_EQ(got.data->Data()[0], 7) << "still mapped";
  ASSERT_TRUE(client_->Connect(store_.Socket()).ok());
  EXPECT_TRUE(Contains(Id(1)));
}

TEST_F(PlasmaClientTest, WhatAClientLeavesGoes) {
  ASSERT_TRUE(Create(Id(1), 10).ok());
  Put(Id(2), 10);
  auto got = Get(Id(2));
  client_->Disconnect();
  const auto other = store_.Connect();
  for (int i = 0; i < 1000 && IsSpillable(Id(2)); i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(IsSpillable(Id(2)));
  std::shared_ptr<Buffer> data;
  EXPECT_TRUE(other->CreateAndSpillIfNeeded(Id(1), {}, false, 5, nullptr, 0, &data, kWorker).ok());
}

TEST(PlasmaClientConnectTest, NobodyListens) {
  // One try.
  setenv("RAY_raylet_client_num_connect_attempts", "1", 1);
  PlasmaClient client;
  EXPECT_TRUE(client.Connect("/nowhere at all").IsIOError());
  EXPECT_TRUE(client.Release(Id(1)).ok());
}

TEST_F(PlasmaClientTest, TheChildOfAForkHasNoConnection) {
  Put(Id(1), 10);
  const auto exits = store_.Connect(/*exit_on_failure=*/true);
  std::vector<ObjectBuffer> buffers;
  ASSERT_TRUE(exits->Get({Id(1)}, 0, &buffers).ok());
  const pid_t child = fork();
  if (child == 0) {
    // It may read what it had, lets go of nothing of its parent's, and does not end for that.
    bool ok = buffers[0].data->Data()[9] == 7;
    buffers.clear();
    bool has = false;
    ok = ok && exits->Contains(Id(2), &has).IsIOError();
    _exit(ok ? 42 : 43);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 42);
  EXPECT_TRUE(IsSpillable(Id(1)));
}

TEST(PlasmaClientExitDeathTest, ABrokenConnectionEndsTheProcessIfWanted) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        RunningStore store;
        const auto client = store.Connect(/*exit_on_failure=*/true);
        store.Stop();
        bool has = false;
        static_cast<void>(client->Contains(Id(1), &has));
      },
      testing::ExitedWithCode(1),
      "the connection to the plasma store is broken");
  EXPECT_EXIT(
      {
        RunningStore store;
        const auto client = store.Connect(/*exit_on_failure=*/true);
        std::vector<ObjectBuffer> buffers;
        auto waits = std::async(std::launch::async,
                                [&] { return client->Get({Id(1)}, -1, &buffers); });
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        client->Disconnect();
        const bool failed = waits.get().IsIOError();
        store.Stop();
        _exit(failed ? 42 : 43);
      },
      testing::ExitedWithCode(42),
      "");
}

TEST_F(PlasmaClientTest, ManyThreadsShareAClient) {
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; thread++) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(thread));
      for (uint64_t i = 0; i < 200; i++) {
        const auto id = Id(1000 * thread + i);
        std::shared_ptr<Buffer> data;
        ASSERT_TRUE(
            client_->CreateAndSpillIfNeeded(id, {}, false, 512, nullptr, 0, &data, kWorker).ok());
        std::memset(data->Data(), static_cast<int>(i), 512);
        ASSERT_TRUE(client_->Seal(id).ok());
        ASSERT_TRUE(client_->Release(id).ok());
        const auto other = Id(1000 * (random() % 4) + random() % (i + 1));
        std::vector<ObjectBuffer> buffers;
        ASSERT_TRUE(client_->Get({other, id}, 1, &buffers).ok());
        if (buffers[1].data != nullptr) {
          EXPECT_EQ(buffers[1].data->Data()[511], static_cast<uint8_t>(i));
        }
      }
    });
  }
  for (auto &thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(client_->GetMemoryUsage().ok());
  EXPECT_EQ(store_.AvailableMemory(), static_cast<size_t>(8 * kMiB)) << "nothing is in use";
}

}  // namespace
}  // namespace plasma
