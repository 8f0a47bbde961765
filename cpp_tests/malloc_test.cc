// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// malloc.h: which files are mapped in this process, and where.

#include "ray/object_manager/plasma/malloc.h"

#include <sys/stat.h>

#include <set>
#include <vector>

#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {
namespace {

using plasma_tests::Fd;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;

struct Location {
  bool found;
  Fd fd = {77, 77};
  int64_t map_length = 77;
  ptrdiff_t offset = 77;
};

Location Locate(const void *address) {
  Location location;
  location.found = internal::GetMallocMapinfo(
      address, &location.fd, &location.map_length, &location.offset);
  return location;
}

void ExpectNowhere(const void *address) {
  const Location location = Locate(address);
  EXPECT_FALSE(location.found);
  EXPECT_EQ(location.fd, Fd(INVALID_FD, INVALID_UNIQUE_FD_ID));
  EXPECT_EQ(location.map_length, 0);
  EXPECT_EQ(location.offset, 0);
}

char *BytesOf(const Allocation &allocation) {
  return static_cast<char *>(allocation.address_);
}

TEST(MallocTest, TheGapIsThatOfRaysClients) { EXPECT_EQ(kMmapRegionsGap, 8); }

TEST(MallocTest, ThereIsNothingWithoutAnAllocator) {
  EXPECT_EQ(mmap_records.size(), 0u);
  EXPECT_TRUE(mmap_records.empty());
  EXPECT_TRUE(mmap_records.begin() == mmap_records.end());
  int local = 0;
  ExpectNowhere(&local);
  ExpectNowhere(nullptr);
  ExpectNowhere(reinterpret_cast<const void *>(UINTPTR_MAX));
}

TEST(MallocTest, FindsThePlaceOfEachByteOfAnAllocation) {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, kMiB);
  Allocation first = allocator.Allocate(1000).value();
  Allocation second = allocator.Allocate(5000).value();
  for (const Allocation *allocation : {&first, &second}) {
    for (const int64_t at : {int64_t{0}, int64_t{1}, allocation->size_ - 1}) {
      const Location location = Locate(BytesOf(*allocation) + at);
      EXPECT_TRUE(location.found);
      EXPECT_EQ(location.fd, allocation->fd_);
      EXPECT_EQ(location.map_length, allocation->mmap_size_);
      EXPECT_EQ(location.offset, allocation->offset_ + at);
    }
  }
  allocator.Free(std::move(first));
  allocator.Free(std::move(second));
}

TEST(MallocTest, TheRegionEndsBeforeTheGap) {
  PlasmaAllocator allocator(SharedMemory(), "/tmp", false, kMiB);
  Allocation allocation = allocator.Allocate(64).value();
  const char *base = BytesOf(allocation) - allocation.offset_;
  const int64_t usable = allocation.mmap_size_ - kMmapRegionsGap;
  EXPECT_EQ(usable, kMiB);
  EXPECT_TRUE(Locate(base).found);
  EXPECT_TRUE(Locate(base + usable - 1).found);
  ExpectNowhere(base - 1);
  ExpectNowhere(base + usable);
  allocator.Free(std::move(allocation));
}

TEST(MallocTest, RecordsComeAndGoWithMappings) {
  TemporaryDirectory directory;
  {
    PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
    ASSERT_EQ(mmap_records.size(), 1u);
    EXPECT_FALSE(mmap_records.empty());
    const auto primary = *mmap_records.begin();
    EXPECT_EQ(primary.second.size, kMiB + kMmapRegionsGap);

    Allocation allocation = allocator.FallbackAllocate(2 * kMiB).value();
    ASSERT_TRUE(allocation.fallback_allocated_);
    ASSERT_EQ(mmap_records.size(), 2u);
    const auto found = mmap_records.find(allocation.address_);
    ASSERT_TRUE(found != mmap_records.end());
    EXPECT_EQ(found->first, allocation.address_);
    EXPECT_EQ(found->second.fd, allocation.fd_);
    EXPECT_EQ(found->second.size, allocation.mmap_size_);
    EXPECT_TRUE(mmap_records.contains(allocation.address_));
    EXPECT_EQ(mmap_records.count(allocation.address_), 1u);
    EXPECT_EQ(mmap_records.count(BytesOf(allocation) + 1), 0u);
    EXPECT_TRUE(mmap_records.find(nullptr) == mmap_records.end());

    void *address = allocation.address_;
    allocator.Free(std::move(allocation));
    EXPECT_EQ(mmap_records.size(), 1u);
    EXPECT_FALSE(mmap_records.contains(address));
    ExpectNowhere(address);
  }
  EXPECT_TRUE(mmap_records.empty());
}

TEST(MallocTest, HasTheRecordsOfEveryAllocator) {
  TemporaryDirectory directory;
  PlasmaAllocator first(SharedMemory(), directory.Path(), false, kMiB);
  PlasmaAllocator second(SharedMemory(), directory.Path(), false, 2 * kMiB);
  Allocation fallback = first.FallbackAllocate(3 * kMiB).value();
  std::multiset<int64_t> sizes;
  std::set<int64_t> ids;
  std::set<int> descriptors;
  for (const auto &[address, record] : mmap_records) {
    EXPECT_NE(address, nullptr);
    sizes.insert(record.size - kMmapRegionsGap);
    descriptors.insert(record.fd.first);
    ids.insert(record.fd.second);
  }
  EXPECT_EQ(sizes, (std::multiset<int64_t>{kMiB, 2 * kMiB, 3 * kMiB}));
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(descriptors.size(), 3u);
  first.Free(std::move(fallback));
}

TEST(MallocTest, AWalkSeesTheRecordsOfItsBeginning) {
  PlasmaAllocator first(SharedMemory(), "/tmp", false, kMiB);
  auto walk = mmap_records.begin();
  const PlasmaAllocator second(SharedMemory(), "/tmp", false, kMiB);
  const auto before = walk++;
  EXPECT_EQ(before->second.size, kMiB + kMmapRegionsGap);
  EXPECT_TRUE(walk == mmap_records.end());
  EXPECT_TRUE(before != mmap_records.end());
  EXPECT_EQ(mmap_records.size(), 2u);
}

TEST(MallocTest, IdsOfFilesAreNotUsedAgain) {
  TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  std::set<int64_t> ids;
  for (int round = 0; round < 20; round++) {
    Allocation allocation = allocator.FallbackAllocate(2 * kMiB).value();
    EXPECT_NE(allocation.fd_.second, INVALID_UNIQUE_FD_ID);
    EXPECT_TRUE(ids.insert(allocation.fd_.second).second);
    allocator.Free(std::move(allocation));
  }
}

TEST(MallocTest, GranularityIsAcceptedAndChangesNothing) {
  for (const int granularity : {0, -1, 4096, 2 << 20}) {
    internal::SetMallocGranularity(granularity);
    PlasmaAllocator allocator(SharedMemory(), "/tmp", false, kMiB);
    EXPECT_EQ(mmap_records.begin()->second.size, kMiB + kMmapRegionsGap);
  }
}

}  // namespace
}  // namespace plasma
