// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: what an allocator is.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ray/object_manager/plasma/common.h"
#include "ray/util/compat.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/types/optional.h")
#include "absl/types/optional.h"
#endif

namespace plasma {

/// Gives out and takes back shared memory. Not thread-safe.
class IAllocator {
 public:
  virtual ~IAllocator() = default;

  /// Memory from the primary region. \return Nothing when it has no room.
  virtual std::optional<Allocation> Allocate(size_t bytes) = 0;

  /// Memory from the primary region if it has room, else from a file on disk. \return Nothing when the disk
  /// is full too.
  virtual std::optional<Allocation> FallbackAllocate(size_t bytes) = 0;

  /// Takes back what either of the above returned.
  virtual void Free(Allocation allocation) = 0;

  /// Bytes of the primary region.
  virtual int64_t GetFootprintLimit() const = 0;

  /// Bytes in live allocations of either kind.
  virtual int64_t Allocated() const = 0;

  /// The part of Allocated() that lies in files on disk.
  virtual int64_t FallbackAllocated() const = 0;
};

}  // namespace plasma
