// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Between Ray's C++ types and what crosses the border.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "plasma_rs/hooks.h"
#include "ray-ffi/src/allocator.rs.h"
#include "ray/object_manager/plasma/allocator.h"
#include "ray/object_manager/plasma/common.h"

namespace plasma_rs {

template <typename T>
const std::uint8_t *AddressOf(const T &value) {
  return reinterpret_cast<const std::uint8_t *>(&value);
}

inline const plasma::LocalObject *ToLocalObject(const std::uint8_t *address) {
  return reinterpret_cast<const plasma::LocalObject *>(address);
}

inline const ray::ObjectID &ToObjectId(const std::uint8_t *address) {
  return *reinterpret_cast<const ray::ObjectID *>(address);
}

/// An id from its 28 bytes. It is new, so its hash is not computed yet, and the bytes may be set.
inline ray::ObjectID ObjectIdFrom(const std::uint8_t *bytes) {
  ray::ObjectID id;
  std::memcpy(const_cast<std::uint8_t *>(id.Data()), bytes, ray::ObjectID::Size());
  return id;
}

/// An id of another kind from its bytes.
template <typename Id>
Id IdFrom(const std::array<std::uint8_t, 28> &bytes) {
  return Id::FromBinary(std::string(bytes.begin(), bytes.end()));
}

/// Appends the ids behind the first `known` ones.
inline void AppendIds(const rust::Vec<std::uint8_t> &bytes,
                      std::size_t known,
                      std::vector<ray::ObjectID> &ids) {
  for (std::size_t at = known * ray::ObjectID::Size(); at < bytes.size();
       at += ray::ObjectID::Size()) {
    ids.push_back(ObjectIdFrom(bytes.data() + at));
  }
}

inline rust::Vec<std::uint8_t> BytesOf(const std::vector<ray::ObjectID> &ids) {
  rust::Vec<std::uint8_t> bytes;
  bytes.reserve(ids.size() * ray::ObjectID::Size());
  for (const auto &id : ids) {
    for (std::size_t i = 0; i < ray::ObjectID::Size(); i++) {
      bytes.push_back(id.Data()[i]);
    }
  }
  return bytes;
}

inline std::array<std::uint8_t, 28> ArrayOf(const ray::ObjectID &id) {
  std::array<std::uint8_t, 28> bytes;
  std::memcpy(bytes.data(), id.Data(), bytes.size());
  return bytes;
}

/// Makes allocations and reads them.
struct AllocationAccess {
  static plasma::Allocation Make(const RawAllocation &raw);
  static RawAllocation Raw(const plasma::Allocation &allocation);
  static std::optional<plasma::Allocation> Place(const plasma::Allocation &primary,
                                                 std::size_t address,
                                                 std::uint32_t number,
                                                 std::size_t bytes);
};

/// Calls an allocator from C++. The allocator outlives the hook.
class AllocatorFromCpp : public AllocatorHook {
 public:
  explicit AllocatorFromCpp(plasma::IAllocator &allocator) : allocator_(allocator) {}
  bool allocate(std::size_t bytes, bool fallback, RawAllocation &out) const override;
  void free(const RawAllocation &allocation) const override;
  std::int64_t footprint_limit() const override { return allocator_.GetFootprintLimit(); }
  std::int64_t allocated() const override { return allocator_.Allocated(); }
  std::int64_t fallback_allocated() const override { return allocator_.FallbackAllocated(); }

 private:
  plasma::IAllocator &allocator_;
};

/// The address of the handle behind an allocator when it is ours and not something derived from it; else null.
const std::uint8_t *OwnHandle(const plasma::IAllocator &allocator);

}  // namespace plasma_rs
