// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/scheduling_ids.h"

#include "ray-ffi/common/src/scheduling/names.rs.h"
#include "ray/common/ray_config.h"
#include "ray/util/logging.h"

namespace ray {

StringIdMap::StringIdMap() : handle_(plasma_rs::name_table_new().into_raw()) {}

void StringIdMap::Deleter::operator()(plasma_rs::NameTableHandle *handle) const {
  rust::Box<plasma_rs::NameTableHandle>::from_raw(handle);
}

int64_t StringIdMap::Get(const std::string &string_id) const {
  return handle_->find(
      {reinterpret_cast<const std::uint8_t *>(string_id.data()), string_id.size()});
}

std::string StringIdMap::Get(uint64_t id) const {
  std::size_t length = 0;
  const std::uint8_t *name = handle_->name(static_cast<int64_t>(id), length);
  return name == nullptr ? "-1" : std::string(reinterpret_cast<const char *>(name), length);
}

int64_t StringIdMap::Insert(const std::string &string_id, uint8_t num_ids) {
  const int64_t known = Get(string_id);
  if (known != -1) {
    return known;
  }
  const auto hash = static_cast<int64_t>(std::hash<std::string>()(string_id));
  if (num_ids == 0) {
    return handle_->insert(string_id, hash);
  }
  std::string fault;
  const int64_t id = handle_->insert_bounded(string_id, hash, num_ids, fault);
  RAY_CHECK(fault.empty()) << fault;
  return id;
}

StringIdMap &StringIdMap::InsertOrDie(const std::string &string_id, int64_t id) {
  std::string fault;
  RAY_CHECK(handle_->insert_as(string_id, id, fault)) << fault;
  return *this;
}

int64_t StringIdMap::Count() { return static_cast<int64_t>(handle_->len()); }

// Ids are made and read also while a process ends, so the tables stay.
template <>
StringIdMap &BaseSchedulingID<SchedulingIDTag::Node>::GetMap() {
  static StringIdMap &map = *new StringIdMap(plasma_rs::name_table_of_nodes().into_raw());
  return map;
}

template <>
StringIdMap &BaseSchedulingID<SchedulingIDTag::Resource>::GetMap() {
  static StringIdMap &map = *new StringIdMap(plasma_rs::name_table_of_resources().into_raw());
  return map;
}

namespace scheduling {

bool UnitInstances::contains(int64_t resource) const {
  return plasma_rs::is_unit_instance(resource);
}

void UnitInstances::insert(int64_t resource) { plasma_rs::add_unit_instance(resource); }

void UnitInstances::clear() { plasma_rs::clear_unit_instances(); }

size_t UnitInstances::size() const { return plasma_rs::unit_instance_count(); }

UnitInstances &ResourceID::UnitInstanceResources() {
  static UnitInstances instances = [] {
    std::string fault;
    RAY_CHECK(plasma_rs::configure_unit_instances(
        RayConfig::instance().predefined_unit_instance_resources(),
        RayConfig::instance().custom_unit_instance_resources(),
        fault))
        << fault;
    return UnitInstances();
  }();
  return instances;
}

bool ResourceID::IsNamedImplicit() const { return plasma_rs::is_implicit_resource(id_); }

}  // namespace scheduling
}  // namespace ray
