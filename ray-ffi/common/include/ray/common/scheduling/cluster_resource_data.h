// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What tasks ask for and what nodes have.

#pragma once

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plasma_rs/scheduling/containers.h"
#include "ray/common/scheduling/fixed_point.h"
#include "ray/common/scheduling/label_selector.h"
#include "ray/common/scheduling/resource_instance_set.h"
#include "ray/common/scheduling/resource_set.h"
#include "ray/common/scheduling/scheduling_ids.h"
#include "ray/util/logging.h"

namespace ray {

using scheduling::ResourceID;

/// Resources, and on which nodes. Sums and comparisons are of the resources only.
class ResourceRequest {
 public:
  ResourceRequest() = default;
  explicit ResourceRequest(plasma_rs::HashMap<ResourceID, FixedPoint> resource_map)
      : ResourceRequest(std::move(resource_map), false) {}
  ResourceRequest(plasma_rs::HashMap<ResourceID, FixedPoint> resource_map,
                  bool requires_object_store_memory)
      : ResourceRequest(std::move(resource_map), requires_object_store_memory, LabelSelector()) {}
  ResourceRequest(plasma_rs::HashMap<ResourceID, FixedPoint> resource_map,
                  bool requires_object_store_memory,
                  LabelSelector label_selector)
      : resources_(resource_map),
        requires_object_store_memory_(requires_object_store_memory),
        label_selector_(std::move(label_selector)) {}

  /// Whether arguments have to be brought into the object store first.
  bool RequiresObjectStoreMemory() const { return requires_object_store_memory_; }
  const ResourceSet &GetResourceSet() const { return resources_; }
  const LabelSelector &GetLabelSelector() const { return label_selector_; }
  void SetLabelSelector(LabelSelector label_selector) {
    label_selector_ = std::move(label_selector);
  }

  FixedPoint Get(ResourceID resource_id) const { return resources_.Get(resource_id); }
  void Set(ResourceID resource_id, FixedPoint value) { resources_.Set(resource_id, value); }
  bool Has(ResourceID resource_id) const { return resources_.Has(resource_id); }
  ResourceSet::ResourceIdIterator ResourceIds() const { return resources_.ResourceIds(); }
  plasma_rs::HashMap<std::string, double> ToResourceMap() const {
    return resources_.GetResourceMap();
  }
  size_t Size() const { return resources_.Size(); }
  bool IsEmpty() const { return resources_.IsEmpty(); }
  void Clear() { resources_.Clear(); }

  bool operator==(const ResourceRequest &other) const { return resources_ == other.resources_; }
  bool operator!=(const ResourceRequest &other) const { return resources_ != other.resources_; }
  bool operator<=(const ResourceRequest &other) const { return resources_ <= other.resources_; }
  bool operator>=(const ResourceRequest &other) const { return resources_ >= other.resources_; }
  ResourceRequest &operator+=(const ResourceRequest &other) {
    resources_ += other.resources_;
    return *this;
  }
  ResourceRequest &operator-=(const ResourceRequest &other) {
    resources_ -= other.resources_;
    return *this;
  }
  ResourceRequest operator+(const ResourceRequest &other) const {
    return ResourceRequest(*this) += other;
  }
  ResourceRequest operator-(const ResourceRequest &other) const {
    return ResourceRequest(*this) -= other;
  }

  std::string DebugString() const { return resources_.DebugString(); }

 private:
  ResourceSet resources_;
  bool requires_object_store_memory_ = false;
  LabelSelector label_selector_;
};

/// What a task got of each resource, instance by instance. Amounts of 0 stay, for they tell how many instances there are.
class TaskResourceInstances {
 public:
  using ResourceIdIterator = plasma_rs::ResourceIdRange<plasma_rs::InstanceMap::const_iterator>;

  TaskResourceInstances() = default;
  /// The instances that resources make: whole things one each, other resources one for all.
  explicit TaskResourceInstances(const ResourceSet &resources);
  explicit TaskResourceInstances(plasma_rs::InstanceMap resources)
      : resources_(std::move(resources)) {}

  /// The instances of a resource, which must be there.
  const std::vector<FixedPoint> &Get(const ResourceID resource_id) const {
    const auto found = resources_.find(resource_id);
    RAY_CHECK(found != resources_.end()) << "No instances of " << resource_id;
    return found->second;
  }
  std::vector<FixedPoint> &GetMutable(const ResourceID resource_id) {
    const auto found = resources_.find(resource_id);
    RAY_CHECK(found != resources_.end()) << "No instances of " << resource_id;
    return found->second;
  }
  /// The same in units.
  std::vector<double> GetDouble(const ResourceID resource_id) const {
    return FixedPointVectorToDouble(Get(resource_id));
  }
  /// The sum over the instances; 0 if the resource is not there.
  FixedPoint Sum(const ResourceID resource_id) const {
    return Has(resource_id) ? FixedPoint::Sum(Get(resource_id)) : FixedPoint();
  }
  bool Has(ResourceID resource_id) const {
    return plasma_rs::Contains(resources_, resource_id);
  }
  /// Gives a resource instances; none removes it.
  TaskResourceInstances &Set(const ResourceID resource_id,
                             const std::vector<FixedPoint> &instances) {
    if (instances.empty()) {
      Remove(resource_id);
    } else {
      resources_[resource_id] = instances;
    }
    return *this;
  }
  void Remove(ResourceID resource_id) { resources_.erase(resource_id); }

