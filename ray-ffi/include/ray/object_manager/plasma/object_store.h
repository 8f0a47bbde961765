// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the table of objects.

#pragma once

#include <memory>

#include "plasma_rs/handle.h"
#include "plasma_rs/object_table.h"
#include "ray/object_manager/plasma/allocator.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/plasma.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/container/flat_hash_map.h")
#include "absl/container/flat_hash_map.h"
#endif

namespace plasma {

/// Objects by id. Not thread-safe.
class IObjectStore {
 public:
  virtual ~IObjectStore() = default;

  /// Allocates an object. Aborts when there is one of this id.
  ///
  /// \return The object, unsealed and without references; null when there is no memory.
  virtual const LocalObject *CreateObject(const ray::ObjectInfo &object_info,
                                          plasma::flatbuf::ObjectSource source,
                                          bool fallback_allocate) = 0;

  /// \return The object, or null.
  virtual const LocalObject *GetObject(const ObjectID &object_id) const = 0;

  /// \return The object; null when there is none, or when it was sealed before.
  virtual const LocalObject *SealObject(const ObjectID &object_id) = 0;

  /// Frees an object, whatever its state. \return Whether there was one.
  virtual bool DeleteObject(const ObjectID &object_id) = 0;
};

/// Objects in the memory of an allocator, which outlives the store.
class ObjectStore : public IObjectStore {
 public:
  explicit ObjectStore(IAllocator &allocator);
  /// Shows the table inside a manager, which outlives this.
  explicit ObjectStore(const plasma_rs::LifecycleHandle *manager);
  ~ObjectStore() override;

  ObjectStore(const ObjectStore &) = delete;
  ObjectStore &operator=(const ObjectStore &) = delete;

  const LocalObject *CreateObject(const ray::ObjectInfo &object_info,
                                  plasma::flatbuf::ObjectSource source,
                                  bool fallback_allocate) override;
  const LocalObject *GetObject(const ObjectID &object_id) const override;
  const LocalObject *SealObject(const ObjectID &object_id) override;
  bool DeleteObject(const ObjectID &object_id) override;

 private:
  friend struct ObjectStatsCollectorTest;

  plasma_rs::Handle<plasma_rs::StoreHandle> handle_;
  plasma_rs::ObjectTable object_table_;
};

}  // namespace plasma
