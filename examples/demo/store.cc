// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "store.h"

#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "contents.h"

namespace demo {

using plasma::flatbuf::ObjectSource;
using plasma::flatbuf::PlasmaError;
using ray::ObjectID;

namespace {

constexpr int64_t kMetadataSize = 24;

ray::ObjectInfo InfoOf(const ObjectID &id, int64_t size) {
  ray::ObjectInfo info;
  info.object_id = id;
  info.data_size = size - kMetadataSize;
  info.metadata_size = kMetadataSize;
  return info;
}

}  // namespace

void Differs(const std::string &what) { throw std::runtime_error(what); }

void Expect(bool condition, const char *what) {
  if (!condition) {
    Differs(what);
  }
}

Store::Store(const std::string &plasma_directory,
             const std::string &fallback_directory,
             int64_t footprint_limit)
    : allocator_(plasma_directory, fallback_directory, /*hugepage_enabled=*/false, footprint_limit),
      manager_(allocator_, [this](const ObjectID &id) { OnDeleted(id); }) {}

void Store::OnDeleted(const ObjectID &id) {
  const auto known = objects_.find(id.Binary());
  Expect(known != objects_.end(), "the store told of an object that it did not have");
  events_.callbacks++;
  if (known->second.doomed) {
    events_.deleted++;
    unused_.remove(known->first);
  } else {
    Expect(!known->second.held, "an object was evicted that somebody used");
    Expect(!unused_.empty() && unused_.front() == known->first,
           "an object was evicted that was not the oldest");
    unused_.pop_front();
    events_.evicted++;
  }
  objects_.erase(known);
}

void Store::Put(int64_t size, bool hold, bool allow_fallback) {
  const auto id = ObjectID::FromRandom();
  const uint64_t seed = Mix(next_number_++);
  const auto [object, error] =
      manager_.CreateObject(InfoOf(id, size), ObjectSource::CreatedByWorker, allow_fallback);
  Expect(error == PlasmaError::OK && object != nullptr, "an object found no room");
  events_.created++;
  const bool fallback = object->GetAllocation().fallback_allocated_;
  events_.fallback += fallback;
  Expect(manager_.AddReference(id), "no reference to a new object");
  Fill(seed,
       static_cast<uint8_t *>(object->GetAllocation().address_),
       static_cast<size_t>(object->GetObjectSize()));
  Expect(manager_.SealObject(id) == object, "an object was not sealed");
  events_.sealed++;
  objects_[id.Binary()] = Known{seed, size, /*held=*/true, fallback, /*doomed=*/false};
  if (!hold) {
    Release(id);
  }
}

void Store::Release(const ObjectID &id) {
  auto &known = objects_.at(id.Binary());
  known.held = false;
  unused_.push_back(id.Binary());
  Expect(manager_.RemoveReference(id), "a reference was not there");
}

/// From 4 KiB to 4 MiB, each power of two as likely as the others, and hardly ever a round number.
int64_t Store::NextSize() {
  const double uniform = static_cast<double>(Mix(~next_number_) >> 11) * 0x1p-53;
  return static_cast<int64_t>(std::exp2(12 + 10 * uniform));
}

void Store::FillUpTo(int64_t bytes) {
  for (int64_t size = NextSize(); allocator_.Allocated() + size <= bytes; size = NextSize()) {
    Put(size, /*hold=*/false, /*allow_fallback=*/false);
  }
}

void Store::Replace(int64_t bytes) {
  while (bytes > 0) {
    const int64_t size = NextSize();
    Put(size, /*hold=*/false, /*allow_fallback=*/false);
    bytes -= size;
  }
}

void Store::Touch(int count) {
  for (int i = 0; i < count; i++) {
    const auto id = ObjectID::FromBinary(unused_.front());
    Expect(manager_.AddReference(id), "an unused object was not there");
    unused_.pop_front();
    Release(id);
  }
}

void Store::HoldAll() {
  while (!unused_.empty()) {
    Expect(manager_.AddReference(ObjectID::FromBinary(unused_.front())), "an object was not there");
    objects_.at(unused_.front()).held = true;
    unused_.pop_front();
  }
}

void Store::DeleteHalfThenRelease() {
  bool doom = false;
  std::vector<ObjectID> held;
  for (auto &[binary, known] : objects_) {
    if (!known.held) {
      continue;
    }
    const auto id = ObjectID::FromBinary(binary);
    held.push_back(id);
    if ((doom = !doom)) {
      Expect(manager_.DeleteObject(id) == PlasmaError::ObjectInUse, "an object was not in use");
      known.doomed = true;
    }
  }
  for (const auto &id : held) {
    Release(id);
  }
}

void Store::DeleteAll() {
  while (!objects_.empty()) {
    auto &[binary, known] = *objects_.begin();
    known.doomed = true;
    Expect(manager_.DeleteObject(ObjectID::FromBinary(binary)) == PlasmaError::OK,
           "an unused object was not deleted");
  }
}

void Store::Abort() {
  const auto id = ObjectID::FromRandom();
  const auto [object, error] = manager_.CreateObject(
      InfoOf(id, 1000), ObjectSource::CreatedByWorker, /*fallback_allocator=*/false);
  Expect(object != nullptr, "an object found no room");
  events_.created++;
  Expect(manager_.AbortObject(id) == PlasmaError::OK, "an unsealed object was not aborted");
  events_.aborted++;
}

void Store::Verify(Verifier &verifier) {
  int64_t bytes = 0;
  int64_t fallback_objects = 0;
  for (const auto &[binary, known] : objects_) {
    const auto *object = manager_.GetObject(ObjectID::FromBinary(binary));
    Expect(object != nullptr && object->Sealed(), "an object is not there");
    verifier.Describe(*object, known.seed);
    bytes += known.size;
    fallback_objects += known.fallback;
  }
  const auto report = verifier.Finish();
  Expect(report.wrong_words == 0, "the second process sees other bytes");
  Expect(report.objects == objects_.size() && report.bytes == static_cast<uint64_t>(bytes) &&
             report.fallback_objects == static_cast<uint64_t>(fallback_objects),
         "the second process saw other objects");
  events_.verified_objects += num_objects();
  events_.verified_bytes += bytes;
  CheckCounters();
}

void Store::CheckCounters() {
  int64_t bytes = 0;
  int64_t fallback_bytes = 0;
  for (const auto &[binary, known] : objects_) {
    bytes += known.size;
    fallback_bytes += known.fallback ? known.size : 0;
  }
  Expect(allocator_.Allocated() == bytes, "other bytes are allocated");
  Expect(allocator_.FallbackAllocated() == fallback_bytes, "other bytes are in files");
  Expect(allocator_.Allocated() - allocator_.FallbackAllocated() <= allocator_.GetFootprintLimit(),
         "the region holds more than its limit");
  Expect(manager_.GetNumObjectsCreatedTotal() == events_.created, "others were created");
  Expect(manager_.GetNumObjectsUnsealed() == 0, "an object is not sealed");
  Expect(events_.callbacks == events_.evicted + events_.deleted, "callbacks are missing");
  Expect(events_.sealed == events_.callbacks + num_objects(), "objects are missing");
}

void Store::ExpectEmpty() {
  CheckCounters();
  Expect(objects_.empty() && allocator_.Allocated() == 0, "something is left");
  auto whole = allocator_.Allocate(static_cast<size_t>(allocator_.GetFootprintLimit()));
  Expect(whole.has_value(), "the region is not one piece again");
  allocator_.Free(std::move(*whole));
}

}  // namespace demo
