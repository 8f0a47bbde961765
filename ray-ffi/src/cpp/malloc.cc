// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/malloc.h"

#include "convert.h"

namespace plasma {

MmapRecords::const_iterator MmapRecords::find(const void *address) const {
  for (const auto &entry : All()) {
    if (entry.first == address) {
      return const_iterator({entry});
    }
  }
  return end();
}

std::vector<MmapRecords::value_type> MmapRecords::All() {
  std::vector<value_type> records;
  for (const auto &mapping : plasma_rs::all_mappings()) {
    records.emplace_back(
        reinterpret_cast<void *>(mapping.address),
        MmapRecord{MEMFD_TYPE(mapping.fd, mapping.unique_fd_id), mapping.size});
  }
  return records;
}

namespace internal {

bool GetMallocMapinfo(const void *const addr,
                      MEMFD_TYPE *fd,
                      int64_t *map_length,
                      ptrdiff_t *offset) {
  plasma_rs::RawMapping mapping{};
  const auto address = reinterpret_cast<std::size_t>(addr);
  const bool found = plasma_rs::find_mapping(address, mapping);
  *fd = found ? MEMFD_TYPE(mapping.fd, mapping.unique_fd_id)
              : MEMFD_TYPE(INVALID_FD, INVALID_UNIQUE_FD_ID);
  *map_length = found ? mapping.size : 0;
  *offset = found ? static_cast<ptrdiff_t>(address - mapping.address) : 0;
  return found;
}

void SetMallocGranularity(int /*value*/) {}

}  // namespace internal
}  // namespace plasma
