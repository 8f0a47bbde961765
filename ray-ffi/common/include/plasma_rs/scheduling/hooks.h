// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What Rust calls: a table of instances that C++ has. Only the shells and the glue include this.

#pragma once

#include <cstddef>
#include <cstdint>

namespace plasma_rs {

/// The amounts of the instances of a resource in a `plasma_rs::InstanceMap`, and how many there are; null if there are none.
std::int64_t *instances_of(std::uint8_t *table, std::int64_t resource, std::size_t &count);

/// Gives a resource instances.
void set_instances(std::uint8_t *table,
                   std::int64_t resource,
                   const std::int64_t *amounts,
                   std::size_t count);

/// Removes a resource.
void remove_instances(std::uint8_t *table, std::int64_t resource);

}  // namespace plasma_rs
