// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#define RAY_PREDICT_FALSE(condition) __builtin_expect(!!(condition), 0)
#define RAY_PREDICT_TRUE(condition) __builtin_expect(!!(condition), 1)

#define RAY_MUST_USE_RESULT __attribute__((warn_unused_result))
