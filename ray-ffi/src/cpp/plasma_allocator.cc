// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/plasma_allocator.h"

#include <cstring>
#include <memory>

#include "convert.h"
#include "ray/common/ray_config.h"
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

}  // namespace
}  // namespace plasma_rs

namespace plasma {

PlasmaAllocator::PlasmaAllocator(const std::string &plasma_directory,
                                 const std::string &fallback_directory,
                                 bool hugepage_enabled,
                                 int64_t footprint_limit) {
  plasma_rs::AllocatorOptions options;
  options.plasma_directory = plasma_rs::PathBytes(plasma_directory);
  options.fallback_directory = plasma_rs::PathBytes(fallback_directory);
  options.hugepage_enabled = hugepage_enabled;
  options.preallocate = RayConfig::instance().preallocate_plasma_memory();
  options.exclude_from_core_dump =
      RayConfig::instance().raylet_core_dump_exclude_plasma_store();
  options.footprint_limit = footprint_limit;
  try {
    handle_.reset(plasma_rs::allocator_new(options).into_raw());
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "PlasmaAllocator initialization failed: " << error.what();
  }
}

PlasmaAllocator::~PlasmaAllocator() = default;

std::optional<Allocation> PlasmaAllocator::Allocate(size_t bytes) {
  return AllocateFrom(bytes, /*fallback=*/false);
}

std::optional<Allocation> PlasmaAllocator::FallbackAllocate(size_t bytes) {
  return AllocateFrom(bytes, /*fallback=*/true);
}

std::optional<Allocation> PlasmaAllocator::AllocateFrom(size_t bytes, bool fallback) {
  plasma_rs::RawAllocation raw;
  if (!handle_->allocate(bytes, fallback, raw)) {
    return std::nullopt;
  }
  return plasma_rs::AllocationAccess::Make(raw);
}

void PlasmaAllocator::Free(Allocation allocation) {
  try {
    handle_->free(reinterpret_cast<std::size_t>(allocation.address_));
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "Check failed: " << error.what();
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
