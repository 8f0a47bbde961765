// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Apart from the classes: whatever links the Rust library links this, and it needs nothing else.

#include "plasma_rs/scheduling/hooks.h"

#include "border.h"
#include "ray/common/scheduling/resource_instance_set.h"

namespace plasma_rs {

namespace {

InstanceMap &ToMap(std::uint8_t *table) { return *reinterpret_cast<InstanceMap *>(table); }

}  // namespace

std::int64_t *instances_of(std::uint8_t *table, std::int64_t resource, std::size_t &count) {
  const auto found = ToMap(table).find(ray::scheduling::ResourceID(resource));
  if (found == ToMap(table).end()) {
    return nullptr;
  }
  count = found->second.size();
  return RawAmounts(found->second);
}

void set_instances(std::uint8_t *table,
                   std::int64_t resource,
                   const std::int64_t *amounts,
                   std::size_t count) {
  const auto *first = reinterpret_cast<const FixedPoint *>(amounts);
  ToMap(table)[ray::scheduling::ResourceID(resource)].assign(first, first + count);
}

void remove_instances(std::uint8_t *table, std::int64_t resource) {
  ToMap(table).erase(ray::scheduling::ResourceID(resource));
}

}  // namespace plasma_rs
