// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What Ray records about its store.

#pragma once

#include <cstdint>

#include "plasma_rs/counters.h"
#include "ray/object_manager/plasma/plasma_generated.h"

namespace plasma_rs {

/// Adds the size of a new object to Ray's histogram.
void RecordObjectSize(std::int64_t size, plasma::flatbuf::ObjectSource source);

/// Sets Ray's gauges of the bytes in the store.
void RecordMemory(const Counters &counters);

}  // namespace plasma_rs
