// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Rows of the table of objects, their lives and their eviction, and of the memory that they take.

#pragma once

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "rows_support.h"

namespace rows {

using plasma::ObjectLifecycleManager;
using plasma::flatbuf::ObjectSource;
using plasma::flatbuf::PlasmaError;

inline ray::ObjectInfo Info(const ObjectID &id, int64_t size) {
  ray::ObjectInfo info;
  info.object_id = id;
  info.data_size = size;
  info.metadata_size = 0;
  info.owner_ip_address = "10.0.0.1";
  info.owner_port = 1234;
  return info;
}

class Store {
 public:
  explicit Store(int64_t limit)
      : allocator_(NewAllocator(limit)),
        manager_(*allocator_, [this](const ObjectID &) { deleted_++; }) {}

  void Create(const ray::ObjectInfo &info) {
    const auto created = manager_.CreateObject(info, ObjectSource::CreatedByWorker, false);
    REQUIRE(created.first != nullptr && created.second == PlasmaError::OK);
  }

  void MakeEvictable(const ObjectID &id) {
    REQUIRE(manager_.AddReference(id));
    REQUIRE(manager_.SealObject(id) != nullptr);
    REQUIRE(manager_.RemoveReference(id));
  }

  void Put(const ObjectID &id, int64_t size) {
    Create(Info(id, size));
    MakeEvictable(id);
  }

  void Delete(const ObjectID &id) { REQUIRE(manager_.DeleteObject(id) == PlasmaError::OK); }

  void Cycle(const ray::ObjectInfo &info) {
    Create(info);
    REQUIRE(manager_.SealObject(info.object_id) != nullptr);
    REQUIRE(manager_.AddReference(info.object_id));
    REQUIRE(manager_.RemoveReference(info.object_id));
    Delete(info.object_id);
  }

  ObjectLifecycleManager &manager() { return manager_; }
  uint64_t deleted() const { return deleted_; }

 private:
  uint64_t deleted_ = 0;
  std::unique_ptr<PlasmaAllocator> allocator_;
  ObjectLifecycleManager manager_;
};

inline Outcome Lifecycle(int others) {
  constexpr int kBatch = 50'000;
  Random random(1);
  Store store(4 * kGiB);
  for (int i = 0; i < others; i++) {
    store.Put(random.Id(), 64);
  }
  std::vector<ray::ObjectInfo> infos(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 11; batch++) {
    for (auto &info : infos) {
      info = Info(random.Id(), 1024);
    }
    const Time time = TimeOf([&] {
      for (const auto &info : infos) {
        store.Cycle(info);
      }
    });
    if (batch > 0) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

inline Outcome Lookup(int objects) {
  constexpr int kBatch = 200'000;
  Random random(1);
  Store store(4 * kGiB);
  std::vector<ObjectID> ids;
  for (int i = 0; i < objects; i++) {
    ids.push_back(random.Id());
    store.Put(ids.back(), 64);
  }
  std::vector<ObjectID> plan(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 11; batch++) {
    for (auto &id : plan) {
      // As from a message: without a cached hash.
      id = ObjectID::FromBinary(ids[random.Below(ids.size())].Binary());
    }
    const Time time = TimeOf([&] {
      for (const auto &id : plan) {
        REQUIRE(store.manager().GetObject(id) != nullptr);
      }
    });
    if (batch > 0) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

inline Outcome Evict(int objects, int rounds) {
  Random random(1);
  Store store(4 * kGiB);
  std::vector<Time> times;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < objects; i++) {
      store.Put(random.Id(), 64);
    }
    const uint64_t before = store.deleted();
    const Time time = TimeOf([&] { store.manager().RequireSpace(int64_t{64} * objects); });
    REQUIRE(store.deleted() - before == static_cast<uint64_t>(objects));
    times.push_back(time / objects);
  }
  return MedianOf(times);
}

inline Outcome EvictStall() {
  Random random(1);
  Store store(1'000'000 * int64_t{1024} + kMiB);
  uint64_t objects = 0;
  uint64_t evicted = 0;
  std::vector<Time> stalls;
  while (stalls.size() < 4) {
    const auto info = Info(random.Id(), 1000);
    const uint64_t before = store.deleted();
    const Time time = TimeOf([&] { store.Create(info); });
    if (store.deleted() != before) {
      evicted = stalls.empty() ? store.deleted() - before : evicted;
      stalls.push_back(time);
    }
    objects += stalls.empty() ? 1 : 0;
    store.MakeEvictable(info.object_id);
  }
  return {stalls[0].elapsed,
          "ns",
          Member("cpu", stalls[0].processor) + Member("objects", static_cast<double>(objects)) +
              Member("evicted", static_cast<double>(evicted)) +
              Member("second_cpu", stalls[1].processor) +
              Member("third_cpu", stalls[2].processor) +
              Member("fourth_cpu", stalls[3].processor)};
}

struct Memory {
  /// What the heap has given out, mapped blocks included.
  double heap;
  /// Anonymous resident memory: the pages of the store are not counted.
  double resident;
};

inline Memory MemoryNow() {
  const struct mallinfo2 info = mallinfo2();
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  size_t size = 0;
  size_t resident = 0;
  size_t shared = 0;
  REQUIRE(file != nullptr && std::fscanf(file, "%zu %zu %zu", &size, &resident, &shared) == 3);
  std::fclose(file);
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {static_cast<double>(info.uordblks + info.hblkhd),
          static_cast<double>(resident - shared) * page};
}

inline Outcome HeapOf(bool deleted_again) {
  constexpr int kObjects = 1'000'000;
  Random random(1);
  Store store(4 * kGiB);
  std::vector<ObjectID> ids(kObjects);
  for (auto &id : ids) {
    id = random.Id();
  }
  for (int i = 0; i < 2000; i++) {
    const ObjectID id = random.Id();
    store.Put(id, 64);
    store.Delete(id);
  }
  const Memory before = MemoryNow();
  for (const auto &id : ids) {
    store.Put(id, 64);
  }
  if (!deleted_again) {
    const Memory after = MemoryNow();
    // What lies in pages of its own is not in the heap, so what is resident is compared.
    return {(after.resident - before.resident) / kObjects,
            "bytes",
            Member("heap", (after.heap - before.heap) / kObjects)};
  }
  for (const auto &id : ids) {
    store.Delete(id);
  }
  const Memory after = MemoryNow();
  malloc_trim(0);
  const Memory trimmed = MemoryNow();
  return {after.resident - before.resident,
          "bytes",
          Member("heap", after.heap - before.heap) +
              Member("resident_after_trim", trimmed.resident - before.resident)};
}

}  // namespace rows
