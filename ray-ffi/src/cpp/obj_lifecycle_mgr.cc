// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"

#include <array>

#include "convert.h"
#include "ray-ffi/src/lifecycle.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(LifecycleHandle *handle) const {
  rust::Box<LifecycleHandle>::from_raw(handle);
}

std::size_t EagerDeletions::size() const { return manager_->eager_deletions_len(); }

std::size_t EagerDeletions::count(const ray::ObjectID &id) const {
  return manager_->eager_deletions_contain(ArrayOf(id)) ? 1 : 0;
}

bool EagerDeletions::emplace(const ray::ObjectID &id) {
  return manager_->eager_deletions_insert(ArrayOf(id));
}

std::size_t EagerDeletions::erase(const ray::ObjectID &id) {
  return manager_->eager_deletions_remove(ArrayOf(id)) ? 1 : 0;
}

void EagerDeletions::clear() { manager_->eager_deletions_clear(); }

std::vector<ray::ObjectID> EagerDeletions::All() const {
  std::vector<ray::ObjectID> ids;
  AppendIds(manager_->eager_deletions_all(), 0, ids);
  return ids;
}

namespace {

/// Calls the parts that a test passed in; the manager's shell owns them.
class PartsFromCpp : public LifecycleHook {
 public:
  PartsFromCpp(plasma::IObjectStore &store,
               plasma::IEvictionPolicy &policy,
               plasma::ObjectStatsCollector &stats)
      : store_(store), policy_(policy), stats_(stats) {}

  const std::uint8_t *create_object(const std::uint8_t *info,
                                    std::int32_t source,
                                    bool fallback_allocate) const override {
    return Found(store_.CreateObject(*reinterpret_cast<const ray::ObjectInfo *>(info),
                                     static_cast<plasma::flatbuf::ObjectSource>(source),
                                     fallback_allocate));
  }
  const std::uint8_t *get_object(const std::uint8_t *id) const override {
    return Found(store_.GetObject(ToObjectId(id)));
  }
  const std::uint8_t *seal_object(const std::uint8_t *id) const override {
    return Found(store_.SealObject(ToObjectId(id)));
  }
  void delete_object(const std::uint8_t *id) const override {
    store_.DeleteObject(ToObjectId(id));
  }

  void object_created(const std::uint8_t *id) const override {
    policy_.ObjectCreated(ToObjectId(id));
  }
  std::int64_t require_space(std::int64_t size,
                             rust::Vec<std::uint8_t> &ids) const override {
    return Choose(ids, [&](auto &victims) { return policy_.RequireSpace(size, victims); });
  }
  std::int64_t choose_objects_to_evict(std::int64_t bytes,
                                       rust::Vec<std::uint8_t> &ids) const override {
    return Choose(
        ids, [&](auto &victims) { return policy_.ChooseObjectsToEvict(bytes, victims); });
  }
  void begin_object_access(const std::uint8_t *id) const override {
    policy_.BeginObjectAccess(ToObjectId(id));
  }
  void end_object_access(const std::uint8_t *id) const override {
    policy_.EndObjectAccess(ToObjectId(id));
  }
  void remove_object(const std::uint8_t *id) const override {
    policy_.RemoveObject(ToObjectId(id));
  }
  rust::String policy_debug_string() const override {
    return rust::String::lossy(policy_.DebugString());
  }

  void on_object_created(const std::uint8_t *object) const override {
    stats_.OnObjectCreated(*ToLocalObject(object));
  }
  void on_object_sealed(const std::uint8_t *object) const override {
    stats_.OnObjectSealed(*ToLocalObject(object));
  }
  void on_object_deleting(const std::uint8_t *object) const override {
    stats_.OnObjectDeleting(*ToLocalObject(object));
  }
  void on_object_ref_increased(const std::uint8_t *object) const override {
    stats_.OnObjectRefIncreased(*ToLocalObject(object));
  }
  void on_object_ref_decreased(const std::uint8_t *object) const override {
    stats_.OnObjectRefDecreased(*ToLocalObject(object));
  }

