// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Bad input has a defined outcome: an error and nothing changed, or the end of the process with a message.

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <limits>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/object_store.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {
namespace {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;
using ::testing::IsEmpty;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();

std::string Dump(const ObjectLifecycleManager &manager) {
  std::stringstream dump;
  manager.GetDebugDump(dump);
  dump << manager.EvictionPolicyDebugString() << manager.GetNumObjectsCreatedTotal();
  return dump.str();
}

TEST(BadLimitTest, TooSmallALimitIsAMistake) {
  const std::string message =
      "PlasmaAllocator initialization failed.*Footprint limit has to be greater than 2048";
  for (const int64_t limit : {int64_t{2048}, int64_t{1}, int64_t{0}, int64_t{-1}, kSmallest}) {
    EXPECT_DEATH(PlasmaAllocator(SharedMemory(), "/tmp", false, limit), message) << limit;
  }
}

TEST(BadLimitTest, OneByteMoreIsEnough) {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, 2049);
  EXPECT_EQ(allocator.GetFootprintLimit(), 2049);
  Allocation allocation = allocator.Allocate(2048).value();
  std::memset(allocation.address_, 1, 2048);
  EXPECT_FALSE(allocator.Allocate(1).has_value());
  allocator.Free(std::move(allocation));
}

TEST(BadLimitTest, ALimitThatNoMappingCanHaveIsAMistake) {
  for (const int64_t limit : {kLargest, kLargest - 4096, int64_t{1} << 62}) {
    EXPECT_DEATH(PlasmaAllocator(SharedMemory(), "/tmp", false, limit),
                 "PlasmaAllocator initialization failed")
        << limit;
  }
}

TEST(BadDirectoryTest, AMissingDirectoryIsAMistake) {
  for (const std::string &directory :
       {std::string("/no/such/directory"), std::string(), std::string("/dev/null"),
        std::string("/dev/shm\0/x", 10), std::string(5000, 'x')}) {
    EXPECT_DEATH(PlasmaAllocator(directory, "/tmp", false, kMiB),
                 "PlasmaAllocator initialization failed")
        << directory;
  }
}

/// Gives up every privilege, so that permissions count for the super-user too.
void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  syscall(SYS_capset, &header, none);
}

TEST(BadDirectoryTest, AReadOnlyDirectoryIsAMistake) {
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.Path().c_str(), 0555), 0);
  EXPECT_DEATH(
      {
        DropCapabilities();
        PlasmaAllocator(directory.Path(), "/tmp", false, kMiB);
      },
      "PlasmaAllocator initialization failed.*Permission denied");
  EXPECT_DEATH(PlasmaAllocator("/proc/self/task", "/tmp", false, kMiB),
               "PlasmaAllocator initialization failed");
}

TEST(BadDirectoryTest, WithoutAFallbackDirectoryOnlyTheFallbackFails) {
  for (const char *directory : {"/no/such/directory", "", "/dev/null", "/proc/self/task"}) {
    PlasmaAllocator allocator(SharedMemory(), directory, false, kMiB);
    Allocation primary = allocator.Allocate(kMiB).value();
    EXPECT_FALSE(allocator.FallbackAllocate(kMiB).has_value()) << directory;
    EXPECT_EQ(allocator.Allocated(), kMiB);
    EXPECT_EQ(allocator.FallbackAllocated(), 0);
    allocator.Free(std::move(primary));
    Allocation again = allocator.FallbackAllocate(kMiB).value();
    EXPECT_FALSE(again.fallback_allocated_);
    allocator.Free(std::move(again));
  }
}

constexpr size_t kImpossible[] = {
    std::numeric_limits<size_t>::max(),
    std::numeric_limits<size_t>::max() - 63,
    std::numeric_limits<size_t>::max() - 4095,
    size_t{1} << 63,
    (size_t{1} << 63) - 1,
    (size_t{1} << 63) - 4096,
    (size_t{1} << 63) + 1,
    size_t{1} << 62,
    static_cast<size_t>(-1000),
};

