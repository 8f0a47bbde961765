// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What every shell needs from the border: log lines, object descriptions, allocators from C++, and the
// layouts that Rust relies on.

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include "convert.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void write_log(std::int32_t level, rust::Str message) {
  const std::string_view text(message.data(), message.size());
  switch (level) {
  case -1:
    RAY_LOG(DEBUG) << text;
    break;
  case 0:
    RAY_LOG(INFO) << text;
    break;
  case 1:
    RAY_LOG(WARNING) << text;
    break;
  case 2:
    RAY_LOG(ERROR) << text;
    break;
  default:
    RAY_LOG(FATAL) << text;
  }
}

bool is_debug_logged() { return RAY_LOG_ENABLED(DEBUG); }

void copy_object_info(const std::uint8_t *from, std::uint8_t *to) {
  new (to) ray::ObjectInfo(*reinterpret_cast<const ray::ObjectInfo *>(from));
}

void destroy_object_info(std::uint8_t *place) {
  reinterpret_cast<ray::ObjectInfo *>(place)->~ObjectInfo();
}

namespace {

/// The same as `==`, but compared in place: it is asked for every new object.
template <typename Id>
bool IsSame(const Id &one, const Id &other) {
  static_assert(Id::Size() == 28);
  const auto word = [](const Id &id, std::size_t at) {
    std::uint64_t word;
    std::memcpy(&word, id.Data() + at, sizeof word);
    return word;
  };
  // The last two overlap.
  return ((word(one, 0) ^ word(other, 0)) | (word(one, 8) ^ word(other, 8)) |
          (word(one, 16) ^ word(other, 16)) | (word(one, 20) ^ word(other, 20))) == 0;
}

}  // namespace

bool is_same_owner(const std::uint8_t *one, const std::uint8_t *other) {
  const auto &a = *reinterpret_cast<const ray::ObjectInfo *>(one);
  const auto &b = *reinterpret_cast<const ray::ObjectInfo *>(other);
  return a.owner_port == b.owner_port && IsSame(a.owner_worker_id, b.owner_worker_id) &&
         IsSame(a.owner_node_id, b.owner_node_id) && a.owner_ip_address == b.owner_ip_address;
}

rust::Vec<std::uint8_t> owner_bytes(const std::uint8_t *info) {
  const auto &object = *reinterpret_cast<const ray::ObjectInfo *>(info);
  const std::string text = object.owner_node_id.Binary() + object.owner_worker_id.Binary() +
                           std::to_string(object.owner_port) + ' ' + object.owner_ip_address;
  rust::Vec<std::uint8_t> bytes;
  std::copy(text.begin(), text.end(), std::back_inserter(bytes));
  return bytes;
}

plasma::Allocation AllocationAccess::Make(const RawAllocation &raw) {
  plasma::Allocation allocation(reinterpret_cast<void *>(raw.address),
                                raw.size,
                                {raw.fd, raw.unique_fd_id},
                                raw.offset,
                                raw.device_num,
                                raw.mmap_size,
                                raw.fallback_allocated);
  allocation.number_ = raw.number;
  return allocation;
}

RawAllocation AllocationAccess::Raw(const plasma::Allocation &allocation) {
  RawAllocation raw;
  raw.address = reinterpret_cast<std::size_t>(allocation.address_);
  raw.size = allocation.size_;
  raw.fd = allocation.fd_.first;
  raw.unique_fd_id = allocation.fd_.second;
  raw.offset = allocation.offset_;
  raw.device_num = allocation.device_num_;
  raw.mmap_size = allocation.mmap_size_;
  raw.fallback_allocated = allocation.fallback_allocated_;
  raw.number = allocation.number_;
  return raw;
}

bool AllocatorFromCpp::allocate(std::size_t bytes, bool fallback, RawAllocation &out) const {
  const auto allocation =
      fallback ? allocator_.FallbackAllocate(bytes) : allocator_.Allocate(bytes);
  if (allocation.has_value()) {
    out = AllocationAccess::Raw(*allocation);
  }
  return allocation.has_value();
}

void AllocatorFromCpp::free(const RawAllocation &allocation) const {
  allocator_.Free(AllocationAccess::Make(allocation));
}

