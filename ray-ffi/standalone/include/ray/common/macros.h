// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

// In two steps, so that arguments that are macros are expanded.
#define PLASMA_RS_JOIN(left, right) left##right
#define RAY_CONCAT(left, right) PLASMA_RS_JOIN(left, right)

/// A name that no other line of the file has.
#define RAY_UNIQUE_VARIABLE(base) RAY_CONCAT(base, __LINE__)
