// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/stats_collector.h"

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "convert.h"
#include "metrics.h"
#include "ray-ffi/src/lifecycle.rs.h"
#include "ray-ffi/src/stats_collector.rs.h"
#include "ray/common/metrics.h"
#include "ray/object_manager/metrics.h"
#include "ray/stats/tag_defs.h"

namespace plasma_rs {

void HandleDeleter::operator()(StatsHandle *handle) const {
  rust::Box<StatsHandle>::from_raw(handle);
}

namespace {

const Counters &CountersAt(const void *address) {
  return *static_cast<const Counters *>(address);
}

/// Of Ray's type, whatever the type of a key is.
using Tags =
    std::vector<std::pair<std::decay_t<decltype(ray::stats::SourceKey)>, std::string>>;

/// Made once, for every new object is recorded. Null when the source is none.
const Tags *TagsOf(plasma::flatbuf::ObjectSource source) {
  using plasma::flatbuf::ObjectSource;
  static const Tags all[] = {{{ray::stats::SourceKey, "CreatedByWorker"}},
                             {{ray::stats::SourceKey, "RestoredFromStorage"}},
                             {{ray::stats::SourceKey, "ReceivedFromRemoteRaylet"}},
                             {{ray::stats::SourceKey, "ErrorStoredByRaylet"}}};
  switch (source) {
  case ObjectSource::CreatedByWorker:
    return &all[0];
  case ObjectSource::RestoredFromStorage:
    return &all[1];
  case ObjectSource::ReceivedFromRemoteRaylet:
    return &all[2];
  case ObjectSource::ErrorStoredByRaylet:
    return &all[3];
  }
  return nullptr;
}

}  // namespace

void RecordObjectSize(std::int64_t size, plasma::flatbuf::ObjectSource source) {
  static ray::stats::Histogram histogram{ray::GetObjectStoreDistHistogramMetric()};
  if (const Tags *tags = TagsOf(source)) {
    histogram.Record(static_cast<double>(size), *tags);
  }
}

void RecordMemory(const Counters &counters) {
  static ray::stats::Gauge gauge{ray::GetObjectStoreMemoryGaugeMetric()};
  const BytesByLocation bytes(counters);
  for (const bool fallback_allocated : {false, true}) {
    for (const bool sealed : {true, false}) {
      const std::string location = fallback_allocated ? "MMAP_DISK" : "MMAP_SHM";
      const std::string state = sealed ? "SEALED" : "UNSEALED";
      gauge.Record(
          static_cast<double>(bytes.Get({fallback_allocated, sealed})),
          {{ray::stats::LocationKey, location}, {ray::stats::ObjectStateKey, state}});
    }
  }
}

}  // namespace plasma_rs

namespace plasma {

using plasma_rs::AddressOf;

ObjectStatsCollector::ObjectStatsCollector()
    : handle_(plasma_rs::stats_new().into_raw()),
      counters_(plasma_rs::CountersAt(handle_.get())) {}

ObjectStatsCollector::ObjectStatsCollector(const plasma_rs::LifecycleHandle *manager)
    : counters_(plasma_rs::CountersAt(manager->counters())) {}

ObjectStatsCollector::~ObjectStatsCollector() = default;

void ObjectStatsCollector::OnObjectCreated(const LocalObject &object) {
  handle_->on_object_created(AddressOf(object));
  RecordObjectSize(object);
}

void ObjectStatsCollector::OnObjectSealed(const LocalObject &object) {
  handle_->on_object_sealed(AddressOf(object));
}

void ObjectStatsCollector::OnObjectDeleting(const LocalObject &object) {
  handle_->on_object_deleting(AddressOf(object));
}

void ObjectStatsCollector::OnObjectRefIncreased(const LocalObject &object) {
  handle_->on_object_ref_increased(AddressOf(object));
}

void ObjectStatsCollector::OnObjectRefDecreased(const LocalObject &object) {
  handle_->on_object_ref_decreased(AddressOf(object));
}

void ObjectStatsCollector::RecordObjectSize(const LocalObject &object) {
  plasma_rs::RecordObjectSize(object.GetObjectSize(), object.GetSource());
}

void ObjectStatsCollector::RecordMetrics() const { plasma_rs::RecordMemory(counters_); }

void ObjectStatsCollector::GetDebugDump(std::stringstream &buffer) const {
  buffer << std::string(plasma_rs::stats_debug_dump(
      reinterpret_cast<const plasma_rs::StatsHandle &>(counters_)));
}

int64_t ObjectStatsCollector::GetNumBytesInUse() const { return num_bytes_in_use_; }

int64_t ObjectStatsCollector::GetNumObjectsCreatedTotal() const {
  return num_objects_created_total_;
}

int64_t ObjectStatsCollector::GetNumBytesCreatedTotal() const {
  return num_bytes_created_total_;
}

int64_t ObjectStatsCollector::GetNumBytesUnsealed() const { return num_bytes_unsealed_; }

int64_t ObjectStatsCollector::GetNumObjectsUnsealed() const { return num_objects_unsealed_; }

int64_t ObjectStatsCollector::GetNumBytesCreatedCurrent() const {
  return num_bytes_created_by_worker_ + num_bytes_restored_ + num_bytes_received_ +
         num_bytes_errored_;
}

}  // namespace plasma
