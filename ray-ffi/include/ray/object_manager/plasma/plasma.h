// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: how an object is described to a client.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "ray/util/compat.h"

namespace plasma {

/// Objects begin at multiples of this many bytes.
constexpr int64_t kBlockSize = 64;

/// Where an object lies. Offsets count from the start of the file, sizes are in bytes.
struct PlasmaObject {
  /// The file as the store has it open; names the file to a client.
  MEMFD_TYPE store_fd;
  /// Where the header of a mutable object begins; equal to data_offset for any other.
  ptrdiff_t header_offset;
  ptrdiff_t data_offset;
  ptrdiff_t metadata_offset;
  int64_t data_size;
  int64_t metadata_size;
  /// Data and metadata together.
  int64_t allocated_size;
  /// Always 0: main memory.
  int device_num;
  /// Size of the mapping of the file, with the gap of malloc.h.
  int64_t mmap_size;
  /// Whether the object lies in a file of its own on disk.
  bool fallback_allocated;
  bool is_experimental_mutable_object = false;

  bool operator==(const PlasmaObject &other) const {
    return std::memcmp(this, &other, sizeof(other)) == 0;
  }
};

/// Whether an object was found.
enum class ObjectStatus : int {
  OBJECT_NOT_FOUND = 0,
  OBJECT_FOUND = 1,
};

}  // namespace plasma
