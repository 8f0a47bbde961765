// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/placement_group_util.h"

#include "ray-ffi/common/src/scheduling/names.rs.h"
#include "ray/util/logging.h"

namespace ray {

bool IsCPUOrPlacementGroupCPUResource(ResourceID resource_id) {
  return plasma_rs::is_cpu_resource(resource_id.ToInt());
}

std::optional<PgFormattedResourceData> ParsePgFormattedResource(const std::string &resource,
                                                                bool for_wildcard_resource,
                                                                bool for_indexed_resource) {
  RAY_CHECK(for_wildcard_resource || for_indexed_resource)
      << "neither the names of groups nor those of bundles are wanted";
  PgFormattedResourceData data;
  if (!plasma_rs::parse_bundle_name(resource,
                                    for_wildcard_resource,
                                    for_indexed_resource,
                                    data.original_resource,
                                    data.bundle_index,
                                    data.group_id)) {
    return std::nullopt;
  }
  return data;
}

}  // namespace ray
