// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/eviction_policy.h"

#include "convert.h"
#include "ray-ffi/src/eviction_policy.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(LruCacheHandle *handle) const {
  rust::Box<LruCacheHandle>::from_raw(handle);
}

void HandleDeleter::operator()(EvictionPolicyHandle *handle) const {
  rust::Box<EvictionPolicyHandle>::from_raw(handle);
}

}  // namespace plasma_rs

namespace plasma {

using plasma_rs::AddressOf;

LRUCache::LRUCache(const std::string &name, int64_t size)
    : handle_(plasma_rs::lru_cache_new(name, size).into_raw()) {}

LRUCache::~LRUCache() = default;

void LRUCache::Add(const ObjectID &key, int64_t size) { handle_->add(AddressOf(key), size); }

int64_t LRUCache::Remove(const ObjectID &key) { return handle_->remove(AddressOf(key)); }

int64_t LRUCache::ChooseObjectsToEvict(int64_t num_bytes_required,
                                       std::vector<ObjectID> &objects_to_evict) {
  rust::Vec<std::uint8_t> ids;
  const auto bytes = handle_->choose_objects_to_evict(num_bytes_required, ids);
  plasma_rs::AppendIds(ids, 0, objects_to_evict);
  return bytes;
}

int64_t LRUCache::OriginalCapacity() const { return handle_->original_capacity(); }

int64_t LRUCache::Capacity() const { return handle_->capacity(); }

int64_t LRUCache::RemainingCapacity() const { return handle_->remaining_capacity(); }

void LRUCache::AdjustCapacity(int64_t delta) { handle_->adjust_capacity(delta); }

void LRUCache::Foreach(std::function<void(const ObjectID &)> f) {
  std::vector<ObjectID> keys;
  plasma_rs::AppendIds(handle_->all(), 0, keys);
  for (const auto &key : keys) {
    f(key);
  }
}

bool LRUCache::Exists(const ObjectID &key) const { return handle_->exists(AddressOf(key)); }

std::string LRUCache::DebugString() const { return std::string(handle_->debug_string()); }

EvictionPolicy::EvictionPolicy(const IObjectStore &object_store, const IAllocator &allocator)
    : handle_(plasma_rs::eviction_policy_new(allocator.GetFootprintLimit()).into_raw()),
      object_store_(object_store),
      allocator_(allocator) {}

EvictionPolicy::~EvictionPolicy() = default;

void EvictionPolicy::ObjectCreated(const ObjectID &object_id) {
  handle_->object_created(AddressOf(object_id), GetObjectSize(object_id));
}

int64_t EvictionPolicy::RequireSpace(int64_t size, std::vector<ObjectID> &objects_to_evict) {
  const std::size_t known = objects_to_evict.size();
  auto ids = plasma_rs::BytesOf(objects_to_evict);
  const auto missing = handle_->require_space(
      size, allocator_.Allocated(), allocator_.GetFootprintLimit(), ids);
  plasma_rs::AppendIds(ids, known, objects_to_evict);
  return missing;
}

void EvictionPolicy::BeginObjectAccess(const ObjectID &object_id) {
  handle_->begin_object_access(AddressOf(object_id), GetObjectSize(object_id));
}

void EvictionPolicy::EndObjectAccess(const ObjectID &object_id) {
  handle_->end_object_access(AddressOf(object_id), GetObjectSize(object_id));
}

int64_t EvictionPolicy::ChooseObjectsToEvict(int64_t num_bytes_required,
                                             std::vector<ObjectID> &objects_to_evict) {
  const std::size_t known = objects_to_evict.size();
  auto ids = plasma_rs::BytesOf(objects_to_evict);
  const auto bytes = handle_->choose_objects_to_evict(num_bytes_required, ids);
  plasma_rs::AppendIds(ids, known, objects_to_evict);
  return bytes;
}

void EvictionPolicy::RemoveObject(const ObjectID &object_id) {
  handle_->remove_object(AddressOf(object_id));
}

int64_t EvictionPolicy::GetObjectSize(const ObjectID &object_id) const {
  const auto *object = object_store_.GetObject(object_id);
  RAY_CHECK(object != nullptr) << object_id << " is not in the store";
  return object->GetObjectSize();
}

bool EvictionPolicy::IsObjectExists(const ObjectID &object_id) const {
  return handle_->is_object_exists(AddressOf(object_id));
}

std::string EvictionPolicy::DebugString() const {
  return std::string(handle_->debug_string());
}

}  // namespace plasma
