// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: allocations and objects. Their layout is Ray's, because callers have
// it inlined; what happens to them is decided in Rust.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "plasma_rs/handle.h"
#include "ray/common/id.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/plasma.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/util/compat.h"


namespace plasma {

using ray::NodeID;
using ray::ObjectID;
using ray::WorkerID;

/// Where an object can be found.
enum class ObjectLocation : int32_t { Local, Remote, Nonexistent };

/// Whether an object is still being written.
enum class ObjectState : int {
  PLASMA_CREATED = 1,
  PLASMA_SEALED = 2,
};

/// Ends the message about a request that makes no sense; tells of the one cause that users run into.
inline constexpr std::string_view kCorruptedRequestErrorMessage =
    "A likely cause is a fork in a worker or driver: both processes then write to the same socket of the "
    "plasma store. Do not fork there. See "
    "https://docs.ray.io/en/latest/ray-core/patterns/fork-new-processes.html";

/// A piece of allocated memory. It can be moved; it frees nothing by itself.
struct Allocation {
  /// First byte in this process.
  void *address_;
  /// Usable bytes.
  int64_t size_;
  /// The file in which the memory lies.
  MEMFD_TYPE fd_;
  /// Position of the first byte in the file.
  ptrdiff_t offset_;
  /// Always 0: main memory.
  int device_num_;
  /// Size of the mapping of the file, with the gap of malloc.h.
  int64_t mmap_size_;
  /// Whether the memory lies in a file of its own on disk.
  bool fallback_allocated_;
  /// Not Ray's: where our allocator looks for it first when it is freed. 0 when nothing is known of that; wrong numbers do no harm.
  std::uint32_t number_ = 0;

  Allocation(const Allocation &) = delete;
  Allocation &operator=(const Allocation &) = delete;
  Allocation(Allocation &&other) noexcept { CopyFrom(other); }
  Allocation &operator=(Allocation &&other) noexcept {
    CopyFrom(other);
    return *this;
  }

 private:
  /// Four times 16 bytes, at the same places in each move. Member by member a compiler reads 16 bytes together that the move before
  /// has just stored in two pieces, and the processor waits until both have left it: a fifth of a pair of calls of an allocator.
  void CopyFrom(const Allocation &other) noexcept {
    using Words = std::int64_t __attribute__((vector_size(16)));
    Words words[sizeof(Allocation) / sizeof(Words)];
    static_assert(sizeof words == sizeof(Allocation));
    std::memcpy(words, static_cast<const void *>(&other), sizeof words);
    std::memcpy(static_cast<void *>(this), words, sizeof words);
  }

  Allocation(void *address,
             int64_t size,
             MEMFD_TYPE fd,
             ptrdiff_t offset,
             int device_num,
             int64_t mmap_size,
             bool fallback_allocated)
      : address_(address),
        size_(size),
        fd_(std::move(fd)),
        offset_(offset),
        device_num_(device_num),
        mmap_size_(mmap_size),
        fallback_allocated_(fallback_allocated) {}

  /// For tests: no memory.
  Allocation() : Allocation(nullptr, 0, MEMFD_TYPE(), 0, 0, 0, false) {}

  friend struct plasma_rs::AllocationAccess;
  // GoogleTest gives the test TEST(Suite, Name) a class of the name Suite_Name_Test.
  friend class PlasmaAllocator;
  friend class DummyAllocator;
  friend struct ObjectLifecycleManagerTest;
  friend class ObjectStoreTest_PassThroughTest_Test;
  friend class EvictionPolicyTest_Test_Test;
  friend struct GetRequestQueueTest;
};

/// An object of the local store. A store keeps it at one address while it is unsealed or used; once it is neither, until it
/// goes or more than ten thousand other such objects were asked for after it.
class LocalObject {
 public:
  explicit LocalObject(Allocation allocation) : allocation_(std::move(allocation)) {}

  LocalObject(const LocalObject &) = delete;
  LocalObject &operator=(const LocalObject &) = delete;

  /// Bytes of header, data and metadata.
  int64_t GetObjectSize() const { return object_info_.GetObjectSize(); }

  bool Sealed() const { return state_ == ObjectState::PLASMA_SEALED; }

  int32_t GetRefCount() const { return ref_count_; }

  const ray::ObjectInfo &GetObjectInfo() const { return object_info_; }

  const Allocation &GetAllocation() const { return allocation_; }

  const plasma::flatbuf::ObjectSource &GetSource() const { return source_; }

  /// The header of a mutable object. Aborts for any other.
  ray::PlasmaObjectHeader *GetPlasmaObjectHeader() const {
    RAY_CHECK(object_info_.is_mutable) << "Object is not mutable";
    return static_cast<ray::PlasmaObjectHeader *>(allocation_.address_);
  }

  /// Describes the object to a client. \param check_sealed Whether it has to be sealed.
  void ToPlasmaObject(PlasmaObject *object, bool check_sealed) const {
    RAY_DCHECK(object != nullptr);
    RAY_DCHECK(!check_sealed || Sealed());
    const ptrdiff_t header_size =
        object_info_.is_mutable ? sizeof(ray::PlasmaObjectHeader) : 0;
    object->store_fd = allocation_.fd_;
    object->header_offset = allocation_.offset_;
    object->data_offset = allocation_.offset_ + header_size;
    object->metadata_offset = object->data_offset + object_info_.data_size;
    object->data_size = object_info_.data_size;
    object->metadata_size = object_info_.metadata_size;
    // What a channel holds may be smaller; these are the sizes that it was made with.
    object->allocated_size = object_info_.data_size + object_info_.metadata_size;
    object->device_num = allocation_.device_num_;
    object->mmap_size = allocation_.mmap_size_;
    object->fallback_allocated = allocation_.fallback_allocated_;
    object->is_experimental_mutable_object = object_info_.is_mutable;
  }

 private:
  friend struct plasma_rs::LayoutCheck;
  friend class ObjectStore;
  friend class ObjectLifecycleManager;
  friend class ObjectStoreTest_PassThroughTest_Test;
  friend struct ObjectLifecycleManagerTest;
  friend class ObjectLifecycleManagerTest_RemoveReferenceOneRefNotSealed_Test;
  friend struct ObjectStatsCollectorTest;
  friend class EvictionPolicyTest_Test_Test;
  friend struct GetRequestQueueTest;

  Allocation allocation_;
  ray::ObjectInfo object_info_;
  /// Clients that use the object.
  mutable int32_t ref_count_ = 0;
  /// Seconds since 1970.
  int64_t create_time_ = 0;
  /// Seconds from creation to sealing; -1 before.
  int64_t construct_duration_ = -1;
  ObjectState state_ = ObjectState::PLASMA_CREATED;
  plasma::flatbuf::ObjectSource source_ = plasma::flatbuf::ObjectSource::CreatedByWorker;
};

}  // namespace plasma
