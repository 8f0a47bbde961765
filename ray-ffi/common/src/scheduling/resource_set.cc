// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/resource_set.h"

#include <sstream>

#include "border.h"
#include "ray-ffi/common/src/scheduling/names.rs.h"
#include "ray-ffi/common/src/scheduling/sets.rs.h"

namespace plasma_rs {

void Quantities::Combine(const Quantities &other, bool subtract, bool on_node) {
  if (&other == this) {
    return CombineWithItself(subtract, on_node);
  }
  const std::uint64_t rest = combine_quantities(
      Entries(*this), size(), Entries(other), other.size(), subtract, on_node);
  if (rest != 0) {
    Settle(rest, other, subtract, on_node);
  }
}

// These two are apart, so that the one above is short: it is mostly another set with the same resources.
void Quantities::CombineWithItself(bool subtract, bool on_node) {
  Combine(Quantities(*this), subtract, on_node);
}

void Quantities::Settle(uint64_t rest, const Quantities &other, bool subtract, bool on_node) {
  const std::size_t length = size();
  const auto missing = static_cast<std::size_t>(rest >> 32);
  if (missing == 0) {
    return Resize(length - static_cast<std::uint32_t>(rest));
  }
  Resize(length + missing);
  Resize(settle_quantities(
      Entries(*this), size(), length, Entries(other), other.size(), subtract, on_node));
}

bool Quantities::IsAtMost(const Quantities &other) const {
  return is_at_most(Entries(*this), size(), Entries(other), other.size());
}

bool Quantities::CoversWithout(const Quantities &used, const Quantities &wanted) const {
  return node_covers(
      Entries(*this), size(), Entries(used), used.size(), Entries(wanted), wanted.size());
}

void Quantities::RemoveNegative() { Resize(remove_negative(Entries(*this), size())); }

}  // namespace plasma_rs

namespace ray {

namespace {

ResourceID ToId(const std::string &name) { return ResourceID(name); }
ResourceID ToId(ResourceID id) { return id; }

template <typename Set, typename Map>
void SetAll(Set &set, const Map &map) {
  for (const auto &entry : map) {
    set.Set(ToId(entry.first), FixedPoint(entry.second));
  }
}

template <typename Map>
Map ToMap(const plasma_rs::Quantities &resources) {
  Map map;
  map.reserve(resources.size());
  for (const auto &entry : resources) {
    map.emplace(entry.first.Binary(), entry.second.Double());
  }
  return map;
}

template <typename Amount>
std::string ToString(const plasma_rs::Quantities &resources, Amount amount) {
  std::ostringstream text;
  const char *separator = "{";
  for (const auto &entry : resources) {
    text << separator << entry.first.Binary() << ": " << amount(entry.second);
    separator = ", ";
  }
  return resources.empty() ? "{}" : text.str() + "}";
}

FixedPoint DefaultOf(ResourceID resource_id) {
  return FixedPoint(resource_id.IsImplicitResource() ? 1 : 0);
}

}  // namespace

ResourceSet::ResourceSet(const plasma_rs::HashMap<std::string, FixedPoint> &resource_map) {
  SetAll(*this, resource_map);
}

ResourceSet::ResourceSet(const plasma_rs::HashMap<std::string, double> &resource_map) {
  SetAll(*this, resource_map);
}

ResourceSet::ResourceSet(const plasma_rs::HashMap<ResourceID, FixedPoint> &resource_map) {
  SetAll(*this, resource_map);
}

ResourceSet::ResourceSet(const plasma_rs::HashMap<ResourceID, double> &resource_map) {
  SetAll(*this, resource_map);
}

ResourceSet &ResourceSet::Set(ResourceID resource_id, FixedPoint value) {
  if (value == FixedPoint()) {
    resources_.Remove(resource_id);
  } else {
    resources_.Set(resource_id, value);
  }
  return *this;
}

plasma_rs::HashMap<std::string, double> ResourceSet::GetResourceMap() const {
  return ToMap<plasma_rs::HashMap<std::string, double>>(resources_);
}

std::unordered_map<std::string, double> ResourceSet::GetResourceUnorderedMap() const {
  return ToMap<std::unordered_map<std::string, double>>(resources_);
}

const std::string ResourceSet::DebugString() const {
  return ToString(resources_, [](FixedPoint amount) { return amount.Double(); });
}

NodeResourceSet::NodeResourceSet(const plasma_rs::HashMap<std::string, double> &resource_map) {
  SetAll(*this, resource_map);
}

NodeResourceSet::NodeResourceSet(const plasma_rs::HashMap<ResourceID, double> &resource_map) {
  SetAll(*this, resource_map);
}

NodeResourceSet::NodeResourceSet(const plasma_rs::HashMap<ResourceID, FixedPoint> &resource_map) {
  SetAll(*this, resource_map);
}

NodeResourceSet &NodeResourceSet::Set(ResourceID resource_id, FixedPoint value) {
  // The name is looked at only for the two amounts that can be a default.
  if ((value == FixedPoint(0) || value == FixedPoint(1)) && value == DefaultOf(resource_id)) {
    resources_.Remove(resource_id);
  } else {
    resources_.Set(resource_id, value);
  }
  return *this;
}

FixedPoint NodeResourceSet::Get(ResourceID resource_id) const {
  const auto found = resources_.find(resource_id);
  return found == resources_.end() ? DefaultOf(resource_id) : found->second;
}

plasma_rs::HashMap<std::string, double> NodeResourceSet::GetResourceMap() const {
  return ToMap<plasma_rs::HashMap<std::string, double>>(resources_);
}

std::set<ResourceID> NodeResourceSet::ExplicitResourceIds() const {
  std::set<ResourceID> explicit_ids;
  for (const auto &entry : resources_) {
    if (!entry.first.IsImplicitResource()) {
      explicit_ids.insert(explicit_ids.end(), entry.first);
    }
  }
  return explicit_ids;
}

std::string NodeResourceSet::DebugString() const {
  return ToString(resources_, [](FixedPoint amount) { return amount; });
}

}  // namespace ray

size_t std::hash<ray::ResourceSet>::operator()(const ray::ResourceSet &set) const {
  // The order is that of the resources, so equal sets are mixed alike.
  uint64_t seed = set.Size();
  for (const auto &entry : set.Resources()) {
    for (const int64_t part : {entry.first.ToInt(), plasma_rs::RawAmount(entry.second)}) {
      seed = (seed ^ static_cast<uint64_t>(part)) * 0x9e3779b97f4a7c15;
      seed ^= seed >> 32;
    }
  }
  return seed;
}
