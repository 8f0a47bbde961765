// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What differs between a build inside Ray, which has Abseil and flatbuffers, and one over the stand-ins for
// Ray's base headers, which needs neither. Which of the two it is says the include path: all that is linked
// together must agree.

#pragma once

#if __has_include("plasma_rs/standalone.h")
#include <unordered_map>

#include "plasma_rs/standalone.h"
#else
#include "absl/container/flat_hash_map.h"
#endif

namespace plasma_rs {

/// The hash table in the signatures of Ray's that have one.
#ifdef PLASMA_RS_STANDALONE
template <typename Key, typename Value>
using HashMap = std::unordered_map<Key, Value>;
#else
template <typename Key, typename Value>
using HashMap = absl::flat_hash_map<Key, Value>;
#endif

}  // namespace plasma_rs
