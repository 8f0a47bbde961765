// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Sets of resources: what is wanted, and what a node has.

#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "plasma_rs/scheduling/quantities.h"
#include "ray/common/scheduling/fixed_point.h"
#include "ray/common/scheduling/scheduling_ids.h"

#ifndef PLASMA_RS_STANDALONE
// Ray's files expect it from this header.
#include <boost/range/adaptor/map.hpp>
#endif

namespace ray {

using scheduling::ResourceID;

/// Amounts of resources, in the order of the resources' numbers. What is not in it is 0, and what becomes 0 is not in it any more.
class ResourceSet {
 public:
  using ResourceIdIterator = plasma_rs::ResourceIdRange<plasma_rs::Quantities::const_iterator>;

  static std::shared_ptr<ResourceSet> Nil() {
    static const auto nil = std::make_shared<ResourceSet>();
    return nil;
  }

  ResourceSet() = default;
  explicit ResourceSet(const plasma_rs::HashMap<std::string, FixedPoint> &resource_map);
  explicit ResourceSet(const plasma_rs::HashMap<std::string, double> &resource_map);
  explicit ResourceSet(const plasma_rs::HashMap<ResourceID, FixedPoint> &resource_map);
  explicit ResourceSet(const plasma_rs::HashMap<ResourceID, double> &resource_map);

  bool operator==(const ResourceSet &other) const { return resources_ == other.resources_; }
  bool operator!=(const ResourceSet &other) const { return !(*this == other); }
  /// Whether no amount is larger than the other's; what one has not counts as 0.
  bool operator<=(const ResourceSet &other) const { return resources_.IsAtMost(other.resources_); }
  bool operator>=(const ResourceSet &other) const { return other <= *this; }

  ResourceSet &operator+=(const ResourceSet &other) {
    resources_.Add(other.resources_, /*on_node=*/false);
    return *this;
  }
  ResourceSet &operator-=(const ResourceSet &other) {
    resources_.Subtract(other.resources_, /*on_node=*/false);
    return *this;
  }
  ResourceSet operator+(const ResourceSet &other) const { return ResourceSet(*this) += other; }
  ResourceSet operator-(const ResourceSet &other) const { return ResourceSet(*this) -= other; }

  /// The amount of a resource; 0 if it is not in the set.
  FixedPoint Get(ResourceID resource_id) const {
    const auto found = resources_.find(resource_id);
    return found == resources_.end() ? FixedPoint() : found->second;
  }
  /// Sets the amount of a resource; 0 removes it.
  ResourceSet &Set(ResourceID resource_id, FixedPoint value);
  bool Has(ResourceID resource_id) const { return resources_.contains(resource_id); }

  size_t Size() const { return resources_.size(); }
  bool IsEmpty() const { return resources_.empty(); }
  void Clear() { resources_.clear(); }

  /// The resources, as long as the set is not changed.
  ResourceIdIterator ResourceIds() const { return {resources_.begin(), resources_.end()}; }
  /// Resources and amounts, as `first` and `second`.
  const plasma_rs::Quantities &Resources() const { return resources_; }

  /// Names and units.
  plasma_rs::HashMap<std::string, double> GetResourceMap() const;
  std::unordered_map<std::string, double> GetResourceUnorderedMap() const;

  const std::string DebugString() const;

 private:
  plasma_rs::Quantities resources_;
};

/// Amounts of a node's resources. What is not in it is 1 for implicit resources and 0 for others.
class NodeResourceSet {
 public:
  using ResourceIdIterator = ResourceSet::ResourceIdIterator;

  NodeResourceSet() = default;
  explicit NodeResourceSet(const plasma_rs::HashMap<std::string, double> &resource_map);
  explicit NodeResourceSet(const plasma_rs::HashMap<ResourceID, double> &resource_map);
  explicit NodeResourceSet(const plasma_rs::HashMap<ResourceID, FixedPoint> &resource_map);

  NodeResourceSet &Set(ResourceID resource_id, FixedPoint value);
  FixedPoint Get(ResourceID resource_id) const;
  /// Whether the amount is not 0.
  bool Has(ResourceID resource_id) const { return Get(resource_id) != FixedPoint(); }

  NodeResourceSet &operator-=(const ResourceSet &other) {
    resources_.Subtract(other.Resources(), /*on_node=*/true);
    return *this;
  }
  /// Whether it has as much of each resource as `other` names.
  bool operator>=(const ResourceSet &other) const {
    return resources_.Covers(plasma_rs::Quantities(), other.Resources());
  }
  /// The same after `used` was taken away.
  bool CoversWithout(const ResourceSet &used, const ResourceSet &other) const {
    return resources_.Covers(used.Resources(), other.Resources());
  }
  bool operator==(const NodeResourceSet &other) const { return resources_ == other.resources_; }
  bool operator!=(const NodeResourceSet &other) const { return !(*this == other); }

  /// Gives resources with a negative amount their default.
  void RemoveNegative() { resources_.RemoveNegative(); }

  /// Names and units of what is not its default.
  plasma_rs::HashMap<std::string, double> GetResourceMap() const;

  /// The resources in it that are not implicit.
  std::set<ResourceID> ExplicitResourceIds() const;

  std::string DebugString() const;

 private:
  plasma_rs::Quantities resources_;
};

}  // namespace ray

namespace std {

template <>
struct hash<ray::ResourceSet> {
  size_t operator()(const ray::ResourceSet &set) const;
};

}  // namespace std
