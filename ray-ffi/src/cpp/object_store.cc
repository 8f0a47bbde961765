// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/object_store.h"

#include "convert.h"
#include "ray-ffi/src/object_store.rs.h"

namespace plasma_rs {

void HandleDeleter::operator()(StoreHandle *handle) const {
  rust::Box<StoreHandle>::from_raw(handle);
}

std::size_t ObjectTable::size() const { return store_->len(); }

std::size_t ObjectTable::count(const ray::ObjectID &id) const {
  return store_->get_object(AddressOf(id)) != nullptr ? 1 : 0;
}

std::vector<ObjectTable::value_type> ObjectTable::All() const {
  std::vector<value_type> objects;
  for (const std::size_t address : store_->objects()) {
    const auto *object = reinterpret_cast<const plasma::LocalObject *>(address);
    objects.emplace_back(object->GetObjectInfo().object_id, object);
  }
  return objects;
}

namespace {

StoreHandle *NewStore(plasma::IAllocator &allocator) {
  const auto *own = OwnHandle(allocator);
  return (own != nullptr ? store_new(own)
                         : store_new_foreign(std::make_unique<AllocatorFromCpp>(allocator)))
      .into_raw();
}

}  // namespace
}  // namespace plasma_rs

namespace plasma {

using plasma_rs::AddressOf;
using plasma_rs::ToLocalObject;

ObjectStore::ObjectStore(IAllocator &allocator)
    : handle_(plasma_rs::NewStore(allocator)), object_table_(handle_.get()) {}

ObjectStore::ObjectStore(const plasma_rs::LifecycleHandle *manager)
    : handle_(plasma_rs::store_of_lifecycle(reinterpret_cast<const std::uint8_t *>(manager))
                  .into_raw()),
      object_table_(handle_.get()) {}

ObjectStore::~ObjectStore() = default;

const LocalObject *ObjectStore::CreateObject(const ray::ObjectInfo &object_info,
                                             plasma::flatbuf::ObjectSource source,
                                             bool fallback_allocate) {
  return ToLocalObject(handle_->create_object(
      AddressOf(object_info), static_cast<std::int32_t>(source), fallback_allocate));
}

const LocalObject *ObjectStore::GetObject(const ObjectID &object_id) const {
  return ToLocalObject(handle_->get_object(AddressOf(object_id)));
}

const LocalObject *ObjectStore::SealObject(const ObjectID &object_id) {
  return ToLocalObject(handle_->seal_object(AddressOf(object_id)));
}

bool ObjectStore::DeleteObject(const ObjectID &object_id) {
  return handle_->delete_object(AddressOf(object_id));
}

}  // namespace plasma
