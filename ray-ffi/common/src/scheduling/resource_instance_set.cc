// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/resource_instance_set.h"

#include <sstream>
#include <utility>

#include "border.h"
#include "ray-ffi/common/src/scheduling/instances.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void BundleIndex::Deleter::operator()(BundleIndexHandle *handle) const {
  rust::Box<BundleIndexHandle>::from_raw(handle);
}

BundleIndex::BundleIndex(const BundleIndex &other)
    : handle_(other.handle_ ? other.handle_->copy().into_raw() : nullptr) {}

BundleIndexHandle &BundleIndex::Get() {
  if (!handle_) {
    handle_.reset(bundle_index_new().into_raw());
  }
  return *handle_;
}

std::size_t CountUnitInstances(ray::ResourceID resource, FixedPoint amount) {
  std::string fault;
  std::size_t count = 0;
  RAY_CHECK(unit_instances_in(resource.ToInt(), RawAmount(amount), count, fault)) << fault;
  return count;
}

std::string InstancesToString(const InstanceMap &instances) {
  std::ostringstream text;
  const char *separator = "{";
  for (const auto &[resource, amounts] : instances) {
    text << separator << resource.Binary() << ": " << FixedPointVectorToString(amounts);
    separator = ", ";
  }
  return instances.empty() ? "{}" : text.str() + "}";
}

}  // namespace plasma_rs

namespace ray {

using plasma_rs::RawAmounts;

namespace {

std::uint8_t *AddressOf(plasma_rs::InstanceMap &map) {
  return reinterpret_cast<std::uint8_t *>(&map);
}

}  // namespace

NodeResourceInstanceSet::NodeResourceInstanceSet(const NodeResourceSet &total) {
  for (const ResourceID &resource_id : total.ExplicitResourceIds()) {
    const FixedPoint amount = total.Get(resource_id);
    if (!resource_id.IsUnitInstanceResource()) {
      Set(resource_id, {amount});
    } else if (const size_t count = plasma_rs::CountUnitInstances(resource_id, amount)) {
      Set(resource_id, std::vector<FixedPoint>(count, FixedPoint(1)));
    }
  }
}

const std::vector<FixedPoint> &NodeResourceInstanceSet::Get(ResourceID resource_id) const {
  static const std::vector<FixedPoint> none;
  static const std::vector<FixedPoint> implicit{FixedPoint(1)};
  const auto found = resources_.find(resource_id);
  return found != resources_.end()          ? found->second
         : resource_id.IsImplicitResource() ? implicit
                                            : none;
}

NodeResourceInstanceSet &NodeResourceInstanceSet::Set(ResourceID resource_id,
                                                      std::vector<FixedPoint> instances) {
  std::string fault;
  RAY_CHECK(bundles_.Get().set(AddressOf(resources_),
                               resource_id.ToInt(),
                               RawAmounts(instances),
                               instances.size(),
                               fault))
      << fault;
  return *this;
}

void NodeResourceInstanceSet::Remove(ResourceID resource_id) {
  bundles_.Get().remove(AddressOf(resources_), resource_id.ToInt());
}

std::optional<plasma_rs::InstanceMap> NodeResourceInstanceSet::TryAllocate(
    const ResourceSet &resource_demands) {
  plasma_rs::InstanceMap taken;
  std::string fault;
  const auto &demands = resource_demands.Resources();
  if (bundles_.Get().try_allocate(AddressOf(resources_),
                                  plasma_rs::Entries(demands),
                                  demands.size(),
                                  AddressOf(taken),
                                  fault)) {
    return taken;
  }
  if (!fault.empty()) {
    RAY_LOG(WARNING) << "Cannot allocate " << resource_demands.DebugString() << ": " << fault;
  }
  return std::nullopt;
}

void NodeResourceInstanceSet::Free(ResourceID resource_id,
                                   const std::vector<FixedPoint> &allocation) {
  if (&allocation == &Get(resource_id)) {
    return Free(resource_id, std::vector<FixedPoint>(allocation));
  }
  std::string fault;
  RAY_CHECK(bundles_.Get().free_instances(AddressOf(resources_),
                                          resource_id.ToInt(),
                                          RawAmounts(allocation),
                                          allocation.size(),
                                          fault))
      << fault;
}

void NodeResourceInstanceSet::Add(ResourceID resource_id,
                                  const std::vector<FixedPoint> &instances) {
  if (&instances == &Get(resource_id)) {
    return Add(resource_id, std::vector<FixedPoint>(instances));
  }
  std::string fault;
  RAY_CHECK(bundles_.Get().add(AddressOf(resources_),
                               resource_id.ToInt(),
                               RawAmounts(instances),
                               instances.size(),
                               fault))
      << fault;
}

std::vector<FixedPoint> NodeResourceInstanceSet::Subtract(
    ResourceID resource_id,
    const std::vector<FixedPoint> &instances,
    bool allow_going_negative) {
  if (&instances == &Get(resource_id)) {
    return Subtract(resource_id, std::vector<FixedPoint>(instances), allow_going_negative);
  }
  std::string fault;
  std::vector<FixedPoint> missing(instances.size());
  RAY_CHECK(bundles_.Get().subtract(AddressOf(resources_),
                                    resource_id.ToInt(),
                                    RawAmounts(instances),
                                    instances.size(),
                                    allow_going_negative,
                                    RawAmounts(missing),
                                    fault))
      << fault;
  return missing;
}

NodeResourceSet NodeResourceInstanceSet::ToNodeResourceSet() const {
  NodeResourceSet sums;
  for (const auto &[resource_id, instances] : resources_) {
    sums.Set(resource_id, FixedPoint::Sum(instances));
  }
  return sums;
}

}  // namespace ray
