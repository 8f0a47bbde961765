// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: which unused object goes first.

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plasma_rs/handle.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/object_store.h"
#include "ray/object_manager/plasma/plasma.h"

namespace plasma {

/// Chooses victims. Whoever asks for them evicts them. Not thread-safe.
class IEvictionPolicy {
 public:
  virtual ~IEvictionPolicy() = default;

  /// An object was created; until its first use it is unused.
  virtual void ObjectCreated(const ObjectID &object_id) = 0;

  /// Appends victims that make room for `size` bytes, a fifth of the capacity at least.
  /// \return The bytes that are still missing; zero or less when there is room then.
  virtual int64_t RequireSpace(int64_t size, std::vector<ObjectID> &objects_to_evict) = 0;

  /// An unused object is used from now on.
  virtual void BeginObjectAccess(const ObjectID &object_id) = 0;

  /// An object is no longer used.
  virtual void EndObjectAccess(const ObjectID &object_id) = 0;

  /// Appends victims of so many bytes together, or all. \return Their bytes.
  virtual int64_t ChooseObjectsToEvict(int64_t num_bytes_required,
                                       std::vector<ObjectID> &objects_to_evict) = 0;

  /// An object is about to be deleted.
  virtual void RemoveObject(const ObjectID &object_id) = 0;

  /// State for people to read.
  virtual std::string DebugString() const = 0;
};

/// Keys and sizes in the order in which they were added. Not thread-safe.
class LRUCache {
 public:
  /// \param size Capacity in bytes; it is reported, not enforced.
  LRUCache(const std::string &name, int64_t size);
  ~LRUCache();

  /// Aborts when the key is there.
  void Add(const ObjectID &key, int64_t size);

  /// \return The size of the key; -1 when it is not there.
  int64_t Remove(const ObjectID &key);

  /// Appends the oldest keys, until they have so many bytes; they stay. \return Their bytes.
  int64_t ChooseObjectsToEvict(int64_t num_bytes_required,
                               std::vector<ObjectID> &objects_to_evict);

  int64_t OriginalCapacity() const;
  int64_t Capacity() const;
  int64_t RemainingCapacity() const;
  void AdjustCapacity(int64_t delta);

  /// Calls `f` with each key, from the newest to the oldest.
  void Foreach(std::function<void(const ObjectID &)> f);

  bool Exists(const ObjectID &key) const;
  std::string DebugString() const;

 private:
  plasma_rs::Handle<plasma_rs::LruCacheHandle> handle_;
};

/// Evicts the object that was released longest ago. The store and the allocator outlive it.
class EvictionPolicy : public IEvictionPolicy {
 public:
  EvictionPolicy(const IObjectStore &object_store, const IAllocator &allocator);
  ~EvictionPolicy() override;

  void ObjectCreated(const ObjectID &object_id) override;
  int64_t RequireSpace(int64_t size, std::vector<ObjectID> &objects_to_evict) override;
  void BeginObjectAccess(const ObjectID &object_id) override;
  void EndObjectAccess(const ObjectID &object_id) override;
  int64_t ChooseObjectsToEvict(int64_t num_bytes_required,
                               std::vector<ObjectID> &objects_to_evict) override;
  void RemoveObject(const ObjectID &object_id) override;
  std::string DebugString() const override;

 private:
  friend class EvictionPolicyTest_Test_Test;

  /// Aborts when the store has no such object.
  int64_t GetObjectSize(const ObjectID &object_id) const;
  bool IsObjectExists(const ObjectID &object_id) const;

  plasma_rs::Handle<plasma_rs::EvictionPolicyHandle> handle_;
  const IObjectStore &object_store_;
  const IAllocator &allocator_;
};

}  // namespace plasma
