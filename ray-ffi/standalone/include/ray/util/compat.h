// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <unistd.h>

#include <cstdint>
#include <utility>

#define MEMFD_TYPE_NON_UNIQUE int
#define MEMFD_TYPE std::pair<MEMFD_TYPE_NON_UNIQUE, int64_t>
#define INVALID_FD -1
#define INVALID_UNIQUE_FD_ID 0
#define FD2INT(x) (x)
#define INT2FD(x) (x)
