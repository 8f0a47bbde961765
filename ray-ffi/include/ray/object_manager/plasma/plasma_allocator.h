// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the allocator of shared memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plasma_rs/handle.h"
#include "ray/object_manager/plasma/allocator.h"
#include "ray/object_manager/plasma/common.h"

namespace plasma {

/// Allocates from one shared file in the plasma directory, and, on demand, from files of their own in the
/// fallback directory. Files have no name and are closed on exec. One thread at a time, except for
/// FallbackAllocated() and GetFootprintLimit(). There may be several in a process.
class PlasmaAllocator : public IAllocator {
 public:
  /// Aborts when the limit is not above 2048 bytes or the directory cannot hold the file.
  ///
  /// \param hugepage_enabled Tries huge pages first; without any, normal ones are used, and logged.
  /// \param footprint_limit Bytes of the primary region.
  PlasmaAllocator(const std::string &plasma_directory,
                  const std::string &fallback_directory,
                  bool hugepage_enabled,
                  int64_t footprint_limit);
  ~PlasmaAllocator() override;

  PlasmaAllocator(const PlasmaAllocator &) = delete;
  PlasmaAllocator &operator=(const PlasmaAllocator &) = delete;

  std::optional<Allocation> Allocate(size_t bytes) override;
  std::optional<Allocation> FallbackAllocate(size_t bytes) override;
  /// Aborts when the address is not that of a live allocation.
  void Free(Allocation allocation) override;
  int64_t GetFootprintLimit() const override;
  int64_t Allocated() const override;
  int64_t FallbackAllocated() const override;

  /// How full the primary region is, from its start to its end.
  ///
  /// \param buckets How many parts to cut it into. \return For each the used fraction, from 0 to 1.
  std::vector<double> Occupancy(size_t buckets) const;

  /// For a store over this allocator, which then calls Rust directly.
  const plasma_rs::AllocatorHandle *RustHandle() const { return handle_.get(); }

 private:
  plasma_rs::Handle<plasma_rs::AllocatorHandle> handle_;
  /// No bytes at the start of the primary region: what all allocations there have in common.
  const Allocation primary_;
};

}  // namespace plasma
