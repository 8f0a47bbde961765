// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/fling.h"

#include "convert.h"
#include "ray-ffi/src/fling.rs.h"
#include "ray/common/ray_config.h"
#include "ray/object_manager/plasma/malloc.h"
#include "ray/object_manager/plasma/shared_memory.h"
#include "ray/util/logging.h"

int send_fd(int conn, int fd) { return plasma_rs::fling_send(conn, fd); }

int recv_fd(int conn) { return plasma_rs::fling_receive(conn); }

namespace plasma_rs {

void HandleDeleter::operator()(MappedFileHandle *handle) const {
  rust::Box<MappedFileHandle>::from_raw(handle);
}

namespace {

MappedFileHandle *Map(int fd, int64_t map_size) {
  const bool dump = !RayConfig::instance().worker_core_dump_exclude_plasma_store();
  try {
    RAY_CHECK(map_size > plasma::kMmapRegionsGap) << "a mapping of " << map_size << " bytes";
    return map_received(fd, static_cast<std::size_t>(map_size - plasma::kMmapRegionsGap), dump)
        .into_raw();
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "mmap failed: " << error.what();
    return nullptr;
  }
}

}  // namespace
}  // namespace plasma_rs

namespace plasma {

ClientMmapTableEntry::ClientMmapTableEntry(MEMFD_TYPE fd, int64_t map_size)
    : fd_(fd),
      handle_(plasma_rs::Map(fd.first, map_size)),
      pointer_(reinterpret_cast<uint8_t *>(handle_->base())) {}

ClientMmapTableEntry::~ClientMmapTableEntry() = default;

}  // namespace plasma
