// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What Rust calls in C++. Nothing here knows a type of Ray's: objects, ids and descriptions are addresses.
// None of these functions throws; an exception that reaches Rust ends the process.

#pragma once

#include <cstddef>
#include <cstdint>

#include "rust/cxx.h"

namespace plasma_rs {

struct AddedObject;
struct RawAllocation;

/// A plasma::IAllocator that is not ours.
class AllocatorHook {
 public:
  virtual ~AllocatorHook() = default;
  virtual bool allocate(std::size_t bytes, bool fallback, RawAllocation &out) const = 0;
  virtual void free(const RawAllocation &allocation) const = 0;
  virtual std::int64_t footprint_limit() const = 0;
  virtual std::int64_t allocated() const = 0;
  virtual std::int64_t fallback_allocated() const = 0;
};

/// The store, the policy and the counters of a lifecycle manager when they come from C++.
/// Addresses are those of ray::ObjectInfo, ray::ObjectID and plasma::LocalObject; ids in bulk are their
/// 28 bytes, one after the other.
class LifecycleHook {
 public:
  virtual ~LifecycleHook() = default;

  virtual const std::uint8_t *create_object(const std::uint8_t *info,
                                            std::int32_t source,
                                            bool fallback_allocate) const = 0;
  virtual const std::uint8_t *get_object(const std::uint8_t *id) const = 0;
  virtual const std::uint8_t *seal_object(const std::uint8_t *id) const = 0;
  virtual void delete_object(const std::uint8_t *id) const = 0;

  virtual void object_created(const std::uint8_t *id) const = 0;
  virtual std::int64_t require_space(std::int64_t size,
                                     rust::Vec<std::uint8_t> &ids) const = 0;
  virtual std::int64_t choose_objects_to_evict(std::int64_t bytes,
                                               rust::Vec<std::uint8_t> &ids) const = 0;
  virtual void begin_object_access(const std::uint8_t *id) const = 0;
  virtual void end_object_access(const std::uint8_t *id) const = 0;
  virtual void remove_object(const std::uint8_t *id) const = 0;
  virtual rust::String policy_debug_string() const = 0;

  virtual void on_object_created(const std::uint8_t *object) const = 0;
  virtual void on_object_sealed(const std::uint8_t *object) const = 0;
  virtual void on_object_deleting(const std::uint8_t *object) const = 0;
  virtual void on_object_ref_increased(const std::uint8_t *object) const = 0;
  virtual void on_object_ref_decreased(const std::uint8_t *object) const = 0;
};

/// A request that waits in a queue of creations.
class CreateHook {
 public:
  virtual ~CreateHook() = default;
  /// Tries to create the object. \param object Where the plasma::PlasmaObject goes. \return A PlasmaError.
  virtual std::int32_t create(bool fallback, std::uint8_t *object) const = 0;
};

/// What a queue of creations asks of the world around it.
class CreateQueueHook {
 public:
  virtual ~CreateQueueHook() = default;
  virtual bool disk_is_full() const = 0;
  /// Nanoseconds of any clock.
  virtual std::int64_t now() const = 0;
  virtual void collect_garbage() const = 0;
  /// \return Whether objects are being spilled.
  virtual bool spill() const = 0;
  /// Once for all requests of a round that found no disk space either.
  virtual void out_of_disk() const = 0;
};

/// A get that waits in a queue of gets.
class GetHook {
 public:
  virtual ~GetHook() = default;
};

/// Is shown gets.
class GetVisitor {
 public:
  virtual ~GetVisitor() = default;
  /// \param last Whether the object was the last that this get waited for.
  virtual void visit(const GetHook &get, bool last) const = 0;
};

/// What a store tells the world and asks it. Called from the store's threads, any of them at a time.
class PlasmaStoreHook {
 public:
  virtual ~PlasmaStoreHook() = default;
  virtual void object_created(std::int64_t size, std::int32_t source) const = 0;
  virtual void object_added(const AddedObject &object) const = 0;
  virtual void object_deleted(const std::uint8_t *id) const = 0;
  virtual bool spill_objects() const = 0;
  virtual void object_store_full() const = 0;
  virtual bool disk_is_full() const = 0;
};

/// The object of a channel, kept as long as the channel is known.
class ChannelObject {
 public:
  virtual ~ChannelObject() = default;
  /// Of the ray::PlasmaObjectHeader.
  virtual std::size_t header() const = 0;
  /// Of the first byte of the data.
  virtual std::size_t data() const = 0;
  /// Bytes for data and metadata.
  virtual std::size_t capacity() const = 0;
};

/// Is asked from time to time while a call waits.
class SignalCheck {
 public:
  virtual ~SignalCheck() = default;
  /// Milliseconds between two questions; 0 for none.
  virtual std::int64_t interval_ms() const = 0;
  /// Whether the wait is to end. The reason stays in C++.
  virtual bool wants_to_stop() const = 0;
};

/// Copy-constructs the ray::ObjectInfo at `from` to the unused memory at `to`.
void copy_object_info(const std::uint8_t *from, std::uint8_t *to);
/// Destroys the ray::ObjectInfo at `place`.
void destroy_object_info(std::uint8_t *place);
/// Whether two ray::ObjectInfos name the same owner.
bool is_same_owner(const std::uint8_t *one, const std::uint8_t *other);
/// What a ray::ObjectInfo says of its owner, as bytes.
rust::Vec<std::uint8_t> owner_bytes(const std::uint8_t *info);

/// Writes a line with RAY_LOG. Levels are those of RayLogLevel; FATAL (3) does not return.
void write_log(std::int32_t level, rust::Str message);
/// Whether lines of level DEBUG are written.
bool is_debug_logged();

}  // namespace plasma_rs
