// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The instances of a node's resources. The amounts are in C++, for Ray's code holds references to them; what is done with
// them is in Rust.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plasma_rs/scheduling/containers.h"
#include "ray/common/scheduling/fixed_point.h"
#include "ray/common/scheduling/resource_set.h"
#include "ray/common/scheduling/scheduling_ids.h"

namespace plasma_rs {

struct BundleIndexHandle;

/// The instances of each resource.
using InstanceMap = HashMap<ray::scheduling::ResourceID, std::vector<FixedPoint>>;

/// Which resources are bundles of placement groups. In Rust, and only if there are any.
class BundleIndex {
 public:
  BundleIndex() = default;
  BundleIndex(const BundleIndex &other);
  BundleIndex(BundleIndex &&other) noexcept = default;
  BundleIndex &operator=(BundleIndex other) noexcept {
    handle_ = std::move(other.handle_);
    return *this;
  }
  /// The index, made if there is none.
  BundleIndexHandle &Get();

 private:
  struct Deleter {
    void operator()(BundleIndexHandle *handle) const;
  };
  std::unique_ptr<BundleIndexHandle, Deleter> handle_;
};

/// How many instances an amount of a resource makes, each a whole thing. Ends the process if they are more than anybody has.
size_t CountUnitInstances(ray::scheduling::ResourceID resource, FixedPoint amount);

/// `{CPU: [20000], GPU: [10000, 0]}`
std::string InstancesToString(const InstanceMap &instances);

}  // namespace plasma_rs

namespace ray {

/// What a node has of each resource, instance by instance. An implicit resource that is not in it has one instance of 1.
class NodeResourceInstanceSet {
 public:
  NodeResourceInstanceSet() = default;

  /// The instances that a node's resources make: whole things one each, other resources one for all. A resource of less than one
  /// whole thing is left out.
  explicit NodeResourceInstanceSet(const NodeResourceSet &total);

  bool Has(ResourceID resource_id) const { return !Get(resource_id).empty(); }

  /// The instances of a resource; empty if there is none. As long as the set is not changed.
  const std::vector<FixedPoint> &Get(ResourceID resource_id) const;

  /// Gives a resource instances; it must have one.
  NodeResourceInstanceSet &Set(ResourceID resource_id, std::vector<FixedPoint> instances);

  void Remove(ResourceID resource_id);

  /// The sum over the instances of a resource.
  FixedPoint Sum(ResourceID resource_id) const { return FixedPoint::Sum(Get(resource_id)); }

  bool operator==(const NodeResourceInstanceSet &other) const {
    return resources_ == other.resources_;
  }

  std::string DebugString() const { return plasma_rs::InstancesToString(resources_); }

  /// Takes everything that is demanded, or nothing. Of a placement group the same instances are taken of the whole group and of a
  /// bundle: of the one that the demand names as well, or else of the lowest that has enough. Demands that contradict each other are
  /// refused.
  std::optional<plasma_rs::InstanceMap> TryAllocate(const ResourceSet &resource_demands);

  /// Gives back what an allocation took. There must be as many instances as before.
  void Free(ResourceID resource_id, const std::vector<FixedPoint> &allocation);

  /// Adds to the instances of a resource, and new instances if there are more amounts. Not for implicit resources.
  void Add(ResourceID resource_id, const std::vector<FixedPoint> &instances);

  /// Takes from each instance, of which there must be as many, and returns what was not there. If they may become negative,
  /// everything is there.
  std::vector<FixedPoint> Subtract(ResourceID resource_id,
                                   const std::vector<FixedPoint> &instances,
                                   bool allow_going_negative);

  /// The sums over the instances.
  NodeResourceSet ToNodeResourceSet() const;

  /// For tests.
  const plasma_rs::InstanceMap &Resources() const { return resources_; }

 private:
  plasma_rs::InstanceMap resources_;
  plasma_rs::BundleIndex bundles_;
};

}  // namespace ray
