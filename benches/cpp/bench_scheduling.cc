// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The cost of Ray's scheduling types, row by row: the same source compiles against our drop-in headers and against Ray's
// own. `tools/bench.sh scheduling` runs it; docs/scheduling.md has figures. For its arguments see measure.h.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "measure.h"
#include "ray/common/scheduling/cluster_resource_data.h"

namespace {

using bench::Cost;
using bench::Measure;
using bench::Use;
using ray::LabelSelector;
using ray::NodeResourceInstanceSet;
using ray::NodeResources;
using ray::NodeResourceSet;
using ray::ResourceID;
using ray::ResourceRequest;
using ray::ResourceSet;

/// Processors, memory, and others of a user's.
ResourceSet SetOf(size_t resources, double units) {
  ResourceSet set;
  set.Set(ResourceID::CPU(), units);
  if (resources > 1) {
    set.Set(ResourceID::Memory(), units * 1e9);
  }
  for (size_t i = 2; i < resources; i++) {
    set.Set(ResourceID("custom_" + std::to_string(i)), units);
  }
  return set;
}

NodeResourceSet NodeOf(size_t resources, double units) {
  NodeResourceSet node;
  for (const auto &resource_id : SetOf(resources, units).ResourceIds()) {
    node.Set(resource_id, SetOf(resources, units).Get(resource_id));
  }
  return node;
}

Cost Amounts() {
  std::vector<FixedPoint> amounts(1000, FixedPoint(0.5));
  return Measure([&amounts] { Use(FixedPoint::Sum(amounts)); }) / 1000;
}

Cost FromDouble() {
  double units = 0.25;
  return Measure([&units] {
    Use(units);
    Use(FixedPoint(units));
  });
}

template <size_t kResources>
Cost AddInPlace() {
  ResourceSet sum = SetOf(kResources, 4);
  const ResourceSet one = SetOf(kResources, 1);
  return Measure([&] {
           sum += one;
           sum -= one;
           Use(sum);
         }) /
         2;
}

template <size_t kResources>
Cost AddToNew() {
  const ResourceSet left = SetOf(kResources, 4);
  const ResourceSet right = SetOf(kResources, 1);
  return Measure([&] { Use(left + right); });
}

template <size_t kResources>
Cost SubtractAll() {
  const ResourceSet set = SetOf(kResources, 4);
  return Measure([&] { Use(set - set); });
}

Cost AddOthers() {
  ResourceSet left = SetOf(3, 4);
  const ResourceSet right = ResourceSet().Set(ResourceID::GPU(), 1).Set(ResourceID("other"), 1);
  return Measure([&] {
           left += right;
           left -= right;
           Use(left);
         }) /
         2;
}

template <size_t kResources>
Cost Copy() {
  const ResourceSet set = SetOf(kResources, 4);
  return Measure([&set] { Use(ResourceSet(set)); });
}

template <size_t kResources>
Cost Equal() {
  const ResourceSet left = SetOf(kResources, 4);
  const ResourceSet right = SetOf(kResources, 4);
  return Measure([&] { Use(left == right); });
}

template <size_t kResources>
Cost AtMost() {
  const ResourceSet left = SetOf(kResources, 4);
  const ResourceSet right = SetOf(kResources, 5);
  return Measure([&] { Use(left <= right); });
}

template <size_t kResources>
Cost Hash() {
  const ResourceSet set = SetOf(kResources, 4);
  return Measure([&] { Use(std::hash<ResourceSet>()(set)); });
}

Cost Get() {
  const ResourceSet set = SetOf(4, 4);
  const ResourceID last("custom_3");
  return Measure([&] { Use(set.Get(last)); });
}

Cost NodeCovers() {
  const NodeResourceSet node = NodeOf(8, 10);
  const ResourceSet wanted = SetOf(3, 1);
  return Measure([&] { Use(node >= wanted); });
}

Cost NodeSubtract() {
  NodeResourceSet node = NodeOf(8, 10);
  const ResourceSet wanted = SetOf(3, 1);
  const ResourceSet back = ResourceSet() - wanted;
  return Measure([&] {
           node -= wanted;
           node -= back;
           Use(node);
         }) /
         2;
}

Cost NodeAvailable() {
  const NodeResources node(NodeOf(8, 10));
  ResourceRequest request;
  request.Set(ResourceID::CPU(), 1);
  request.Set(ResourceID::Memory(), 1e9);
  return Measure([&] { Use(node.IsAvailable(request)); });
}

Cost NameToId() {
  const std::string name = "custom_3";
  return Measure([&name] { Use(ResourceID(name)); });
}

Cost IdToName() {
  const ResourceID id("custom_3");
  return Measure([&id] { Use(id.Binary()); });
}

Cost IsUnit() {
  const ResourceID id = ResourceID::GPU();
  return Measure([&id] { Use(id.IsUnitInstanceResource()); });
}

Cost AllocateAndFree(NodeResourceInstanceSet &node, const ResourceSet &wanted) {
  return Measure([&] {
    const auto taken = node.TryAllocate(wanted);
    for (const auto &[resource_id, instances] : *taken) {
      node.Free(resource_id, instances);
    }
  });
}

Cost Allocate() {
  NodeResourceInstanceSet node;
  node.Set(ResourceID::CPU(), {FixedPoint(16)});
  node.Set(ResourceID::GPU(), std::vector<FixedPoint>(8, FixedPoint(1)));
  return AllocateAndFree(
      node, ResourceSet().Set(ResourceID::CPU(), 1).Set(ResourceID::GPU(), 1.5));
}

Cost AllocateBundle() {
  const std::string group = "4482dec0faaf5ead891ff1659a9501000000";
  const ResourceID all("CPU_group_" + group), bundle("CPU_group_0_" + group);
  NodeResourceInstanceSet node;
  node.Set(all, {FixedPoint(16)});
  node.Set(bundle, {FixedPoint(16)});
  return AllocateAndFree(node, ResourceSet().Set(all, 1).Set(bundle, 1));
}

Cost ParseSelector() {
  const std::map<std::string, std::string> wanted = {{"region", "in(us-east,us-west)"},
                                                     {"tier", "!free"}};
  return Measure([&] { Use(LabelSelector(wanted)); });
}

Cost MatchSelector() {
  NodeResources node;
  node.labels = {{"region", "us-west"}, {"tier", "prod"}};
  const LabelSelector selector(
      std::map<std::string, std::string>{{"region", "in(us-east,us-west)"}, {"tier", "!free"}});
  return Measure([&] { Use(node.HasRequiredLabels(selector)); });
}

const bench::Rows kRows = {
    {"amount_add", Amounts},
    {"amount_from_double", FromDouble},
    {"set_add_in_place_3", AddInPlace<3>},
    {"set_add_in_place_8", AddInPlace<8>},
    {"set_add_new_3", AddToNew<3>},
    {"set_add_new_8", AddToNew<8>},
    {"set_add_others", AddOthers},
    {"set_subtract_all_3", SubtractAll<3>},
    {"set_copy_3", Copy<3>},
    {"set_copy_8", Copy<8>},
    {"set_equal_3", Equal<3>},
    {"set_at_most_3", AtMost<3>},
    {"set_at_most_8", AtMost<8>},
    {"set_hash_3", Hash<3>},
    {"set_get", Get},
    {"node_covers", NodeCovers},
    {"node_subtract", NodeSubtract},
    {"node_available", NodeAvailable},
    {"name_to_id", NameToId},
    {"id_to_name", IdToName},
    {"is_unit_instance", IsUnit},
    {"allocate_and_free", Allocate},
    {"allocate_bundle", AllocateBundle},
    {"selector_parse", ParseSelector},
    {"selector_match", MatchSelector},
};

}  // namespace

int main(int argc, char **argv) { return bench::Main(argc, argv, kRows); }
