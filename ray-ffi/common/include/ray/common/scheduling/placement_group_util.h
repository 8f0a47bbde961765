// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Resources of placement groups, by their names.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ray/common/scheduling/scheduling_ids.h"

namespace ray {

using scheduling::ResourceID;

/// What the name of a placement group's resource tells.
struct PgFormattedResourceData {
  /// The resource that the group took.
  std::string original_resource;
  /// Which bundle; -1 for the whole group.
  int64_t bundle_index;
  /// The group, as its hex digits.
  std::string group_id;
};

/// Whether a resource is processors, or processors of a placement group.
bool IsCPUOrPlacementGroupCPUResource(ResourceID resource_id);

/// Reads `<original>_group_<group>` if wildcards are wanted, and else `<original>_group_<index>_<group>` if those of bundles
/// are. Any bytes may come; an index of more than 31 bits makes it no such name.
std::optional<PgFormattedResourceData> ParsePgFormattedResource(const std::string &resource,
                                                                bool for_wildcard_resource,
                                                                bool for_indexed_resource);

}  // namespace ray
