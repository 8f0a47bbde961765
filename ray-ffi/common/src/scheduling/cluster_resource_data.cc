// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/cluster_resource_data.h"

#include <algorithm>

#include "border.h"
#include "ray-ffi/common/src/scheduling/instances.rs.h"

namespace ray {

namespace {

template <typename Total, typename Labels>
std::string NodeToString(const Total &total, const Total &available, const Labels &labels) {
  std::ostringstream text;
  text << "{\"total\":" << total.DebugString() << "}, \"available\": " << available.DebugString()
       << "}, \"labels\":{";
  for (const auto &[key, value] : labels) {
    text << "\"" << key << "\":\"" << value << "\",";
  }
  text << "}";
  return text.str();
}

}  // namespace

TaskResourceInstances::TaskResourceInstances(const ResourceSet &resources) {
  for (const auto &entry : resources.Resources()) {
    if (!entry.first.IsUnitInstanceResource()) {
      Set(entry.first, {entry.second});
    } else {
      const size_t count = plasma_rs::CountUnitInstances(entry.first, entry.second);
      Set(entry.first, std::vector<FixedPoint>(count, FixedPoint(1)));
    }
  }
}

ResourceSet TaskResourceInstances::ToResourceSet() const {
  ResourceSet sums;
  for (const auto &[resource_id, instances] : resources_) {
    sums.Set(resource_id, FixedPoint::Sum(instances));
  }
  return sums;
}

std::string TaskResourceInstances::SerializeAsJson() const {
  std::ostringstream text;
  const char *separator = "{";
  for (int64_t number = 0; number < PredefinedResourcesEnum_MAX; number++) {
    const ResourceID resource_id(number);
    if (!Has(resource_id)) {
      continue;
    }
    const std::vector<FixedPoint> &instances = Get(resource_id);
    text << separator << "\"" << resource_id.Binary() << "\":";
    separator = ",";
    if (resource_id.IsUnitInstanceResource()) {
      text << FixedPointVectorToString(instances);
    } else {
      text << instances.front();
    }
  }
  return *separator == '{' ? "{}" : text.str() + "}";
}

float NodeResources::CalculateCriticalResourceUtilization() const {
  float highest = 0;
  for (const ResourceID &resource_id :
       {ResourceID::CPU(), ResourceID::Memory(), ResourceID::ObjectStoreMemory()}) {
    highest = std::max(highest,
                       plasma_rs::resource_utilization(
                           plasma_rs::RawAmount(total.Get(resource_id)),
                           plasma_rs::RawAmount(available.Get(resource_id)),
                           plasma_rs::RawAmount(normal_task_resources.Get(resource_id)),
                           normal_task_resources.Has(resource_id)));
  }
  return highest;
}

bool NodeResources::IsAvailable(const ResourceRequest &resource_request,
                                bool ignore_at_capacity) const {
  if (!ignore_at_capacity && object_pulls_queued && resource_request.RequiresObjectStoreMemory()) {
    RAY_LOG(DEBUG) << "Objects wait for space to be pulled";
    return false;
  }
  return HasRequiredLabels(resource_request.GetLabelSelector()) &&
         available.CoversWithout(normal_task_resources, resource_request.GetResourceSet());
}

bool NodeResources::IsFeasible(const ResourceRequest &resource_request) const {
  return HasRequiredLabels(resource_request.GetLabelSelector()) &&
         total >= resource_request.GetResourceSet();
}

bool NodeResources::NodeLabelMatchesConstraint(const LabelConstraint &constraint) const {
  const auto label = labels.find(constraint.GetLabelKey());
  const bool is_in =
      label != labels.end() && plasma_rs::Contains(constraint.GetLabelValues(), label->second);
  switch (constraint.GetOperator()) {
  case LabelSelectorOperator::LABEL_IN:
    return is_in;
  case LabelSelectorOperator::LABEL_NOT_IN:
    return !is_in;
  default:
    // It came from a client, so it is no reason to end.
    RAY_LOG(WARNING) << "No node meets the constraint on the label '" << constraint.GetLabelKey()
                     << "', whose operator is " << static_cast<int>(constraint.GetOperator());
    return false;
  }
}

bool NodeResources::operator==(const NodeResources &other) const {
  return available == other.available && total == other.total && labels == other.labels;
}

std::string NodeResources::DebugString() const {
  std::ostringstream text;
  text << NodeToString(total, available, labels) << ", \"is_draining\": " << is_draining
       << ", \"draining_deadline_timestamp_ms\": " << draining_deadline_timestamp_ms << "}";
  return text.str();
}

std::string NodeResourceInstances::DebugString() const {
  return NodeToString(total, available, labels);
}

NodeResources ResourceMapToNodeResources(
    const plasma_rs::HashMap<std::string, double> &resource_map_total,
    const plasma_rs::HashMap<std::string, double> &resource_map_available,
    const plasma_rs::HashMap<std::string, std::string> &node_labels) {
  NodeResources node;
  node.total = NodeResourceSet(resource_map_total);
  node.available = NodeResourceSet(resource_map_available);
  node.labels = node_labels;
  return node;
}

ResourceRequest ResourceMapToResourceRequest(
    const plasma_rs::HashMap<std::string, double> &resource_map,
    bool requires_object_store_memory) {
  ResourceRequest request({}, requires_object_store_memory);
  for (const auto &[name, units] : resource_map) {
    request.Set(ResourceID(name), FixedPoint(units));
  }
  return request;
}

ResourceRequest ResourceMapToResourceRequest(
    const plasma_rs::HashMap<ResourceID, double> &resource_map,
    bool requires_object_store_memory) {
  ResourceRequest request({}, requires_object_store_memory);
  for (const auto &[resource_id, units] : resource_map) {
    request.Set(resource_id, FixedPoint(units));
  }
  return request;
}

}  // namespace ray