TEST(BadSizeTest, AnAllocatorRefusesImpossibleSizesAndStaysAsItWas) {
  const TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  Allocation live = allocator.Allocate(1000).value();
  for (const size_t size : kImpossible) {
    EXPECT_FALSE(allocator.Allocate(size).has_value()) << size;
    EXPECT_FALSE(allocator.FallbackAllocate(size).has_value()) << size;
    EXPECT_EQ(allocator.Allocated(), 1000);
    EXPECT_EQ(allocator.FallbackAllocated(), 0);
    EXPECT_EQ(mmap_records.size(), 1u);
  }
  EXPECT_EQ(directory.NumEntries(), 0);
  allocator.Free(std::move(live));
  Allocation whole = allocator.Allocate(kMiB).value();
  allocator.Free(std::move(whole));
}

TEST(BadSizeTest, MoreThanTheLimitGoesToDiskOrNowhere) {
  const TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  EXPECT_FALSE(allocator.Allocate(kMiB + 1).has_value());
  EXPECT_FALSE(allocator.Allocate(kMiB * 1000).has_value());
  Allocation allocation = allocator.FallbackAllocate(kMiB + 1).value();
  EXPECT_TRUE(allocation.fallback_allocated_);
  allocator.Free(std::move(allocation));
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST(BadFreeTest, FreeingTheNullPointerIsAMistake) {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, kMiB);
  EXPECT_DEATH(allocator.Free(DummyAllocator::Make(10)),
               "Check failed: Cannot free the nullptr");
}

TEST(BadFreeTest, FreeingWhatIsNotOursIsAMistake) {
  const TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  PlasmaAllocator other(SharedMemory(), directory.Path(), false, kMiB);
  Allocation live = allocator.Allocate(1000).value();
  Allocation foreign = other.Allocate(1000).value();
  Allocation foreign_file = other.FallbackAllocate(2 * kMiB).value();
  char *address = static_cast<char *>(live.address_);
  char local = 0;
  const std::string message = "Check failed: .*is not the start of a live allocation";
  for (void *wrong : {static_cast<void *>(&local),
                      foreign.address_,
                      foreign_file.address_,
                      static_cast<void *>(address + 1),
                      static_cast<void *>(address + 64),
                      static_cast<void *>(address + 1024),
                      static_cast<void *>(address + kMiB),
                      static_cast<void *>(address - 64),
                      reinterpret_cast<void *>(UINTPTR_MAX),
                      reinterpret_cast<void *>(1)}) {
    EXPECT_DEATH(allocator.Free(DummyAllocator::Make(1000, false, wrong)), message);
  }
  allocator.Free(std::move(live));
  other.Free(std::move(foreign));
  other.Free(std::move(foreign_file));
}

TEST(BadFreeTest, FreeingTwiceIsAMistake) {
  const TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  Allocation primary = allocator.Allocate(1000).value();
  Allocation file = allocator.FallbackAllocate(2 * kMiB).value();
  for (const Allocation *allocation : {&primary, &file}) {
    void *address = allocation->address_;
    const int64_t size = allocation->size_;
    EXPECT_DEATH(
        {
          allocator.Free(DummyAllocator::Make(size, false, address));
          allocator.Free(DummyAllocator::Make(size, false, address));
        },
        "Check failed: .*is not the start of a live allocation");
  }
  allocator.Free(std::move(primary));
  allocator.Free(std::move(file));
}

struct Sizes {
  int64_t data;
  int64_t metadata;
  bool is_mutable = false;
};

constexpr Sizes kImpossibleObjects[] = {
    {-1, 0},
    {0, -1},
    {-5, 10},
    {10, -5},
    {kSmallest, 0},
    {kSmallest, kSmallest},
    {kLargest, 1},
    {1, kLargest},
    {kLargest, kLargest},
    {kLargest, 0},
    {kLargest - 63, 0},
    {kLargest / 2, kLargest / 2},
    {kLargest - 10, 0, true},
    {kLargest - 96, 0, true},
    {-96, 0, true},
    {0, kLargest, true},
};

