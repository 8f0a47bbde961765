// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A store and its runner, driven by clients: what it holds, what it tells, what it asks, and how it ends.

#include "ray/object_manager/plasma/store.h"

#include <pthread.h>
#include <sys/un.h>

#include <future>

#include "ray/stats/metric.h"
#include "store_support.h"

namespace plasma {
namespace {

using plasma_tests::Id;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using plasma_tests::RunningStore;
using plasma_tests::TemporaryDirectory;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

/// Puts an object of so many bytes and gives up both references.
void Put(PlasmaClient &client, const ObjectID &id, int64_t size) {
  std::shared_ptr<Buffer> data;
  ray::rpc::Address owner;
  owner.set_ip_address("10.0.0.1");
  ASSERT_TRUE(
      client.CreateAndSpillIfNeeded(id, owner, false, size, nullptr, 0, &data, kWorker).ok());
  std::memset(data->Data(), 7, data->Size());
  ASSERT_TRUE(client.Seal(id).ok());
  ASSERT_TRUE(client.Release(id).ok());
  // Releases have no answer; what comes after them has.
  EXPECT_TRUE(client.GetMemoryUsage().ok());
}

TEST(PlasmaStoreRunnerTest, TellsOfObjectsAndCountsThem) {
  RunningStore store;
  const auto client = store.Connect();
  Put(*client, Id(1), 1000);
  EXPECT_TRUE(store.Events().Comes("added 1 1000 0 10.0.0.1"));
  EXPECT_EQ(store.Runner().GetCumulativeCreatedObjects(), 1);
  EXPECT_EQ(store.Runner().GetCumulativeCreatedBytes(), 1000);
  EXPECT_EQ(store.Runner().GetFallbackAllocated(), 0);
  EXPECT_EQ(store.AvailableMemory(), static_cast<size_t>(8 * kMiB));
  EXPECT_TRUE(client->Delete({Id(1)}).ok());
  EXPECT_TRUE(store.Events().Comes("deleted 1"));
  EXPECT_EQ(store.Runner().GetCumulativeCreatedObjects(), 1);
}

TEST(PlasmaStoreRunnerTest, OneReferenceMakesAnObjectSpillable) {
  RunningStore store;
  const auto client = store.Connect();
  const auto other = store.Connect();
  auto &runner = store.Runner();
  EXPECT_FALSE(runner.IsPlasmaObjectSpillable(Id(1)));
  Put(*client, Id(1), 1000);
  EXPECT_FALSE(runner.IsPlasmaObjectSpillable(Id(1))) << "nobody has it";
  std::vector<ObjectBuffer> pinned;
  EXPECT_TRUE(client->Get({Id(1)}, -1, &pinned).ok());
  EXPECT_TRUE(runner.IsPlasmaObjectSpillable(Id(1)));
  EXPECT_EQ(store.AvailableMemory(), static_cast<size_t>(8 * kMiB - 1000));
  std::vector<ObjectBuffer> more;
  EXPECT_TRUE(other->Get({Id(1)}, -1, &more).ok());
  EXPECT_FALSE(runner.IsPlasmaObjectSpillable(Id(1)));
  more.clear();
  EXPECT_TRUE(other->GetMemoryUsage().ok());
  EXPECT_TRUE(runner.IsPlasmaObjectSpillable(Id(1)));
  std::shared_ptr<Buffer> data;
  EXPECT_TRUE(
      other->CreateAndSpillIfNeeded(Id(2), {}, false, 10, nullptr, 0, &data, kWorker).ok());
  EXPECT_FALSE(runner.IsPlasmaObjectSpillable(Id(2))) << "not sealed";
}

TEST(PlasmaStoreRunnerTest, WhatDoesNotFitIsSpilledFor) {
  RunningStore store;
  const auto client = store.Connect();
  Put(*client, Id(1), 6 * kMiB);
  std::vector<ObjectBuffer> pinned;
  ASSERT_TRUE(client->Get({Id(1)}, -1, &pinned).ok());
  // The world spills: what is pinned goes, in its time.
  std::promise<void> asked;
  int calls = 0;
  store.OnSpill([&] {
    if (++calls == 2) {
      asked.set_value();
    }
    return true;
  });
  auto creation = std::async(std::launch::async, [&] { Put(*store.Connect(), Id(2), 5 * kMiB); });
  asked.get_future().get();
  EXPECT_GE(store.Events().Count("full"), 1u);
  EXPECT_EQ(store.Runner().GetCumulativeCreatedObjects(), 1) << "it waits";
  pinned.clear();
  creation.get();
  EXPECT_TRUE(store.Events().Comes("deleted 1"));
  EXPECT_TRUE(store.Events().Comes("added 2 " + std::to_string(5 * kMiB) + " 0 10.0.0.1"));
  EXPECT_EQ(store.Runner().GetFallbackAllocated(), 0);
}

TEST(PlasmaStoreRunnerTest, AfterTheGracePeriodThereAreFiles) {
  RunningStore store;
  const auto client = store.Connect();
  Put(*client, Id(1), 6 * kMiB);
  std::vector<ObjectBuffer> pinned;
  ASSERT_TRUE(client->Get({Id(1)}, -1, &pinned).ok());
  Put(*client, Id(2), 5 * kMiB);
  EXPECT_GE(store.Runner().GetFallbackAllocated(), 5 * kMiB);
  EXPECT_GE(store.Events().Count("spill"), 2u);
  std::vector<ObjectBuffer> got;
  ASSERT_TRUE(client->Get({Id(2)}, 0, &got).ok());
  EXPECT_EQ(got[0].data->Size(), static_cast<size_t>(5 * kMiB));
  EXPECT_EQ(got[0].data->Data()[5 * kMiB - 1], 7);
  got.clear();
  EXPECT_TRUE(client->Delete({Id(2)}).ok());
  EXPECT_EQ(store.Runner().GetFallbackAllocated(), 0);
}

TEST(PlasmaStoreRunnerTest, MetricsAreRecorded) {
  RunningStore store;
  const auto client = store.Connect();
  const auto before = ray::stats::RecordedMetrics();
  const std::string key = "object_store_dist{Source=CreatedByWorker}";
  Put(*client, Id(1), 1000);
  EXPECT_TRUE(store.Events().Comes("added 1 1000 0 10.0.0.1"));
  const auto after = ray::stats::RecordedMetrics();
  EXPECT_EQ(after.at(key), (before.count(key) ? before.at(key) : 0) + 1);
  EXPECT_EQ(after.count("object_store_memory{Location=MMAP_SHM,ObjectState=SEALED}"), 1u);
}

TEST(PlasmaStoreRunnerTest, QueriesBeforeAndAfter) {
  TemporaryDirectory directory(plasma_tests::ForSockets());
  PlasmaStoreRunner runner(directory.Path() + "/s", 4 * kMiB, false, "", "");
  EXPECT_EQ(runner.GetCumulativeCreatedObjects(), 0);
  EXPECT_EQ(runner.GetCumulativeCreatedBytes(), 0);
  EXPECT_EQ(runner.GetFallbackAllocated(), 0);
  EXPECT_FALSE(runner.IsPlasmaObjectSpillable(Id(1)));
  runner.Stop();
  // Stopped before it was started, it comes back at once.
  runner.Start([] { return false; }, [] {}, [](const auto &) {}, [](const auto &) {});
  EXPECT_EQ(runner.GetCumulativeCreatedObjects(), 0);
  EXPECT_EQ(directory.NumEntries(), 0);
}

TEST(PlasmaStoreRunnerTest, TheThreadHasItsName) {
  TemporaryDirectory directory(plasma_tests::ForSockets());
  PlasmaStoreRunner runner(directory.Path() + "/s", 4 * kMiB, false, "/dev/shm", "/tmp");
  std::promise<std::string> name;
  std::thread thread([&] {
    runner.Start([] { return false; }, [] {}, [](const auto &) {}, [](const auto &) {});
  });
  runner.GetAvailableMemoryAsync([&](size_t) {
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof(text));
    name.set_value(text);
  });
  EXPECT_EQ(name.get_future().get(), "store.io");
  runner.Stop();
  thread.join();
  EXPECT_EQ(directory.NumEntries(), 0) << "the socket goes";
}

TEST(PlasmaStoreRunnerTest, StoppingEndsConnectionsAndWaits) {
  RunningStore store;
  const auto client = store.Connect();
  std::vector<ObjectBuffer> buffers;
  auto waits = std::async(std::launch::async, [&] { return client->Get({Id(1)}, -1, &buffers); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  store.Stop();
  EXPECT_TRUE(waits.get().IsIOError());
  EXPECT_TRUE(client->Seal(Id(1)).IsObjectNotFound() || client->Seal(Id(1)).IsIOError());
}

TEST(PlasmaStoreRunnerDeathTest, WhatMakesNoSenseIsRefused) {
  EXPECT_DEATH(PlasmaStoreRunner("", 1 << 20, false, "", ""), "name of a socket");
  EXPECT_DEATH(PlasmaStoreRunner("/tmp/x", -1, false, "", ""), "how much memory");
  EXPECT_DEATH(PlasmaStoreRunner("/tmp/x", 1 << 20, true, "", ""), "huge pages");
}

TEST(PlasmaStoreTest, RunsOverAnyAllocator) {
  TemporaryDirectory directory(plasma_tests::ForSockets());
  instrumented_io_context io_context;
  testing::NiceMock<MockAllocator> allocator;
  EXPECT_CALL(allocator, GetFootprintLimit()).WillRepeatedly(testing::Return(1000));
  EXPECT_CALL(allocator, Allocate(testing::_)).WillRepeatedly([](size_t) {
    return std::optional<Allocation>();
  });
  EXPECT_CALL(allocator, FallbackAllocate(testing::_)).WillRepeatedly([](size_t) {
    return std::optional<Allocation>();
  });
  ray::FileSystemMonitor monitor;
  PlasmaStore store(
      io_context,
      allocator,
      monitor,
      "unix://" + directory.Path() + "/s",
      1,
      [] { return false; },
      nullptr,
      [](const auto &) {},
      [](const auto &) {});
  EXPECT_EQ(store.GetAvailableMemory(), 1000u) << "before it starts";
  EXPECT_EQ(store.GetDebugDump(), "");
  store.Start();
  store.Start();
  EXPECT_EQ(store.GetAvailableMemory(), 1000u);
  EXPECT_THAT(store.GetDebugDump(), testing::HasSubstr("pending objects"));
  PlasmaClient client;
  ASSERT_TRUE(client.Connect(directory.Path() + "/s").ok());
  std::shared_ptr<Buffer> data;
  EXPECT_TRUE(
      client.TryCreateImmediately(Id(1), {}, 100, nullptr, 0, &data, kWorker).IsObjectStoreFull());
  store.Stop();
  store.Stop();
  EXPECT_EQ(store.GetAvailableMemory(), 1000u) << "after it stopped";
}

TEST(PlasmaStoreDeathTest, ASocketThatIsTakenIsFatal) {
  RunningStore running;
  running.Connect();
  instrumented_io_context io_context;
  DummyAllocator allocator(1000);
  ray::FileSystemMonitor monitor;
  PlasmaStore store(
      io_context,
      allocator,
      monitor,
      running.Socket(),
      1,
      [] { return false; },
      [] {},
      [](const auto &) {},
      [](const auto &) {});
  EXPECT_DEATH(store.Start(), "the plasma store cannot be started");
}

}  // namespace
}  // namespace plasma
