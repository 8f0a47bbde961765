// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: a file of the store as a client has it mapped.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "plasma_rs/handle.h"
#include "ray/util/compat.h"

namespace plasma {

/// Maps a file for reading and writing, closes its descriptor, and unmaps the file in the end.
class ClientMmapTableEntry {
 public:
  /// Takes the descriptor. Aborts when the file cannot be mapped, or is shorter than said.
  ///
  /// \param map_size As the store says it: with the gap of malloc.h.
  ClientMmapTableEntry(MEMFD_TYPE fd, int64_t map_size);
  ~ClientMmapTableEntry();

  ClientMmapTableEntry(const ClientMmapTableEntry &) = delete;
  ClientMmapTableEntry &operator=(const ClientMmapTableEntry &) = delete;

  uint8_t *pointer() const { return pointer_; }
  /// What it was made from. The descriptor is closed.
  MEMFD_TYPE fd() const { return fd_; }

 private:
  MEMFD_TYPE fd_;
  plasma_rs::Handle<plasma_rs::MappedFileHandle> handle_;
  uint8_t *pointer_;
};

}  // namespace plasma