TEST(BadObjectSizeTest, AStoreRefusesThem) {
  const TemporaryDirectory directory;
  PlasmaAllocator ours(SharedMemory(), directory.Path(), false, kMiB);
  DummyAllocator theirs(kMiB, kMiB);
  for (IAllocator *allocator : {static_cast<IAllocator *>(&ours),
                                static_cast<IAllocator *>(&theirs)}) {
    ObjectStore store(*allocator);
    for (const Sizes &sizes : kImpossibleObjects) {
      const auto info = Info(Id(1), sizes.data, sizes.metadata, sizes.is_mutable);
      EXPECT_EQ(store.CreateObject(info, kWorker, false), nullptr);
      EXPECT_EQ(store.CreateObject(info, kWorker, true), nullptr);
      EXPECT_EQ(store.GetObject(Id(1)), nullptr);
    }
    EXPECT_EQ(allocator->Allocated(), 0);
    EXPECT_EQ(allocator->FallbackAllocated(), 0);
  }
}

TEST(BadObjectSizeTest, AManagerRefusesThemAndEvictsNothing) {
  const TemporaryDirectory directory;
  PlasmaAllocator ours(SharedMemory(), directory.Path(), false, kMiB);
  DummyAllocator theirs(kMiB, kMiB);
  for (IAllocator *allocator : {static_cast<IAllocator *>(&ours),
                                static_cast<IAllocator *>(&theirs)}) {
    std::vector<ObjectID> deleted;
    ObjectLifecycleManager manager(
        *allocator, [&deleted](const ObjectID &id) { deleted.push_back(id); });
    for (int i = 2; i < 6; i++) {
      ASSERT_EQ(manager.CreateObject(Info(Id(i), kMiB / 4), kWorker, false).second,
                PlasmaError::OK);
      manager.SealObject(Id(i));
    }
    const std::string before = Dump(manager);
    for (const Sizes &sizes : kImpossibleObjects) {
      for (const bool fallback : {false, true}) {
        const auto info = Info(Id(1), sizes.data, sizes.metadata, sizes.is_mutable);
        const auto created = manager.CreateObject(info, kWorker, fallback);
        EXPECT_EQ(created.first, nullptr);
        EXPECT_EQ(created.second, PlasmaError::OutOfMemory);
      }
    }
    EXPECT_EQ(manager.CreateObject(Info(Id(1), kMiB + 1), kWorker, false).second,
              PlasmaError::OutOfMemory);
    EXPECT_EQ(Dump(manager), before);
    EXPECT_THAT(deleted, IsEmpty());
    EXPECT_EQ(allocator->Allocated(), kMiB);
    // An id that exists is that first of all.
    EXPECT_EQ(manager.CreateObject(Info(Id(2), -1), kWorker, false).second,
              PlasmaError::ObjectExists);
    EXPECT_EQ(manager.RequireSpace(kLargest), kMiB);
    EXPECT_EQ(manager.RequireSpace(kSmallest), 0);
  }
}

TEST(BadObjectSizeTest, NothingIsASize) {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, 4096);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  std::vector<const void *> addresses;
  for (int i = 1; i <= 3; i++) {
    const auto created = manager.CreateObject(Info(Id(i), 0), kWorker, false);
    ASSERT_NE(created.first, nullptr);
    EXPECT_EQ(created.first->GetObjectSize(), 0);
    addresses.push_back(created.first->GetAllocation().address_);
    manager.AddReference(Id(i));
    manager.SealObject(Id(i));
  }
  EXPECT_NE(addresses[0], addresses[1]);
  EXPECT_NE(addresses[1], addresses[2]);
  EXPECT_EQ(allocator.Allocated(), 0);
  for (int i = 1; i <= 3; i++) {
    EXPECT_EQ(manager.DeleteObject(Id(i)), PlasmaError::ObjectInUse);
    EXPECT_TRUE(manager.RemoveReference(Id(i)));
    EXPECT_EQ(manager.GetObject(Id(i)), nullptr);
  }
}

TEST(BadObjectSizeTest, ObjectsOfNothingCanBeEvicted) {
  DummyAllocator allocator(100);
  std::vector<ObjectID> deleted;
  ObjectLifecycleManager manager(
      allocator, [&deleted](const ObjectID &id) { deleted.push_back(id); });
  for (int i = 1; i <= 3; i++) {
    manager.CreateObject(Info(Id(i), i == 3 ? 100 : 0), kWorker, false);
    manager.SealObject(Id(i));
  }
  EXPECT_EQ(manager.CreateObject(Info(Id(4), 50), kWorker, false).second, PlasmaError::OK);
  EXPECT_THAT(deleted, ::testing::ElementsAre(Id(1), Id(2), Id(3)));
}

}  // namespace
}  // namespace plasma
