// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: how many objects and bytes are in which state.

#pragma once

#include <cstdint>
#include <sstream>
#include <utility>

#include "plasma_rs/counters.h"
#include "plasma_rs/handle.h"
#include "ray/object_manager/plasma/common.h"

namespace plasma {

/// Is told of every change to an object. Not thread-safe. What Ray has as members are names for counters
/// that Rust keeps.
class ObjectStatsCollector {
 public:
  ObjectStatsCollector();
  /// Shows the counters inside a manager, which outlives this.
  explicit ObjectStatsCollector(const plasma_rs::LifecycleHandle *manager);
  virtual ~ObjectStatsCollector();

  ObjectStatsCollector(const ObjectStatsCollector &) = delete;
  ObjectStatsCollector &operator=(const ObjectStatsCollector &) = delete;

  /// After an object was created.
  virtual void OnObjectCreated(const LocalObject &object);
  /// After an object was sealed.
  virtual void OnObjectSealed(const LocalObject &object);
  /// Before an object is deleted.
  virtual void OnObjectDeleting(const LocalObject &object);
  /// After an object got one reference more.
  void OnObjectRefIncreased(const LocalObject &object);
  /// After an object got one reference less.
  void OnObjectRefDecreased(const LocalObject &object);

  /// Sets Ray's gauges of the bytes in the store.
  void RecordMetrics() const;
  /// Adds the size of a new object to Ray's histogram.
  static void RecordObjectSize(const LocalObject &object);
  /// Appends the counters as lines.
  void GetDebugDump(std::stringstream &buffer) const;

  int64_t GetNumBytesInUse() const;
  int64_t GetNumObjectsCreatedTotal() const;
  int64_t GetNumBytesCreatedTotal() const;
  int64_t GetNumBytesUnsealed() const;
  int64_t GetNumObjectsUnsealed() const;

 private:
  friend struct ObjectStatsCollectorTest;

  ObjectStatsCollector(plasma_rs::Handle<plasma_rs::StatsHandle> own,
                       const plasma_rs::Counters &counters);

  int64_t GetNumBytesCreatedCurrent() const;

  /// Empty when the counters are those of a manager.
  plasma_rs::Handle<plasma_rs::StatsHandle> handle_;
  const plasma_rs::Counters &counters_;

  const plasma_rs::BytesByLocation bytes_by_loc_seal_{counters_};
  const int64_t &num_objects_spillable_ = counters_.spillable.objects;
  const int64_t &num_bytes_spillable_ = counters_.spillable.bytes;
  const int64_t &num_objects_unsealed_ = counters_.unsealed.objects;
  const int64_t &num_bytes_unsealed_ = counters_.unsealed.bytes;
  const int64_t &num_objects_in_use_ = counters_.in_use.objects;
  const int64_t &num_bytes_in_use_ = counters_.in_use.bytes;
  const int64_t &num_objects_evictable_ = counters_.evictable.objects;
  const int64_t &num_bytes_evictable_ = counters_.evictable.bytes;
  const int64_t &num_objects_created_by_worker_ = counters_.created_by_worker.objects;
  const int64_t &num_bytes_created_by_worker_ = counters_.created_by_worker.bytes;
  const int64_t &num_objects_restored_ = counters_.restored.objects;
  const int64_t &num_bytes_restored_ = counters_.restored.bytes;
  const int64_t &num_objects_received_ = counters_.received.objects;
  const int64_t &num_bytes_received_ = counters_.received.bytes;
  const int64_t &num_objects_errored_ = counters_.errored.objects;
  const int64_t &num_bytes_errored_ = counters_.errored.bytes;
  const int64_t &num_objects_created_total_ = counters_.created_total.objects;
  const int64_t &num_bytes_created_total_ = counters_.created_total.bytes;
};

}  // namespace plasma
