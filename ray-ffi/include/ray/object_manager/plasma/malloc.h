// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the files that are mapped in this process.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "plasma_rs/snapshot.h"
#include "ray/util/compat.h"

// Ray's own files expect this name from here. Without Abseil nothing here needs it.
#if __has_include("absl/container/flat_hash_map.h")
#include "absl/container/flat_hash_map.h"
#endif

namespace plasma {

/// The size that clients are told of a mapping is this much more than what they map.
constexpr int64_t kMmapRegionsGap = sizeof(size_t);

/// A mapped file.
struct MmapRecord {
  MEMFD_TYPE fd;
  /// Bytes, with the gap.
  int64_t size;
};

/// The mapped files of every allocator of this process, by the address of their first byte, as a map that
/// can be read. Thread-safe.
class MmapRecords {
 public:
  using key_type = void *;
  using mapped_type = MmapRecord;
  using value_type = std::pair<void *, MmapRecord>;
  using const_iterator = plasma_rs::SnapshotIterator<value_type>;
  using iterator = const_iterator;

  size_t size() const { return All().size(); }
  bool empty() const { return size() == 0; }
  /// \return An iterator to the mapping that begins at this address, or the end.
  const_iterator find(const void *address) const;
  size_t count(const void *address) const { return find(address) != end() ? 1 : 0; }
  bool contains(const void *address) const { return count(address) != 0; }
  const_iterator begin() const { return const_iterator(All()); }
  const_iterator end() const { return const_iterator(); }

 private:
  static std::vector<value_type> All();
};

inline constexpr MmapRecords mmap_records{};

namespace internal {

/// Finds the mapping in which an address lies. Without one, the results are those of an invalid file.
///
/// \param fd The file of the mapping. \param map_length Its bytes, with the gap.
/// \param offset Position of the address in the file. \return Whether there is such a mapping.
bool GetMallocMapinfo(const void *const addr,
                      MEMFD_TYPE *fd,
                      int64_t *map_length,
                      ptrdiff_t *offset);

/// Ray's store runner calls this for huge pages. Our allocator has no granularity; nothing happens.
void SetMallocGranularity(int value);

}  // namespace internal
}  // namespace plasma
