// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstddef>

/// Bytes of an id that has no parts.
constexpr size_t kUniqueIDSize = 28;

/// Bits of an object's index among those of its task.
constexpr int kObjectIdIndexSize = 32;

/// Parts in a unit of a resource.
constexpr int kResourceUnitScaling = 10000;

/// The label of every node that has its id.
constexpr char kLabelKeyNodeID[] = "ray.io/node-id";

/// Begins the names of resources of which every node has one.
constexpr char kImplicitResourcePrefix[] = "node:__internal_implicit_resource_";