const std::uint8_t *OwnHandle(const plasma::IAllocator &allocator) {
  // Something derived from our allocator may do otherwise, and is called.
  return typeid(allocator) == typeid(plasma::PlasmaAllocator)
             ? reinterpret_cast<const std::uint8_t *>(
                   static_cast<const plasma::PlasmaAllocator &>(allocator).RustHandle())
             : nullptr;
}

// The same numbers stand in `ray-ffi/src/layout.rs`. The compiler's offsetof is exact for these types, which
// have a base class with a member; it warns because the standard does not promise it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
struct LayoutCheck {
  using Allocation = plasma::Allocation;
  using ObjectInfo = ray::ObjectInfo;
  using LocalObject = plasma::LocalObject;

  static_assert(sizeof(ray::ObjectID) == 36 && alignof(ray::ObjectID) == 1);
  static_assert(sizeof(MEMFD_TYPE) == 16);
  static_assert(sizeof(Allocation) == 64 && alignof(Allocation) == 8);
  static_assert(offsetof(Allocation, size_) == 8);
  static_assert(offsetof(Allocation, fd_) == 16);
  static_assert(offsetof(Allocation, offset_) == 32);
  static_assert(offsetof(Allocation, device_num_) == 40);
  static_assert(offsetof(Allocation, mmap_size_) == 48);
  static_assert(offsetof(Allocation, fallback_allocated_) == 56);
  static_assert(sizeof(ObjectInfo) == 168 && alignof(ObjectInfo) == 8);
  static_assert(offsetof(ObjectInfo, object_id) == 0);
  static_assert(offsetof(ObjectInfo, is_mutable) == 36);
  static_assert(offsetof(ObjectInfo, data_size) == 40);
  static_assert(offsetof(ObjectInfo, metadata_size) == 48);
  static_assert(sizeof(LocalObject) == 264 && alignof(LocalObject) == 8);
  static_assert(offsetof(LocalObject, allocation_) == 0);
  static_assert(offsetof(LocalObject, object_info_) == 64);
  static_assert(offsetof(LocalObject, ref_count_) == 232);
  static_assert(offsetof(LocalObject, create_time_) == 240);
  static_assert(offsetof(LocalObject, construct_duration_) == 248);
  static_assert(offsetof(LocalObject, state_) == 256);
  static_assert(offsetof(LocalObject, source_) == 260);
  using Header = ray::PlasmaObjectHeader;
  static_assert(sizeof(Header) == 96 && alignof(Header) == 8);
  static_assert(offsetof(Header, unique_name) == 4);
  static_assert(offsetof(Header, version) == 40);
  static_assert(offsetof(Header, is_sealed) == 48);
  static_assert(offsetof(Header, has_error) == 49);
  static_assert(offsetof(Header, num_readers) == 56);
  static_assert(offsetof(Header, num_read_acquires_remaining) == 64);
  static_assert(offsetof(Header, num_read_releases_remaining) == 72);
  static_assert(offsetof(Header, data_size) == 80);
  static_assert(offsetof(Header, metadata_size) == 88);
  using PlasmaObject = plasma::PlasmaObject;
  static_assert(sizeof(PlasmaObject) == 88 && alignof(PlasmaObject) == 8);
  static_assert(offsetof(PlasmaObject, header_offset) == 16);
  static_assert(offsetof(PlasmaObject, data_offset) == 24);
  static_assert(offsetof(PlasmaObject, metadata_offset) == 32);
  static_assert(offsetof(PlasmaObject, data_size) == 40);
  static_assert(offsetof(PlasmaObject, metadata_size) == 48);
  static_assert(offsetof(PlasmaObject, allocated_size) == 56);
  static_assert(offsetof(PlasmaObject, device_num) == 64);
  static_assert(offsetof(PlasmaObject, mmap_size) == 72);
  static_assert(offsetof(PlasmaObject, fallback_allocated) == 80);
  static_assert(offsetof(PlasmaObject, is_experimental_mutable_object) == 81);
};
#pragma GCC diagnostic pop

}  // namespace plasma_rs
