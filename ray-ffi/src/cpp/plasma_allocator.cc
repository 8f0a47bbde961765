// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/plasma_allocator.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "convert.h"
#include "ray/common/ray_config.h"
#include "ray/object_manager/plasma/malloc.h"
#include "ray/object_manager/plasma/plasma.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(AllocatorHandle *handle) const {
  rust::Box<AllocatorHandle>::from_raw(handle);
}

namespace {

rust::Vec<std::uint8_t> PathBytes(const std::string &path) {
  rust::Vec<std::uint8_t> bytes;
  for (const char byte : path) {
    bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  return bytes;
}

Handle<AllocatorHandle> NewAllocator(const std::string &plasma_directory,
                                     const std::string &fallback_directory,
                                     bool hugepage_enabled,
                                     int64_t footprint_limit) {
  AllocatorOptions options;
  options.plasma_directory = PathBytes(plasma_directory);
  options.fallback_directory = PathBytes(fallback_directory);
  options.hugepage_enabled = hugepage_enabled;
  options.preallocate = RayConfig::instance().preallocate_plasma_memory();
  options.exclude_from_core_dump =
      RayConfig::instance().raylet_core_dump_exclude_plasma_store();
  options.footprint_limit = footprint_limit;
  try {
    return Handle<AllocatorHandle>(allocator_new(options).into_raw());
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "PlasmaAllocator initialization failed: " << error.what();
  }
  return nullptr;
}

/// Two words that are stored at once.
using Pair = std::int64_t __attribute__((vector_size(16)));

}  // namespace

/// A copy of `primary`, but for the place. Callers copy an allocation 16 bytes at a time, right after it was made; a processor
/// passes on what was stored a moment ago only if it was stored in one piece. So is everything here: from a register, 16 bytes
/// at a time.
inline std::optional<plasma::Allocation> AllocationAccess::Place(const plasma::Allocation &primary,
                                                                 std::size_t address,
                                                                 std::uint32_t number,
                                                                 std::size_t bytes) {
  const auto signed_bytes = static_cast<std::int64_t>(bytes);
  const auto offset =
      static_cast<std::int64_t>(address - reinterpret_cast<std::size_t>(primary.address_));
  Pair pairs[4];
  std::memcpy(pairs, static_cast<const void *>(&primary), sizeof pairs);
  pairs[0] = Pair{static_cast<std::int64_t>(address), signed_bytes};
  pairs[2] = Pair{offset, 0};  // and the device
  static_assert(sizeof pairs == sizeof primary && offsetof(plasma::Allocation, number_) == 60);
  pairs[3] |= Pair{0, static_cast<std::int64_t>(std::uint64_t{number} << 32)};
  std::optional<plasma::Allocation> out(plasma::Allocation{});
  std::memcpy(static_cast<void *>(&*out), pairs, sizeof pairs);
  return out;
}

namespace {

// These two are apart, so that what they need on the stack does not burden every call.

[[noreturn]] __attribute__((noinline, cold)) void RefuseToFree(std::size_t address) {
  RAY_LOG(FATAL) << "Check failed: " << std::string(why_not_freed(address));
  std::abort();
}

__attribute__((noinline, cold)) std::optional<plasma::Allocation> InAnnex(
    const AllocatorHandle &handle,
    std::size_t address,
    std::uint32_t number,
    std::size_t bytes) {
  const auto annex = AllocationAccess::Make(handle.annex_region());
  return AllocationAccess::Place(annex, address, number, bytes);
}

}  // namespace

}  // namespace plasma_rs

namespace plasma {

PlasmaAllocator::PlasmaAllocator(const std::string &plasma_directory,
                                 const std::string &fallback_directory,
                                 bool hugepage_enabled,
                                 int64_t footprint_limit)
    : handle_(plasma_rs::NewAllocator(
          plasma_directory, fallback_directory, hugepage_enabled, footprint_limit)),
      primary_(plasma_rs::AllocationAccess::Make(handle_->primary_region())) {}

PlasmaAllocator::~PlasmaAllocator() = default;

std::optional<Allocation> PlasmaAllocator::Allocate(size_t bytes) {
  const std::uint64_t piece = handle_->allocate(bytes);
  if (piece == 0) {
    return std::nullopt;
  }
  constexpr int kNumberBits = 22;  // NUMBER_BITS in allocator.rs
  const auto number = static_cast<std::uint32_t>(piece & ((1U << kNumberBits) - 1));
  const std::size_t address = (piece >> kNumberBits) * kBlockSize;
  const auto offset = address - reinterpret_cast<std::size_t>(primary_.address_);
  if (offset >= static_cast<std::size_t>(primary_.mmap_size_ - kMmapRegionsGap)) {
    return plasma_rs::InAnnex(*handle_, address, number, bytes);
  }
  return plasma_rs::AllocationAccess::Place(primary_, address, number, bytes);
}

std::optional<Allocation> PlasmaAllocator::FallbackAllocate(size_t bytes) {
  plasma_rs::RawAllocation raw;
  if (!handle_->fallback_allocate(bytes, raw)) {
    return std::nullopt;
  }
  return plasma_rs::AllocationAccess::Make(raw);
}

void PlasmaAllocator::Free(Allocation allocation) {
  const auto address = reinterpret_cast<std::size_t>(allocation.address_);
  if (!handle_->free(address, allocation.number_)) {
    plasma_rs::RefuseToFree(address);
  }
}

int64_t PlasmaAllocator::GetFootprintLimit() const { return handle_->footprint_limit(); }

int64_t PlasmaAllocator::Allocated() const { return handle_->allocated(); }

int64_t PlasmaAllocator::FallbackAllocated() const { return handle_->fallback_allocated(); }

std::vector<double> PlasmaAllocator::Occupancy(size_t buckets) const {
  const auto fractions = handle_->occupancy(buckets);
  return std::vector<double>(fractions.begin(), fractions.end());
}

}  // namespace plasma
