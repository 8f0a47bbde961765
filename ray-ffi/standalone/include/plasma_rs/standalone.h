// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Only here to be found: where it is, the stand-ins for Ray's base headers are in use.

#pragma once

#define PLASMA_RS_STANDALONE 1
