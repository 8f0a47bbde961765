// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the life of an object.

#pragma once

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "plasma_rs/eager_deletions.h"
#include "plasma_rs/handle.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/eviction_policy.h"
#include "ray/object_manager/plasma/object_store.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/object_manager/plasma/stats_collector.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/container/flat_hash_set.h")
#include "absl/container/flat_hash_set.h"
#endif

namespace plasma_rs {
class LifecycleHook;
}  // namespace plasma_rs

namespace plasma {

/// Creates, seals, aborts and deletes objects, and counts who uses them. Not thread-safe.
class IObjectLifecycleManager {
 public:
  virtual ~IObjectLifecycleManager() = default;

  /// Creates an object; if there is no room, unused ones are evicted first.
  ///
  /// \param fallback_allocator Whether the object may lie in a file on disk when nothing else helps.
  /// \return The object and OK; null and ObjectExists or OutOfMemory.
  virtual std::pair<const LocalObject *, flatbuf::PlasmaError> CreateObject(
      const ray::ObjectInfo &object_info,
      plasma::flatbuf::ObjectSource source,
      bool fallback_allocator) = 0;

  /// \return The object, or null.
  virtual const LocalObject *GetObject(const ObjectID &object_id) const = 0;

  /// \return The object; null when there is none, or when it was sealed before.
  virtual const LocalObject *SealObject(const ObjectID &object_id) = 0;

  /// Gives up an object that is not sealed, whoever uses it.
  /// \return OK, ObjectNonexistent or ObjectSealed.
  virtual flatbuf::PlasmaError AbortObject(const ObjectID &object_id) = 0;

  /// Deletes a sealed object, at once or when its last user has gone.
  /// \return OK, ObjectNonexistent; ObjectNotSealed or ObjectInUse when it goes later.
  virtual flatbuf::PlasmaError DeleteObject(const ObjectID &object_id) = 0;

  /// \return Whether there is such an object.
  virtual bool AddReference(const ObjectID &object_id) = 0;

  /// \return Whether there was such a reference.
  virtual bool RemoveReference(const ObjectID &object_id) = 0;
};

/// The lifecycle of the objects in an allocator's memory, which outlives it. The callback is called once for
/// each sealed object that goes, before the call that made it go returns; it may call the manager.
class ObjectLifecycleManager : public IObjectLifecycleManager {
 public:
  ObjectLifecycleManager(IAllocator &allocator,
                         ray::DeleteObjectCallback delete_object_callback);
  ObjectLifecycleManager(ObjectLifecycleManager &&) noexcept;
  ~ObjectLifecycleManager() override;

  std::pair<const LocalObject *, flatbuf::PlasmaError> CreateObject(
      const ray::ObjectInfo &object_info,
      plasma::flatbuf::ObjectSource source,
      bool fallback_allocator) override;
  const LocalObject *GetObject(const ObjectID &object_id) const override;
  const LocalObject *SealObject(const ObjectID &object_id) override;
  flatbuf::PlasmaError AbortObject(const ObjectID &object_id) override;
  flatbuf::PlasmaError DeleteObject(const ObjectID &object_id) override;
  bool AddReference(const ObjectID &object_id) override;
  bool RemoveReference(const ObjectID &object_id) override;

  /// Evicts unused objects of so many bytes together, or all. \return Their bytes.
  int64_t RequireSpace(int64_t size);

  std::string EvictionPolicyDebugString() const;
  bool IsObjectSealed(const ObjectID &object_id) const;
  int64_t GetNumBytesInUse() const;
  int64_t GetNumObjectsCreatedTotal() const;
  int64_t GetNumBytesCreatedTotal() const;
  int64_t GetNumBytesUnsealed() const;
  int64_t GetNumObjectsUnsealed() const;
  void RecordMetrics() const;
  void GetDebugDump(std::stringstream &buffer) const;

 private:
  friend struct ObjectLifecycleManagerTest;
  friend struct ObjectStatsCollectorTest;
  friend class ObjectLifecycleManagerTest_DeleteFailure_Test;
  friend class ObjectLifecycleManagerTest_RemoveReferenceOneRefEagerlyDeletion_Test;
  friend struct GetRequestQueueTest;
  friend class GetRequestQueueTest_TestAddRequest_Test;

  /// For tests: over parts from C++.
  ObjectLifecycleManager(std::unique_ptr<IObjectStore> store,
                         std::unique_ptr<IEvictionPolicy> eviction_policy,
                         ray::DeleteObjectCallback delete_object_callback,
                         std::unique_ptr<ObjectStatsCollector> stats_collector);

  /// Deletes victims; aborts when one is not there, not sealed, or used.
  void EvictObjects(const std::vector<ObjectID> &object_ids);

  /// Tells of the objects that have gone.
  void NotifyDeleted();

  ray::DeleteObjectCallback delete_object_callback_;
  /// Parts from C++; over an allocator, views of the parts in Rust.
  std::unique_ptr<IObjectStore> object_store_;
  std::unique_ptr<IEvictionPolicy> eviction_policy_;
  std::unique_ptr<ObjectStatsCollector> stats_collector_;
  std::unique_ptr<plasma_rs::LifecycleHook> hook_;
  plasma_rs::Handle<plasma_rs::LifecycleHandle> handle_;
  plasma_rs::EagerDeletions earger_deletion_objects_;
};

}  // namespace plasma