 private:
  static const std::uint8_t *Found(const plasma::LocalObject *object) {
    return reinterpret_cast<const std::uint8_t *>(object);
  }

  template <typename Chooser>
  static std::int64_t Choose(rust::Vec<std::uint8_t> &ids, Chooser choose) {
    std::vector<ray::ObjectID> victims;
    AppendIds(ids, 0, victims);
    const std::int64_t bytes = choose(victims);
    ids = BytesOf(victims);
    return bytes;
  }

  plasma::IObjectStore &store_;
  plasma::IEvictionPolicy &policy_;
  plasma::ObjectStatsCollector &stats_;
};

LifecycleHandle *NewLifecycle(plasma::IAllocator &allocator) {
  const auto *own = OwnHandle(allocator);
  return (own != nullptr ? lifecycle_new(own)
                         : lifecycle_new_foreign_allocator(
                               std::make_unique<AllocatorFromCpp>(allocator)))
      .into_raw();
}

}  // namespace
}  // namespace plasma_rs

namespace plasma {

using flatbuf::PlasmaError;
using plasma_rs::AddressOf;
using plasma_rs::Outcome;
using plasma_rs::ToLocalObject;

namespace {

bool Has(std::uint64_t outcome, Outcome what) {
  return (outcome & static_cast<std::uint64_t>(what)) != 0;
}

PlasmaError ErrorOf(std::uint64_t outcome) {
  return static_cast<PlasmaError>(outcome / static_cast<std::uint64_t>(Outcome::Error));
}

}  // namespace

ObjectLifecycleManager::ObjectLifecycleManager(
    IAllocator &allocator, ray::DeleteObjectCallback delete_object_callback)
    : delete_object_callback_(std::move(delete_object_callback)),
      handle_(plasma_rs::NewLifecycle(allocator)),
      earger_deletion_objects_(handle_.get()) {
  object_store_ = std::make_unique<ObjectStore>(handle_.get());
  stats_collector_ = std::make_unique<ObjectStatsCollector>(handle_.get());
}

ObjectLifecycleManager::ObjectLifecycleManager(
    std::unique_ptr<IObjectStore> store,
    std::unique_ptr<IEvictionPolicy> eviction_policy,
    ray::DeleteObjectCallback delete_object_callback,
    std::unique_ptr<ObjectStatsCollector> stats_collector)
    : delete_object_callback_(std::move(delete_object_callback)),
      object_store_(std::move(store)),
      eviction_policy_(std::move(eviction_policy)),
      stats_collector_(std::move(stats_collector)),
      hook_(std::make_unique<plasma_rs::PartsFromCpp>(
          *object_store_, *eviction_policy_, *stats_collector_)),
      handle_(plasma_rs::lifecycle_new_foreign(hook_.get()).into_raw()),
      earger_deletion_objects_(handle_.get()) {}

ObjectLifecycleManager::ObjectLifecycleManager(ObjectLifecycleManager &&) noexcept = default;

ObjectLifecycleManager::~ObjectLifecycleManager() = default;

std::pair<const LocalObject *, PlasmaError> ObjectLifecycleManager::CreateObject(
    const ray::ObjectInfo &object_info,
    plasma::flatbuf::ObjectSource source,
    bool fallback_allocator) {
  const auto created = handle_->create_object(
      AddressOf(object_info), static_cast<std::int32_t>(source), fallback_allocator);
  const auto *object = ToLocalObject(created.object);
  if (object != nullptr && hook_ == nullptr) {
    ObjectStatsCollector::RecordObjectSize(*object);
  }
  if (Has(created.outcome, Outcome::OthersGone)) {
    NotifyDeleted();
  }
  return {object, ErrorOf(created.outcome)};
}

const LocalObject *ObjectLifecycleManager::GetObject(const ObjectID &object_id) const {
  return ToLocalObject(handle_->get_object(AddressOf(object_id)));
}

const LocalObject *ObjectLifecycleManager::SealObject(const ObjectID &object_id) {
  return ToLocalObject(handle_->seal_object(AddressOf(object_id)));
}

PlasmaError ObjectLifecycleManager::AbortObject(const ObjectID &object_id) {
  return static_cast<PlasmaError>(handle_->abort_object(AddressOf(object_id)));
}

PlasmaError ObjectLifecycleManager::DeleteObject(const ObjectID &object_id) {
  // What is passed may lie in the object.
  const ObjectID id = object_id;
  const auto outcome = handle_->delete_object(AddressOf(object_id));
  if (Has(outcome, Outcome::Itself)) {
    delete_object_callback_(id);
  }
  if (Has(outcome, Outcome::OthersGone)) {
    NotifyDeleted();
  }
  return ErrorOf(outcome);
}

bool ObjectLifecycleManager::AddReference(const ObjectID &object_id) {
  return handle_->add_reference(AddressOf(object_id));
}

bool ObjectLifecycleManager::RemoveReference(const ObjectID &object_id) {
  const auto outcome = handle_->remove_reference(AddressOf(object_id));
  if (Has(outcome, Outcome::OthersGone)) {
    NotifyDeleted();
  }
  return Has(outcome, Outcome::Itself);
}

int64_t ObjectLifecycleManager::RequireSpace(int64_t size) {
  // Those that go first are told of while what was fetched of them is still near.
  constexpr std::size_t kAtOnce = 1024;
  int64_t freed = 0;
  bool more = true;
  while (more) {
    const auto some = handle_->require_space(size - freed, kAtOnce);
    freed += some.bytes;
    more = some.more;
    NotifyDeleted();
  }
  return freed;
}

void ObjectLifecycleManager::EvictObjects(const std::vector<ObjectID> &object_ids) {
  const auto ids = plasma_rs::BytesOf(object_ids);
  handle_->evict_objects({ids.data(), ids.size()});
  NotifyDeleted();
}

void ObjectLifecycleManager::NotifyDeleted() {
  constexpr std::size_t kAtOnce = 64;
  std::array<std::uint8_t, kAtOnce * sizeof(ObjectID)> ids;
  std::size_t count = kAtOnce;
  while (count == kAtOnce) {
    count = handle_->next_deleted(ids.data(), kAtOnce);
    for (std::size_t i = 0; i < count; i++) {
      delete_object_callback_(plasma_rs::ToObjectId(ids.data() + i * sizeof(ObjectID)));
    }
  }
}

std::string ObjectLifecycleManager::EvictionPolicyDebugString() const {
  return std::string(handle_->policy_debug_string());
}

bool ObjectLifecycleManager::IsObjectSealed(const ObjectID &object_id) const {
  return handle_->is_object_sealed(AddressOf(object_id));
}

int64_t ObjectLifecycleManager::GetNumBytesInUse() const {
  return stats_collector_->GetNumBytesInUse();
}

int64_t ObjectLifecycleManager::GetNumObjectsCreatedTotal() const {
  return stats_collector_->GetNumObjectsCreatedTotal();
}

int64_t ObjectLifecycleManager::GetNumBytesCreatedTotal() const {
  return stats_collector_->GetNumBytesCreatedTotal();
}

int64_t ObjectLifecycleManager::GetNumBytesUnsealed() const {
  return stats_collector_->GetNumBytesUnsealed();
}

int64_t ObjectLifecycleManager::GetNumObjectsUnsealed() const {
  return stats_collector_->GetNumObjectsUnsealed();
}

void ObjectLifecycleManager::RecordMetrics() const { stats_collector_->RecordMetrics(); }

void ObjectLifecycleManager::GetDebugDump(std::stringstream &buffer) const {
  stats_collector_->GetDebugDump(buffer);
}

}  // namespace plasma