  /// The resources, as long as none is added or removed.
  ResourceIdIterator ResourceIds() const { return {resources_.begin(), resources_.end()}; }
  size_t Size() const { return resources_.size(); }
  bool IsEmpty() const { return resources_.empty(); }

  bool operator==(const TaskResourceInstances &other) const {
    return resources_ == other.resources_;
  }

  /// The sums over the instances.
  ResourceSet ToResourceSet() const;

  [[nodiscard]] std::string DebugString() const {
    return plasma_rs::InstancesToString(resources_);
  }
  /// The predefined resources: `{"CPU":20000,"GPU":[10000, 10000]}`.
  std::string SerializeAsJson() const;

 private:
  plasma_rs::InstanceMap resources_;
};

/// What a node has in all, what is free of it, and what else is known of it.
class NodeResources {
 public:
  NodeResources() = default;
  explicit NodeResources(const NodeResourceSet &resources)
      : total(resources), available(resources) {}

  NodeResourceSet total;
  NodeResourceSet available;
  ResourceSet load;
  /// What ordinary tasks use; it still counts as free in `available`.
  ResourceSet normal_task_resources;
  plasma_rs::HashMap<std::string, std::string> labels;
  int64_t idle_resource_duration_ms = 0;
  bool is_draining = false;
  /// When it will be killed if it is draining, in milliseconds since 1970; 0 for no such time.
  int64_t draining_deadline_timestamp_ms = -1;
  std::optional<plasma_rs::Time> last_resource_update_time;
  int64_t latest_resources_normal_task_timestamp = 0;
  bool object_pulls_queued = false;

  /// The used part, from 0 to 1, of processors, memory or the object store, whichever is used most.
  float CalculateCriticalResourceUtilization() const;
  /// Whether a request fits now, by the sums over the instances. `ignore_at_capacity` lets it in although objects wait for space.
  bool IsAvailable(const ResourceRequest &resource_request, bool ignore_at_capacity = false) const;
  /// Whether it would fit if nothing else ran.
  bool IsFeasible(const ResourceRequest &resource_request) const;
  /// Whether the labels meet all constraints of a selector.
  bool HasRequiredLabels(const LabelSelector &label_selector) const {
    for (const LabelConstraint &constraint : label_selector.GetConstraints()) {
      if (!NodeLabelMatchesConstraint(constraint)) {
        return false;
      }
    }
    return true;
  }
  /// Whether they meet one. None meets one whose operator is unknown.
  bool NodeLabelMatchesConstraint(const LabelConstraint &constraint) const;

  /// Compares what it has and its labels.
  bool operator==(const NodeResources &other) const;
  bool operator!=(const NodeResources &other) const { return !(*this == other); }

  std::string DebugString() const;
  std::string DictString() const { return DebugString(); }
};

/// The instances of this node's resources.
class NodeResourceInstances {
 public:
  NodeResourceInstanceSet available;
  NodeResourceInstanceSet total;
  plasma_rs::HashMap<std::string, std::string> labels;

  const NodeResourceInstanceSet &GetAvailableResourceInstances() const { return available; }
  const NodeResourceInstanceSet &GetTotalResourceInstances() const { return total; }

  /// Compares the instances.
  bool operator==(const NodeResourceInstances &other) const {
    return total == other.total && available == other.available;
  }

  [[nodiscard]] std::string DebugString() const;
};

/// What is believed of a node, and since when it was last touched.
struct Node {
  explicit Node(const NodeResources &resources) : local_view_(resources) {}

  NodeResources *GetMutableLocalView() {
    local_view_modified_ts_ = plasma_rs::Now();
    return &local_view_;
  }
  const NodeResources &GetLocalView() const { return local_view_; }
  std::optional<plasma_rs::Time> GetViewModifiedTs() const { return local_view_modified_ts_; }

 private:
  NodeResources local_view_;
  std::optional<plasma_rs::Time> local_view_modified_ts_;
};

NodeResources ResourceMapToNodeResources(
    const plasma_rs::HashMap<std::string, double> &resource_map_total,
    const plasma_rs::HashMap<std::string, double> &resource_map_available,
    const plasma_rs::HashMap<std::string, std::string> &node_labels = {});

ResourceRequest ResourceMapToResourceRequest(
    const plasma_rs::HashMap<std::string, double> &resource_map, bool requires_object_store_memory);

ResourceRequest ResourceMapToResourceRequest(
    const plasma_rs::HashMap<ResourceID, double> &resource_map, bool requires_object_store_memory);

inline void SetNodeResourcesLabels(NodeResources &resources,
                                   const std::unordered_map<std::string, std::string> &labels) {
  for (const auto &[key, value] : labels) {
    resources.labels[key] = value;
  }
}

}  // namespace ray
