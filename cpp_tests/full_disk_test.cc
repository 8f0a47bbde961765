// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A full /dev/shm or a full disk is an error for the caller, never a signal. Each test runs in a process of its
// own that has a small file system, or, where mounting one is not permitted, a limit on the size of files.

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/util/logging.h"
#include "test_support.h"

namespace plasma {
namespace {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;
using ::testing::ExitedWithCode;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;
constexpr int64_t kDisk = 8 * kMiB;

/// Ends a child whose checks have all held. A failed one has ended it before, by RAY_CHECK.
[[noreturn]] void Done() {
  std::cerr << "all is well" << std::endl;
  _exit(0);
}

#define EXPECT_ALL_IS_WELL(statement) \
  EXPECT_EXIT(statement, ExitedWithCode(0), "all is well")

bool WriteTo(const char *file, const std::string &text) {
  return static_cast<bool>(std::ofstream(file) << text << std::flush);
}

/// Gives this process mounts of its own, as the super-user or else as one in a world of its own.
bool Separate() {
  const std::string user = "0 " + std::to_string(geteuid()) + " 1";
  const std::string group = "0 " + std::to_string(getegid()) + " 1";
  return unshare(CLONE_NEWNS) == 0 ||
         (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && WriteTo("/proc/self/uid_map", user) &&
          WriteTo("/proc/self/setgroups", "deny") && WriteTo("/proc/self/gid_map", group));
}

/// Mounts a file system of kDisk bytes that only this process sees.
bool MountSmallDisk(const std::string &place) {
  const bool mounted =
      Separate() && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
      mount("tmpfs", place.c_str(), "tmpfs", 0, "size=8m") == 0;
  if (!mounted) {
    std::cerr << "no mount is permitted here (" << std::strerror(errno) << ")" << std::endl;
  }
  return mounted;
}

/// From now on a file of this process cannot be larger.
void LimitFiles(rlim_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {bytes, bytes};
  RAY_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/// Writes every byte, which would be a SIGBUS if there were no space behind one.
void Fill(const Allocation &allocation, int value) {
  std::memset(allocation.address_, value, allocation.size_);
}

bool IsFilled(const Allocation &allocation, char value) {
  const char *bytes = static_cast<const char *>(allocation.address_);
  return std::count(bytes, bytes + allocation.size_, value) == allocation.size_;
}

struct FullDiskTest : public ::testing::Test {
  const TemporaryDirectory small_;
  const TemporaryDirectory large_;
};

/// A region that is larger than the file system in which it lies.
void FillARegion(const std::string &small, const std::string &large) {
  if (!MountSmallDisk(small)) {
    LimitFiles(64 * kMiB);  // Less than this cannot be seen by a file that is sparse.
    PlasmaAllocator allocator(SharedMemory(), large, false, 64 * kMiB);
    RAY_CHECK(allocator.Allocate(kMiB).has_value());
    Done();
  }
  PlasmaAllocator allocator(small, large, false, 64 * kMiB);
  std::vector<Allocation> allocations;
  while (auto allocation = allocator.Allocate(kMiB)) {
    Fill(*allocation, 'a' + static_cast<int>(allocations.size()));
    allocations.push_back(std::move(*allocation));
    RAY_CHECK(allocations.size() <= 8);
  }
  const auto held = static_cast<int64_t>(allocations.size());
  RAY_CHECK(held >= 7) << held << " MiB fit into 8";
  RAY_CHECK(allocator.Allocated() == held * kMiB);
  RAY_CHECK(!allocator.Allocate(32 * kMiB).has_value());
  RAY_CHECK(allocator.Allocated() == held * kMiB) << "a failed request counts nothing";

  // The rest goes to the other file system.
  Allocation fallback = allocator.FallbackAllocate(kMiB).value();
  RAY_CHECK(fallback.fallback_allocated_);
  Fill(fallback, 'z');
  allocator.Free(std::move(fallback));

  // What was freed can be had again, and nobody's bytes have changed.
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < allocations.size(); i++) {
      RAY_CHECK(IsFilled(allocations[i], static_cast<char>('a' + i)));
      allocator.Free(std::move(allocations[i]));
      allocations[i] = allocator.Allocate(kMiB).value();
      Fill(allocations[i], 'a' + static_cast<int>(i));
    }
  }
  for (auto &allocation : allocations) {
    allocator.Free(std::move(allocation));
  }
  RAY_CHECK(allocator.Allocated() == 0);
  Done();
}

TEST_F(FullDiskTest, ARegionInAFullFileSystem) {
  EXPECT_ALL_IS_WELL(FillARegion(small_.Path(), large_.Path()));
}

void LimitTheFallback(const std::string &directory) {
  PlasmaAllocator allocator(SharedMemory(), directory, false, kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  LimitFiles(3 * kMiB);
  RAY_CHECK(!allocator.FallbackAllocate(4 * kMiB).has_value());
  RAY_CHECK(allocator.Allocated() == 0 && allocator.FallbackAllocated() == 0);
  RAY_CHECK(manager.CreateObject(Info(Id(1), 4 * kMiB), kWorker, true).second ==
            PlasmaError::OutOfMemory);
  RAY_CHECK(manager.GetNumObjectsCreatedTotal() == 0);
  const auto created = manager.CreateObject(Info(Id(1), 3 * kMiB), kWorker, true);
  RAY_CHECK(created.second == PlasmaError::OK);
  Fill(created.first->GetAllocation(), 'x');
  RAY_CHECK(mmap_records.size() == 2);
  Done();
}

void FillByObjects(const std::string &small) {
  if (!MountSmallDisk(small)) {
    LimitTheFallback(small);
  }
  PlasmaAllocator allocator(small, small, false, 64 * kMiB);
  std::vector<ObjectID> deleted;
  ObjectLifecycleManager manager(
      allocator, [&deleted](const ObjectID &id) { deleted.push_back(id); });
  int created = 0;
  while (manager.CreateObject(Info(Id(created), kMiB), kWorker, true).second ==
         PlasmaError::OK) {
    Fill(manager.GetObject(Id(created))->GetAllocation(), created);
    manager.AddReference(Id(created));
    manager.SealObject(Id(created));
    created++;
    RAY_CHECK(created <= 8);
  }
  RAY_CHECK(created >= 6) << created;
  RAY_CHECK(manager.GetNumObjectsCreatedTotal() == created);
  RAY_CHECK(deleted.empty());
  RAY_CHECK(manager.GetObject(Id(created)) == nullptr);
  for (int i = 0; i < created; i++) {
    RAY_CHECK(IsFilled(manager.GetObject(Id(i))->GetAllocation(), static_cast<char>(i)));
    manager.DeleteObject(Id(i));
    RAY_CHECK(manager.RemoveReference(Id(i)));
  }
  RAY_CHECK(deleted.size() == static_cast<size_t>(created));
  RAY_CHECK(allocator.Allocated() == 0);
  RAY_CHECK(manager.CreateObject(Info(Id(0), kMiB), kWorker, true).second == PlasmaError::OK);
  Done();
}

TEST_F(FullDiskTest, ObjectsInAFullFileSystem) {
  EXPECT_ALL_IS_WELL(FillByObjects(small_.Path()));
}

void FillTheFallback(const std::string &small) {
  const bool mounted = MountSmallDisk(small);
  PlasmaAllocator allocator(SharedMemory(), small, false, kMiB);
  Allocation primary = allocator.Allocate(kMiB).value();
  if (!mounted) {
    LimitFiles(kDisk);
    RAY_CHECK(!allocator.FallbackAllocate(kDisk + 1).has_value());
    Done();
  }
  std::vector<Allocation> files;
  while (auto file = allocator.FallbackAllocate(2 * kMiB)) {
    RAY_CHECK(file->fallback_allocated_);
    Fill(*file, 'a');
    files.push_back(std::move(*file));
    RAY_CHECK(files.size() <= 4);
  }
  const auto held = static_cast<int64_t>(files.size());
  RAY_CHECK(held >= 3) << held;
  RAY_CHECK(allocator.FallbackAllocated() == held * 2 * kMiB);
  RAY_CHECK(allocator.Allocated() == held * 2 * kMiB + kMiB);
  RAY_CHECK(static_cast<int64_t>(mmap_records.size()) == 1 + held) << "a failure leaves no file";
  RAY_CHECK(!allocator.FallbackAllocate(kDisk * 10).has_value());

  allocator.Free(std::move(files.back()));
  files.pop_back();
  files.push_back(allocator.FallbackAllocate(2 * kMiB).value());
  Fill(files.back(), 'a');
  for (auto &file : files) {
    RAY_CHECK(IsFilled(file, 'a'));
    allocator.Free(std::move(file));
  }
  RAY_CHECK(allocator.FallbackAllocated() == 0);
  allocator.Free(std::move(primary));
  Done();
}

TEST_F(FullDiskTest, AFallbackDirectoryInAFullFileSystem) {
  EXPECT_ALL_IS_WELL(FillTheFallback(small_.Path()));
}

TEST_F(FullDiskTest, FilesHaveALimit) { EXPECT_ALL_IS_WELL(LimitTheFallback(large_.Path())); }

TEST_F(FullDiskTest, ARegionAboveTheLimitOfFilesIsAMistake) {
  EXPECT_DEATH(
      {
        LimitFiles(kMiB);
        PlasmaAllocator(SharedMemory(), "/tmp", false, 2 * kMiB);
      },
      "PlasmaAllocator initialization failed.*has it enough space");
}

/// Ray reads its settings once, so these tests run the program anew. They leave no directory behind when it is
/// aborted, so the small file system hides a directory that is there anyway.
struct PreallocationTest : public ::testing::Test {
  PreallocationTest() {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    setenv("RAY_preallocate_plasma_memory", "1", 1);
  }
  ~PreallocationTest() override { unsetenv("RAY_preallocate_plasma_memory"); }
};

void Preallocate() {
  const std::string small = TemporaryDirectory::DefaultParent();
  if (!MountSmallDisk(small)) {
    LimitFiles(kMiB);
  }
  const PlasmaAllocator allocator(small, small, false, 64 * kMiB);
}

TEST_F(PreallocationTest, NeedsAllSpaceAtOnce) {
  EXPECT_DEATH(Preallocate(),
               "PlasmaAllocator initialization failed.*has it enough space");
}

void PreallocateAndUse() {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, 4 * kMiB);
  Allocation whole = allocator.Allocate(4 * kMiB).value();
  struct stat file;
  RAY_CHECK(fstat(whole.fd_.first, &file) == 0 && file.st_blocks * 512 >= 4 * kMiB);
  Fill(whole, 'x');
  Done();
}

TEST_F(PreallocationTest, ReservesTheRegion) { EXPECT_ALL_IS_WELL(PreallocateAndUse()); }

}  // namespace
}  // namespace plasma
