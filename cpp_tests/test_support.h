// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What several suites need: names for ids, temporary directories, and an allocator over ordinary memory.

#pragma once

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "ray/common/id.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/allocator.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/malloc.h"

namespace plasma {

/// An allocator over the heap, which counts as the real one does. Ray's headers let a class of this name make
/// allocations.
class DummyAllocator : public IAllocator {
 public:
  explicit DummyAllocator(int64_t limit, int64_t fallback_limit = 0)
      : limit_(limit), fallback_limit_(fallback_limit) {}

  ~DummyAllocator() override {
    for (const auto &[address, piece] : live_) {
      std::free(address);
    }
  }

  std::optional<Allocation> Allocate(size_t bytes) override {
    return Take(static_cast<int64_t>(bytes), limit_ - primary_, false);
  }

  std::optional<Allocation> FallbackAllocate(size_t bytes) override {
    auto allocation = Allocate(bytes);
    return allocation.has_value()
               ? std::move(allocation)
               : Take(static_cast<int64_t>(bytes), fallback_limit_ - fallback_, true);
  }

  void Free(Allocation allocation) override {
    const auto found = live_.find(allocation.address_);
    if (found == live_.end()) {
      ADD_FAILURE() << "freed " << allocation.address_ << ", which is not allocated";
      return;
    }
    EXPECT_EQ(found->second.first, allocation.size_);
    EXPECT_EQ(found->second.second, allocation.fallback_allocated_);
    (found->second.second ? fallback_ : primary_) -= found->second.first;
    std::free(found->first);
    live_.erase(found);
  }

  int64_t GetFootprintLimit() const override { return limit_; }
  int64_t Allocated() const override { return primary_ + fallback_; }
  int64_t FallbackAllocated() const override { return fallback_; }

  size_t NumLive() const { return live_.size(); }

  /// An allocation as a test wants it. It names no memory unless the test gives some.
  static Allocation Make(int64_t size,
                         bool fallback_allocated = false,
                         void *address = nullptr,
                         MEMFD_TYPE fd = {5, 6},
                         ptrdiff_t offset = 0,
                         int64_t mmap_size = 0) {
    return Allocation(address, size, fd, offset, 0, mmap_size, fallback_allocated);
  }

  static Allocation MakeEmpty() { return Allocation(); }

 private:
  std::optional<Allocation> Take(int64_t bytes, int64_t room, bool fallback) {
    if (bytes < 0 || bytes > room) {
      return std::nullopt;
    }
    const size_t whole = (static_cast<size_t>(bytes) / kBlockSize + 1) * kBlockSize;
    void *address = std::aligned_alloc(kBlockSize, whole);
    (fallback ? fallback_ : primary_) += bytes;
    live_[address] = {bytes, fallback};
    return Make(bytes, fallback, address, {3, fallback ? 2 : 1}, 0, limit_);
  }

  const int64_t limit_;
  const int64_t fallback_limit_;
  int64_t primary_ = 0;
  int64_t fallback_ = 0;
  std::map<void *, std::pair<int64_t, bool>> live_;
};

class MockAllocator : public IAllocator {
 public:
  MOCK_METHOD(std::optional<Allocation>, Allocate, (size_t bytes), (override));
  MOCK_METHOD(std::optional<Allocation>, FallbackAllocate, (size_t bytes), (override));
  MOCK_METHOD(void, Free, (Allocation allocation), (override));
  MOCK_METHOD(int64_t, GetFootprintLimit, (), (const, override));
  MOCK_METHOD(int64_t, Allocated, (), (const, override));
  MOCK_METHOD(int64_t, FallbackAllocated, (), (const, override));
};

namespace flatbuf {

inline std::ostream &operator<<(std::ostream &out, PlasmaError error) {
  return out << "PlasmaError " << static_cast<int>(error);
}

}  // namespace flatbuf
}  // namespace plasma

namespace plasma_tests {

using plasma::flatbuf::ObjectSource;
using plasma::flatbuf::PlasmaError;
using ray::ObjectID;
using ray::ObjectInfo;

/// A type without a comma, so that it fits into a macro.
using Fd = MEMFD_TYPE;

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

constexpr ObjectSource kAllSources[] = {ObjectSource::CreatedByWorker,
                                        ObjectSource::RestoredFromStorage,
                                        ObjectSource::ReceivedFromRemoteRaylet,
                                        ObjectSource::ErrorStoredByRaylet};

/// The id with this number in it; different numbers, different ids.
inline ObjectID Id(uint64_t number) {
  std::string bytes(ObjectID::Size(), '\x11');
  std::memcpy(bytes.data() + 3, &number, sizeof(number));
  return ObjectID::FromBinary(bytes);
}

inline ObjectInfo Info(const ObjectID &id,
                       int64_t data_size,
                       int64_t metadata_size = 0,
                       bool is_mutable = false) {
  ObjectInfo info;
  info.object_id = id;
  info.data_size = data_size;
  info.metadata_size = metadata_size;
  info.is_mutable = is_mutable;
  return info;
}

/// An empty directory that goes with everything in it; in /dev/shm, or where temporary files lie.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string &parent = DefaultParent())
      : path_(parent + "/plasma_test_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) {
      ADD_FAILURE() << "no directory " << path_ << ": " << std::strerror(errno);
    }
  }
  ~TemporaryDirectory() { rmdir(path_.c_str()); }
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

  const std::string &Path() const { return path_; }

  /// Names in the directory.
  int NumEntries() const {
    int entries = -2;  // . and ..
    if (DIR *directory = opendir(path_.c_str())) {
      while (readdir(directory) != nullptr) {
        entries++;
      }
      closedir(directory);
    }
    return entries;
  }

  static std::string DefaultParent() {
    const char *wanted = std::getenv("TEST_TMPDIR");
    return wanted != nullptr ? wanted : "/tmp";
  }

 private:
  std::string path_;
};

/// Where shared memory lies on Linux.
inline std::string SharedMemory() { return "/dev/shm"; }

}  // namespace plasma_tests
