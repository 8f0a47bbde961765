// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "costs.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "store.h"

namespace demo {
namespace {

using plasma::flatbuf::PlasmaError;

constexpr int64_t kSize = 1024;
constexpr int64_t kLimit = 64 << 20;

/// Runs batches of operations and remembers what each took.
class Stopwatch {
 public:
  /// Calls `operation` with 0, 1, ... and expects true each time.
  template <typename Operation>
  void Batch(const char *name, Operation operation) {
    bool done = true;
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < kBatchSize; i++) {
      done &= operation(i);
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    Expect(done, "an operation failed while it was measured");
    if (batches_.find(name) == batches_.end()) {
      names_.push_back(name);
    }
    batches_[name].push_back(took.count() / kBatchSize);
  }

  std::vector<std::pair<std::string, double>> Medians() {
    std::vector<std::pair<std::string, double>> medians;
    for (const auto &name : names_) {
      auto &batches = batches_[name];
      const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
      std::nth_element(batches.begin(), middle, batches.end());
      medians.emplace_back(name, *middle);
    }
    return medians;
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::vector<double>> batches_;
};

std::vector<ray::ObjectInfo> MakeInfos() {
  std::vector<ray::ObjectInfo> infos(kBatchSize);
  for (auto &info : infos) {
    info.object_id = ray::ObjectID::FromRandom();
    info.data_size = kSize;
  }
  return infos;
}

}  // namespace

std::vector<std::pair<std::string, double>> MeasureCosts(const std::string &plasma_directory,
                                                         const std::string &fallback_directory) {
  plasma::PlasmaAllocator allocator(plasma_directory, fallback_directory, false, kLimit);
  int64_t callbacks = 0;
  plasma::ObjectLifecycleManager manager(allocator, [&](const ray::ObjectID &) { callbacks++; });
  const auto infos = MakeInfos();
  std::vector<std::optional<plasma::Allocation>> allocations(kBatchSize);
  Stopwatch watch;
  const auto id = [&](size_t i) -> const ray::ObjectID & { return infos[i].object_id; };
  for (int batch = 0; batch < kBatches; batch++) {
    watch.Batch("create", [&](size_t i) {
      const auto source = plasma::flatbuf::ObjectSource::CreatedByWorker;
      return manager.CreateObject(infos[i], source, false).second == PlasmaError::OK;
    });
    watch.Batch("seal", [&](size_t i) { return manager.SealObject(id(i)) != nullptr; });
    watch.Batch("add reference", [&](size_t i) { return manager.AddReference(id(i)); });
    watch.Batch("remove reference", [&](size_t i) { return manager.RemoveReference(id(i)); });
    watch.Batch("delete", [&](size_t i) { return manager.DeleteObject(id(i)) == PlasmaError::OK; });
    watch.Batch("allocate", [&](size_t i) {
      allocations[i] = allocator.Allocate(kSize);
      return allocations[i].has_value();
    });
    watch.Batch("free", [&](size_t i) {
      allocator.Free(std::move(*allocations[i]));
      return true;
    });
  }
  Expect(callbacks == int64_t{kBatches} * kBatchSize, "callbacks are missing");
  return watch.Medians();
}

}  // namespace demo
