// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// plasma_allocator.h: one shared region, and files on disk when it is full.

#include "ray/object_manager/plasma/plasma_allocator.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "ray/object_manager/plasma/plasma.h"
#include "test_support.h"

namespace plasma {
namespace {

using plasma_tests::Fd;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;

static_assert(!std::is_copy_constructible_v<PlasmaAllocator>);
static_assert(!std::is_copy_assignable_v<PlasmaAllocator>);

struct PlasmaAllocatorTest : public ::testing::Test {
  static PlasmaAllocator Make(int64_t limit, const std::string &fallback = "/tmp") {
    return PlasmaAllocator(SharedMemory(), fallback, /*hugepage_enabled=*/false, limit);
  }

  static void FreeAll(PlasmaAllocator &allocator, std::vector<Allocation> &allocations) {
    for (auto &allocation : allocations) {
      allocator.Free(std::move(allocation));
    }
    allocations.clear();
  }

  const TemporaryDirectory directory_;
};

bool IsAligned(const Allocation &allocation) {
  return reinterpret_cast<uintptr_t>(allocation.address_) % kBlockSize == 0 &&
         allocation.offset_ % kBlockSize == 0;
}

TEST_F(PlasmaAllocatorTest, IsEmptyAtFirst) {
  const auto allocator = Make(kMiB + 17);
  EXPECT_EQ(allocator.GetFootprintLimit(), kMiB + 17);
  EXPECT_EQ(allocator.Allocated(), 0);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
}

TEST_F(PlasmaAllocatorTest, DescribesAnAllocation) {
  auto allocator = Make(kMiB);
  Allocation allocation = allocator.Allocate(1000).value();
  EXPECT_NE(allocation.address_, nullptr);
  EXPECT_EQ(allocation.size_, 1000);
  EXPECT_GE(allocation.fd_.first, 0);
  EXPECT_GT(allocation.fd_.second, 0);
  EXPECT_GE(allocation.offset_, 0);
  EXPECT_EQ(allocation.device_num_, 0);
  EXPECT_EQ(allocation.mmap_size_, kMiB + kMmapRegionsGap);
  EXPECT_FALSE(allocation.fallback_allocated_);
  EXPECT_EQ(allocator.Allocated(), 1000);
  allocator.Free(std::move(allocation));
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST_F(PlasmaAllocatorTest, TwoMebibytesAndRaysReserveHoldTwoObjectsOfOneMebibyte) {
  auto allocator = Make(2 * kMiB + 2048);
  std::vector<Allocation> allocations;
  allocations.push_back(allocator.Allocate(kMiB).value());
  allocations.push_back(allocator.Allocate(kMiB).value());
  EXPECT_FALSE(allocator.Allocate(kMiB).has_value());
  EXPECT_EQ(allocator.Allocated(), 2 * kMiB);
  FreeAll(allocator, allocations);
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST_F(PlasmaAllocatorTest, WholeRegionCanBeOneAllocationOrManySmallOnes) {
  auto allocator = Make(kMiB);
  Allocation whole = allocator.Allocate(kMiB).value();
  EXPECT_EQ(whole.offset_, 0);
  EXPECT_FALSE(allocator.Allocate(1).has_value());
  allocator.Free(std::move(whole));

  std::vector<Allocation> blocks;
  while (auto block = allocator.Allocate(64)) {
    blocks.push_back(std::move(*block));
  }
  EXPECT_EQ(blocks.size(), static_cast<size_t>(kMiB / 64));
  EXPECT_EQ(allocator.Allocated(), kMiB);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(7));
  FreeAll(allocator, blocks);

  // Every neighbour has merged: the whole region is one piece again.
  Allocation again = allocator.Allocate(kMiB).value();
  allocator.Free(std::move(again));
}

TEST_F(PlasmaAllocatorTest, AllocationsAreAlignedAndDoNotOverlap) {
  auto allocator = Make(8 * kMiB);
  std::vector<Allocation> allocations;
  std::map<char *, int64_t> places;
  for (int64_t size = 0; size < 3000; size = size * 5 / 4 + 1) {
    allocations.push_back(allocator.Allocate(size).value());
    EXPECT_TRUE(IsAligned(allocations.back())) << size;
    EXPECT_EQ(allocations.back().size_, size);
    places[static_cast<char *>(allocations.back().address_)] = size;
  }
  ASSERT_EQ(places.size(), allocations.size());
  for (auto place = places.begin(); std::next(place) != places.end(); ++place) {
    EXPECT_LE(place->first + place->second, std::next(place)->first);
  }
  FreeAll(allocator, allocations);
}

TEST_F(PlasmaAllocatorTest, CountsTheBytesThatWereAskedFor) {
  auto allocator = Make(kMiB);
  std::vector<Allocation> allocations;
  int64_t sum = 0;
  for (const int64_t size : {0, 1, 63, 64, 65, 1000}) {
    allocations.push_back(allocator.Allocate(size).value());
    sum += size;
    EXPECT_EQ(allocator.Allocated(), sum);
  }
  FreeAll(allocator, allocations);
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST_F(PlasmaAllocatorTest, NothingHasAnAddressOfItsOwn) {
  auto allocator = Make(kMiB);
  Allocation first = allocator.Allocate(0).value();
  Allocation second = allocator.Allocate(0).value();
  EXPECT_NE(first.address_, nullptr);
  EXPECT_NE(first.address_, second.address_);
  EXPECT_EQ(allocator.Allocated(), 0);
  allocator.Free(std::move(first));
  allocator.Free(std::move(second));
}

TEST_F(PlasmaAllocatorTest, FallbackIsServedFromThePrimaryRegionWhenItHasRoom) {
  auto allocator = Make(kMiB, directory_.Path());
  Allocation allocation = allocator.FallbackAllocate(1000).value();
  EXPECT_FALSE(allocation.fallback_allocated_);
  EXPECT_EQ(allocator.Allocated(), 1000);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
  allocator.Free(std::move(allocation));
}

TEST_F(PlasmaAllocatorTest, FallbackIsAFileOfItsOwnOtherwise) {
  auto allocator = Make(kMiB, directory_.Path());
  Allocation primary = allocator.Allocate(kMiB).value();
  EXPECT_FALSE(allocator.Allocate(100).has_value());
  Allocation fallback = allocator.FallbackAllocate(100).value();
  EXPECT_TRUE(fallback.fallback_allocated_);
  EXPECT_TRUE(IsAligned(fallback));
  EXPECT_NE(fallback.fd_.first, primary.fd_.first);
  EXPECT_NE(fallback.fd_.second, primary.fd_.second);
  EXPECT_GE(fallback.mmap_size_ - kMmapRegionsGap, fallback.offset_ + 100);
  std::memset(fallback.address_, 0x77, 100);

  struct stat file;
  ASSERT_EQ(fstat(fallback.fd_.first, &file), 0);
  EXPECT_GE(file.st_size, fallback.mmap_size_ - kMmapRegionsGap);
  EXPECT_EQ(file.st_nlink, 0u) << "the file has no name";
  EXPECT_EQ(directory_.NumEntries(), 0);
  struct stat place;
  ASSERT_EQ(stat(directory_.Path().c_str(), &place), 0);
  EXPECT_EQ(file.st_dev, place.st_dev) << "it lies in the fallback directory";

  EXPECT_EQ(allocator.Allocated(), kMiB + 100);
  EXPECT_EQ(allocator.FallbackAllocated(), 100);
  allocator.Free(std::move(fallback));
  EXPECT_EQ(allocator.Allocated(), kMiB);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
  allocator.Free(std::move(primary));
}

TEST_F(PlasmaAllocatorTest, FallbackIsNotLimitedByTheRegion) {
  auto allocator = Make(kMiB, directory_.Path());
  std::vector<Allocation> files;
  std::set<int> descriptors;
  std::set<int64_t> ids;
  for (int i = 0; i < 16; i++) {
    files.push_back(allocator.FallbackAllocate(2 * kMiB).value());
    EXPECT_TRUE(files.back().fallback_allocated_);
    std::memset(files.back().address_, i, 2 * kMiB);
    descriptors.insert(files.back().fd_.first);
    ids.insert(files.back().fd_.second);
  }
  EXPECT_EQ(descriptors.size(), files.size());
  EXPECT_EQ(ids.size(), files.size());
  EXPECT_EQ(allocator.FallbackAllocated(), 32 * kMiB);
  EXPECT_EQ(allocator.Allocated(), 32 * kMiB);
  for (int i = 0; i < 16; i++) {
    const char *bytes = static_cast<char *>(files[i].address_);
    EXPECT_EQ(bytes[0], i);
    EXPECT_EQ(bytes[2 * kMiB - 1], i);
  }
  // What lies on disk takes nothing away from the region.
  Allocation whole = allocator.Allocate(kMiB).value();
  allocator.Free(std::move(whole));
  FreeAll(allocator, files);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
}

TEST_F(PlasmaAllocatorTest, AFreedFileIsClosed) {
  auto allocator = Make(kMiB, directory_.Path());
  Allocation file = allocator.FallbackAllocate(2 * kMiB).value();
  const int descriptor = file.fd_.first;
  EXPECT_NE(fcntl(descriptor, F_GETFD), -1);
  allocator.Free(std::move(file));
  EXPECT_EQ(fcntl(descriptor, F_GETFD), -1);
}

TEST_F(PlasmaAllocatorTest, AnAllocatorThatGoesClosesItsFiles) {
  int primary = -1;
  int fallback = -1;
  {
    auto allocator = Make(kMiB, directory_.Path());
    primary = allocator.Allocate(10).value().fd_.first;
    fallback = allocator.FallbackAllocate(2 * kMiB).value().fd_.first;
  }
  EXPECT_EQ(fcntl(primary, F_GETFD), -1);
  EXPECT_EQ(fcntl(fallback, F_GETFD), -1);
}

TEST_F(PlasmaAllocatorTest, DescriptorsCloseOnExecAndFilesHaveNoName) {
  const TemporaryDirectory plasma_directory(SharedMemory());
  PlasmaAllocator allocator(plasma_directory.Path(), directory_.Path(), false, kMiB);
  Allocation primary = allocator.Allocate(kMiB).value();
  Allocation fallback = allocator.FallbackAllocate(kMiB).value();
  for (const Allocation *allocation : {&primary, &fallback}) {
    EXPECT_TRUE((fcntl(allocation->fd_.first, F_GETFD) & FD_CLOEXEC) != 0);
  }
  EXPECT_EQ(plasma_directory.NumEntries(), 0);
  EXPECT_EQ(directory_.NumEntries(), 0);
  allocator.Free(std::move(primary));
  allocator.Free(std::move(fallback));
}

TEST_F(PlasmaAllocatorTest, BothKindsOfFileShowTheBytesThroughTheirDescriptor) {
  auto allocator = Make(kMiB, directory_.Path());
  Allocation primary = allocator.Allocate(10000).value();
  Allocation fallback = allocator.FallbackAllocate(3 * kMiB).value();
  for (const Allocation *allocation : {&primary, &fallback}) {
    std::memset(allocation->address_, 0x42, allocation->size_);
    const size_t length = allocation->mmap_size_ - kMmapRegionsGap;
    void *mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, allocation->fd_.first, 0);
    ASSERT_NE(mapped, MAP_FAILED);
    const char *bytes = static_cast<char *>(mapped) + allocation->offset_;
    EXPECT_EQ(std::count(bytes, bytes + allocation->size_, 0x42), allocation->size_);
    EXPECT_EQ(munmap(mapped, length), 0);
  }
  allocator.Free(std::move(primary));
  allocator.Free(std::move(fallback));
}

TEST_F(PlasmaAllocatorTest, TheFilesAreLeftOutOfCoreDumps) {
  auto allocator = Make(kMiB);
  Allocation allocation = allocator.Allocate(10).value();
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool ours = false;
  bool checked = false;
  const auto address = reinterpret_cast<uintptr_t>(allocation.address_) - allocation.offset_;
  while (std::getline(maps, line)) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      ours = begin <= address && address < end;
    } else if (ours && line.rfind("VmFlags:", 0) == 0) {
      EXPECT_NE(line.find(" dd"), std::string::npos) << line;
      checked = true;
    }
  }
  EXPECT_TRUE(checked);
  allocator.Free(std::move(allocation));
}

TEST_F(PlasmaAllocatorTest, TwoAllocatorsKnowNothingOfEachOther) {
  auto first = Make(kMiB, directory_.Path());
  auto second = Make(2 * kMiB, directory_.Path());
  Allocation one = first.Allocate(kMiB).value();
  Allocation two = second.Allocate(2 * kMiB).value();
  EXPECT_NE(one.fd_.first, two.fd_.first);
  EXPECT_NE(one.fd_.second, two.fd_.second);
  EXPECT_EQ(one.mmap_size_, kMiB + kMmapRegionsGap);
  EXPECT_EQ(two.mmap_size_, 2 * kMiB + kMmapRegionsGap);
  std::memset(one.address_, 1, kMiB);
  std::memset(two.address_, 2, 2 * kMiB);
  EXPECT_EQ(static_cast<char *>(one.address_)[kMiB - 1], 1);
  EXPECT_EQ(first.Allocated(), kMiB);
  EXPECT_EQ(second.Allocated(), 2 * kMiB);
  first.Free(std::move(one));
  EXPECT_EQ(first.Allocated(), 0);
  EXPECT_EQ(second.Allocated(), 2 * kMiB);
  EXPECT_EQ(static_cast<char *>(two.address_)[2 * kMiB - 1], 2);
  second.Free(std::move(two));
}

TEST_F(PlasmaAllocatorTest, OnlyTheAddressCountsWhenMemoryIsFreed) {
  auto allocator = Make(kMiB);
  Allocation allocation = allocator.Allocate(1000).value();
  allocation.size_ = 5;
  allocation.offset_ = 12345;
  allocation.fallback_allocated_ = true;
  allocator.Free(std::move(allocation));
  EXPECT_EQ(allocator.Allocated(), 0);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
}

TEST_F(PlasmaAllocatorTest, APieceIsKnownByItsNumberButFreedByItsAddress) {
  auto allocator = Make(kMiB);
  std::vector<Allocation> allocations;
  std::set<uint32_t> numbers;
  for (int i = 0; i < 8; i++) {
    allocations.push_back(allocator.Allocate(100).value());
    EXPECT_NE(allocations.back().number_, 0u);
    numbers.insert(allocations.back().number_);
  }
  EXPECT_EQ(numbers.size(), allocations.size());
  for (const uint32_t wrong : {0u, allocations[7].number_, 1u << 21, ~0u}) {
    allocations[0].number_ = wrong;
    allocator.Free(std::move(allocations[0]));
    allocations.erase(allocations.begin());
    EXPECT_EQ(allocator.Allocated(), static_cast<int64_t>(100 * allocations.size()));
  }
  // Given out again, they have other bytes and their numbers still.
  for (int i = 0; i < 4; i++) {
    allocations.push_back(allocator.Allocate(65).value());
    EXPECT_EQ(numbers.count(allocations.back().number_), 1u);
  }
  FreeAll(allocator, allocations);
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST_F(PlasmaAllocatorTest, ScribblingOverTheWholeMappingHurtsNoBookkeeping) {
  auto allocator = Make(kMiB);
  std::vector<Allocation> allocations;
  for (int i = 0; i < 100; i++) {
    allocations.push_back(allocator.Allocate(100 * i).value());
  }
  char *base = static_cast<char *>(allocations[0].address_) - allocations[0].offset_;
  // All space up to the furthest allocation is reserved; a client can write all of that and more.
  for (int round = 0; round < 20; round++) {
    std::memset(base, 0xff - round, kMiB);
    for (int i = round; i < 100; i += 3) {
      allocator.Free(std::move(allocations[i]));
    }
    std::memset(base, round, kMiB);
    for (int i = round; i < 100; i += 3) {
      allocations[i] = allocator.Allocate(50 * i).value();
    }
  }
  FreeAll(allocator, allocations);
  EXPECT_EQ(allocator.Allocated(), 0);
  Allocation whole = allocator.Allocate(kMiB).value();
  allocator.Free(std::move(whole));
}

TEST_F(PlasmaAllocatorTest, ShowsHowFullTheRegionIs) {
  auto allocator = Make(kMiB);
  EXPECT_EQ(allocator.Occupancy(4), (std::vector<double>{0, 0, 0, 0}));
  Allocation quarter = allocator.Allocate(kMiB / 4).value();
  auto occupancy = allocator.Occupancy(4);
  ASSERT_EQ(occupancy.size(), 4u);
  EXPECT_NEAR(std::accumulate(occupancy.begin(), occupancy.end(), 0.0), 1.0, 1e-9);
  Allocation rest = allocator.Allocate(kMiB * 3 / 4).value();
  EXPECT_EQ(allocator.Occupancy(4), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(allocator.Occupancy(1), (std::vector<double>{1}));
  EXPECT_TRUE(allocator.Occupancy(0).empty());
  allocator.Free(std::move(quarter));
  allocator.Free(std::move(rest));
  EXPECT_EQ(allocator.Occupancy(1), (std::vector<double>{0}));
}

TEST_F(PlasmaAllocatorTest, WithoutHugePagesOrdinaryOnesAreUsed) {
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), /*hugepage_enabled=*/true, 4 * kMiB);
  std::vector<Allocation> allocations;
  allocations.push_back(allocator.Allocate(2 * kMiB).value());
  allocations.push_back(allocator.Allocate(2 * kMiB).value());
  EXPECT_FALSE(allocator.Allocate(kMiB).has_value());
  EXPECT_GE(allocations[0].mmap_size_, 4 * kMiB + kMmapRegionsGap);
  std::memset(allocations[1].address_, 1, 2 * kMiB);
  FreeAll(allocator, allocations);
}

TEST_F(PlasmaAllocatorTest, RustHandleIsThere) {
  const auto allocator = Make(kMiB);
  EXPECT_NE(allocator.RustHandle(), nullptr);
}

TEST_F(PlasmaAllocatorTest, FallbackBytesCanBeReadFromAnotherThread) {
  auto allocator = Make(kMiB, directory_.Path());
  std::atomic<bool> done{false};
  int64_t largest = 0;
  std::thread reader([&] {
    while (!done) {
      largest = std::max(largest, allocator.FallbackAllocated());
      EXPECT_EQ(allocator.GetFootprintLimit(), kMiB);
    }
    largest = std::max(largest, allocator.FallbackAllocated());
  });
  std::vector<Allocation> files;
  for (int i = 0; i < 8; i++) {
    files.push_back(allocator.FallbackAllocate(2 * kMiB).value());
  }
  done = true;
  reader.join();
  EXPECT_EQ(largest, 16 * kMiB);
  FreeAll(allocator, files);
}

TEST_F(PlasmaAllocatorTest, AFullRegionBreaksUpAndMergesAgain) {
  auto allocator = Make(kMiB);
  std::vector<Allocation> allocations;
  for (int i = 0; i < 16; i++) {
    allocations.push_back(allocator.Allocate(64 * kKiB).value());
  }
  std::sort(allocations.begin(), allocations.end(), [](const auto &a, const auto &b) {
    return a.offset_ < b.offset_;
  });
  for (int i = 0; i < 16; i += 2) {
    allocator.Free(std::move(allocations[i]));
  }
  EXPECT_EQ(allocator.Allocated(), kMiB / 2);
  // No two free pieces touch: their pages come together elsewhere, within the limit.
  Allocation larger = allocator.Allocate(256 * kKiB + 1).value();
  EXPECT_FALSE(larger.fallback_allocated_);
  EXPECT_NE(larger.fd_, allocations[1].fd_);
  EXPECT_EQ(larger.mmap_size_, allocations[1].mmap_size_);
  std::memset(larger.address_, 7, larger.size_);
  EXPECT_EQ(allocator.Allocated(), kMiB / 2 + 256 * kKiB + 1);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
  EXPECT_FALSE(allocator.Allocate(256 * kKiB).has_value()) << "the pages are taken";
  allocator.Free(std::move(larger));
  allocator.Free(std::move(allocations[1]));
  Allocation merged = allocator.Allocate(3 * 64 * kKiB).value();
  EXPECT_EQ(merged.offset_, 0);
  allocator.Free(std::move(merged));
  for (int i = 3; i < 16; i += 2) {
    allocator.Free(std::move(allocations[i]));
  }
}

}  // namespace
}  // namespace plasma
