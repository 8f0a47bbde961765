// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <string_view>

namespace ray {
namespace stats {

inline constexpr std::string_view LocationKey = "Location";
inline constexpr std::string_view ObjectStateKey = "ObjectState";
inline constexpr std::string_view SourceKey = "Source";

}  // namespace stats
}  // namespace ray
