// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Random operations across the border against models made of std::map and std::list: the LRU cache, the
// manager with its eviction, counters and callbacks, and the allocator.
//
// Environment: PLASMA_RS_TEST_SCALE, `full` or a part of 1; PLASMA_TEST_SEED, where to start.

#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <set>

#include "ray/object_manager/plasma/eviction_policy.h"
#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {

using flatbuf::ObjectSource;
using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;

/// Ray's headers let a class of this name see the counters.
struct ObjectStatsCollectorTest : public ::testing::Test {
  static std::vector<int64_t> Counters(const ObjectLifecycleManager &manager) {
    const ObjectStatsCollector &stats = *manager.stats_collector_;
    return {stats.num_objects_spillable_,
            stats.num_bytes_spillable_,
            stats.num_objects_unsealed_,
            stats.num_bytes_unsealed_,
            stats.num_objects_in_use_,
            stats.num_bytes_in_use_,
            stats.num_objects_evictable_,
            stats.num_bytes_evictable_,
            stats.num_objects_created_by_worker_,
            stats.num_bytes_created_by_worker_,
            stats.num_objects_restored_,
            stats.num_bytes_restored_,
            stats.num_objects_received_,
            stats.num_bytes_received_,
            stats.num_objects_errored_,
            stats.num_bytes_errored_,
            stats.num_objects_created_total_,
            stats.num_bytes_created_total_,
            stats.bytes_by_loc_seal_.Get({false, false}),
            stats.bytes_by_loc_seal_.Get({false, true}),
            stats.bytes_by_loc_seal_.Get({true, false}),
            stats.bytes_by_loc_seal_.Get({true, true})};
  }

  static size_t NumEager(const ObjectLifecycleManager &manager) {
    return manager.earger_deletion_objects_.size();
  }
  static bool IsEager(const ObjectLifecycleManager &manager, const ObjectID &id) {
    return manager.earger_deletion_objects_.contains(id);
  }

  /// Our own parts, but put together in C++ instead of in Rust.
  static ObjectLifecycleManager Assemble(IAllocator &allocator,
                                         ray::DeleteObjectCallback callback) {
    auto store = std::make_unique<ObjectStore>(allocator);
    auto policy = std::make_unique<EvictionPolicy>(*store, allocator);
    return ObjectLifecycleManager(std::move(store),
                                  std::move(policy),
                                  std::move(callback),
                                  std::make_unique<ObjectStatsCollector>());
  }

};

namespace {

// Thousands of these operations are refused, each with a line in the log.
const bool kQuiet = setenv("RAY_BACKEND_LOG_LEVEL", "fatal", /*overwrite=*/0) == 0;

int Operations(int full) {
  const char *scale = std::getenv("PLASMA_RS_TEST_SCALE");
  const bool all = scale == nullptr || std::string(scale) == "full";
  const double factor = all ? 1 : std::max(std::atof(scale), 0.01);
  return static_cast<int>(full * factor);
}

/// Random numbers that are the same in every run, unless a seed is given.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {
    if (const char *given = std::getenv("PLASMA_TEST_SEED")) {
      engine_.seed(seed + std::strtoull(given, nullptr, 10));
    }
  }
  /// From 0 to limit - 1.
  int Below(int limit) { return static_cast<int>(engine_() % limit); }
  /// Mostly small, sometimes up to the limit.
  int64_t Size(int64_t limit) {
    return static_cast<int64_t>(engine_() % (1 + (limit >> Below(12))));
  }

 private:
  std::mt19937_64 engine_;
};

TEST(RandomLruCacheTest, BehavesAsAListDoes) {
  Random random(1);
  LRUCache cache("cache", 1000000);
  std::list<std::pair<int, int64_t>> model;  // The newest first.
  int64_t used = 0;
  int64_t evictions = 0;
  int64_t evicted_bytes = 0;
  const auto find = [&model](int key) {
    return std::find_if(
        model.begin(), model.end(), [key](const auto &item) { return item.first == key; });
  };
  const int operations = Operations(150000);
  for (int i = 0; i < operations; i++) {
    const int key = random.Below(60);
    const auto found = find(key);
    switch (random.Below(4)) {
    case 0:
      if (found == model.end()) {
        const int64_t size = random.Size(1000);
        cache.Add(Id(key), size);
        model.emplace_front(key, size);
        used += size;
      }
      break;
    case 1:
      ASSERT_EQ(cache.Remove(Id(key)), found == model.end() ? -1 : found->second);
      if (found != model.end()) {
        used -= found->second;
        model.erase(found);
      }
      break;
    case 2: {
      const int64_t wanted = random.Size(5000) - 10;
      std::vector<ObjectID> expected;
      int64_t bytes = 0;
      for (auto item = model.rbegin(); item != model.rend() && bytes < wanted; ++item) {
        expected.push_back(Id(item->first));
        bytes += item->second;
        evictions++;
        evicted_bytes += item->second;
      }
      std::vector<ObjectID> chosen;
      ASSERT_EQ(cache.ChooseObjectsToEvict(wanted, chosen), bytes);
      ASSERT_EQ(chosen, expected);
      break;
    }
    default:
      ASSERT_EQ(cache.Exists(Id(key)), found != model.end());
      if (i % 64 == 0) {
        std::vector<ObjectID> expected;
        for (const auto &item : model) {
          expected.push_back(Id(item.first));
        }
        std::vector<ObjectID> walked;
        cache.Foreach([&walked](const ObjectID &id) { walked.push_back(id); });
        ASSERT_EQ(walked, expected);
      }
    }
    ASSERT_EQ(cache.RemainingCapacity(), 1000000 - used);
  }
  const std::string expected_end = "\n(cache) num objects: " + std::to_string(model.size()) +
                                   "\n(cache) num evictions: " + std::to_string(evictions) +
                                   "\n(cache) bytes evicted: " + std::to_string(evicted_bytes);
  EXPECT_NE(cache.DebugString().find(expected_end), std::string::npos) << cache.DebugString();
}

/// What a manager should hold. Objects are told apart by number.
class Model {
 public:
  struct Object {
    int64_t size;
    ObjectSource source;
    bool fallback;
    bool sealed = false;
    int references = 0;
    bool eager = false;
  };

  /// \param spares Whether nothing is evicted for what can never fit.
  Model(int64_t limit, int64_t disk, bool spares)
      : limit_(limit), disk_limit_(disk), spares_(spares) {}

  PlasmaError Create(int id, int64_t size, ObjectSource source, bool may_fall_back) {
    if (objects_.count(id) != 0) {
      return PlasmaError::ObjectExists;
    }
    bool fallback = false;
    if (!MakeRoom(size)) {
      if (!may_fall_back) {
        return PlasmaError::OutOfMemory;
      }
      fallback = memory_ + size > limit_;
      if (fallback && disk_ + size > disk_limit_) {
        return PlasmaError::OutOfMemory;
      }
    }
    (fallback ? disk_ : memory_) += size;
    objects_[id] = {size, source, fallback};
    unused_.push_back(id);
    created_objects_++;
    created_bytes_ += size;
    return PlasmaError::OK;
  }

  bool Seal(int id) {
    const auto found = objects_.find(id);
    return found != objects_.end() && !std::exchange(found->second.sealed, true);
  }

  PlasmaError Abort(int id) {
    const auto found = objects_.find(id);
    if (found == objects_.end()) {
      return PlasmaError::ObjectNonexistent;
    }
    if (found->second.sealed) {
      return PlasmaError::ObjectSealed;
    }
    Erase(id);
    return PlasmaError::OK;
  }

  PlasmaError Delete(int id) {
    const auto found = objects_.find(id);
    if (found == objects_.end()) {
      return PlasmaError::ObjectNonexistent;
    }
    if (found->second.sealed && found->second.references == 0) {
      Erase(id);
      return PlasmaError::OK;
    }
    found->second.eager = true;
    return found->second.sealed ? PlasmaError::ObjectInUse : PlasmaError::ObjectNotSealed;
  }

  bool AddReference(int id) {
    const auto found = objects_.find(id);
    if (found == objects_.end()) {
      return false;
    }
    if (found->second.references++ == 0) {
      unused_.remove(id);
    }
    return true;
  }

  bool RemoveReference(int id) {
    const auto found = objects_.find(id);
    if (found == objects_.end() || found->second.references == 0) {
      return false;
    }
    if (--found->second.references == 0) {
      unused_.push_back(id);
      if (found->second.eager) {
        Erase(id);
      }
    }
    return true;
  }

  int64_t Evict(int64_t wanted) {
    int64_t bytes = 0;
    while (bytes < wanted && !unused_.empty()) {
      const int id = unused_.front();
      bytes += objects_.at(id).size;
      evictions_++;
      evicted_bytes_ += objects_.at(id).size;
      Erase(id);
    }
    return bytes;
  }

  std::vector<int64_t> Counters() const {
    std::vector<int64_t> counters(22);
    const auto count = [&counters](int at, int64_t size) {
      counters[at]++;
      counters[at + 1] += size;
    };
    for (const auto &[id, object] : objects_) {
      if (object.sealed && object.references == 1 &&
          object.source == ObjectSource::CreatedByWorker) {
        count(0, object.size);
      }
      if (!object.sealed) {
        count(2, object.size);
      }
      if (object.references > 0) {
        count(4, object.size);
      }
      if (object.sealed && object.references == 0) {
        count(6, object.size);
      }
      count(8 + 2 * static_cast<int>(object.source), object.size);
      counters[18 + 2 * object.fallback + object.sealed] += object.size;
    }
    counters[16] = created_objects_;
    counters[17] = created_bytes_;
    return counters;
  }

  std::string PolicyEnd() const {
    return "num objects: " + std::to_string(unused_.size()) +
           "\n(global lru) num evictions: " + std::to_string(evictions_) +
           "\n(global lru) bytes evicted: " + std::to_string(evicted_bytes_);
  }

  /// Whether the last reference of the object has to stay, because it is not sealed.
  bool HasToStay(int id) const {
    const auto found = objects_.find(id);
    return found != objects_.end() && !found->second.sealed && found->second.references == 1;
  }

  std::map<int, Object> objects_;
  /// The next victim first.
  std::list<int> unused_;
  std::vector<ObjectID> told_;
  int64_t memory_ = 0;
  int64_t disk_ = 0;

 private:
  bool MakeRoom(int64_t size) {
    for (int tries = 0; tries < 11; tries++) {
      if (memory_ + size <= limit_) {
        return true;
      }
      if (spares_ && size > limit_) {
        return false;
      }
      const int64_t required = memory_ + disk_ + size - limit_;
      if (required - Evict(std::max(required, limit_ / 5)) > 0) {
        return false;
      }
    }
    return false;
  }

  void Erase(int id) {
    const Object object = objects_.at(id);
    (object.fallback ? disk_ : memory_) -= object.size;
    objects_.erase(id);
    unused_.remove(id);
    if (object.sealed) {
      told_.push_back(Id(id));
    }
  }

  const int64_t limit_;
  const int64_t disk_limit_;
  const bool spares_;
  int64_t created_objects_ = 0;
  int64_t created_bytes_ = 0;
  int64_t evictions_ = 0;
  int64_t evicted_bytes_ = 0;
};

struct RandomManagerTest : public ObjectStatsCollectorTest {
  static constexpr int64_t kLimit = 10000;
  static constexpr int64_t kDisk = 6000;

  void Step() {
    const int id = random_.Below(50);
    switch (random_.Below(10)) {
    case 0:
    case 1:
    case 2:
      Create(id);
      break;
    case 3:
    case 4:
      ASSERT_EQ(manager_->SealObject(Id(id)) != nullptr, model_->Seal(id));
      break;
    case 5:
      ASSERT_EQ(manager_->AddReference(Id(id)), model_->AddReference(id));
      break;
    case 6:
    case 7:
      if (!model_->HasToStay(id)) {
        ASSERT_EQ(manager_->RemoveReference(Id(id)), model_->RemoveReference(id));
      }
      break;
    case 8:
      if (random_.Below(4) == 0) {
        const int64_t wanted = random_.Size(kLimit / 2) - 1;
        ASSERT_EQ(manager_->RequireSpace(wanted), model_->Evict(wanted));
      } else if (random_.Below(3) == 0) {
        ASSERT_EQ(manager_->AbortObject(Id(id)), model_->Abort(id));
      }
      break;
    default:
      ASSERT_EQ(manager_->DeleteObject(Id(id)), model_->Delete(id));
    }
  }

  void Create(int id) {
    const int64_t size = random_.Below(200) == 0 ? kLimit + random_.Below(1000)
                                                 : random_.Size(kLimit / 2);
    const int64_t metadata = size == 0 ? 0 : random_.Below(static_cast<int>(size));
    const auto source = plasma_tests::kAllSources[random_.Below(4)];
    const bool fallback = random_.Below(2) == 0;
    const auto [object, error] =
        manager_->CreateObject(Info(Id(id), size - metadata, metadata), source, fallback);
    ASSERT_EQ(error, model_->Create(id, size, source, fallback)) << size;
    ASSERT_EQ(object != nullptr, error == PlasmaError::OK);
    if (object != nullptr) {
      // As Ray does: an object that is being written is used by whoever writes it.
      ASSERT_TRUE(manager_->AddReference(Id(id)));
      model_->AddReference(id);
    }
  }

  void Compare() {
    ASSERT_EQ(told_, model_->told_);
    told_.clear();
    model_->told_.clear();
    ASSERT_EQ(allocator_.Allocated(), model_->memory_ + model_->disk_);
    ASSERT_EQ(allocator_.FallbackAllocated(), model_->disk_);
    ASSERT_EQ(allocator_.NumLive(), model_->objects_.size());
    ASSERT_EQ(Counters(*manager_), model_->Counters());
  }

  void CompareObjects() {
    size_t eager = 0;
    for (int id = 0; id < 50; id++) {
      const LocalObject *object = manager_->GetObject(Id(id));
      const auto found = model_->objects_.find(id);
      ASSERT_EQ(object != nullptr, found != model_->objects_.end());
      ASSERT_EQ(IsEager(*manager_, Id(id)), object != nullptr && found->second.eager);
      if (object != nullptr) {
        ASSERT_EQ(object->GetObjectInfo().object_id, Id(id));
        ASSERT_EQ(object->GetObjectSize(), found->second.size);
        ASSERT_EQ(object->GetAllocation().fallback_allocated_, found->second.fallback);
        ASSERT_EQ(object->GetSource(), found->second.source);
        ASSERT_EQ(object->GetRefCount(), found->second.references);
        ASSERT_EQ(object->Sealed(), found->second.sealed);
        eager += found->second.eager;
      }
    }
    ASSERT_EQ(NumEager(*manager_), eager);
    const std::string policy = manager_->EvictionPolicyDebugString();
    ASSERT_NE(policy.find(model_->PolicyEnd()), std::string::npos) << policy;
  }

  void Run(uint64_t seed, int operations, bool assembled) {
    random_ = Random(seed);
    const auto tell = [this](const ObjectID &id) { told_.push_back(id); };
    manager_ = assembled ? std::make_unique<ObjectLifecycleManager>(Assemble(allocator_, tell))
                         : std::make_unique<ObjectLifecycleManager>(allocator_, tell);
    model_ = std::make_unique<Model>(kLimit, kDisk, /*spares=*/!assembled);
    for (int i = 0; i < operations; i++) {
      ASSERT_NO_FATAL_FAILURE(Step()) << "operation " << i << " of seed " << seed;
      ASSERT_NO_FATAL_FAILURE(Compare()) << "operation " << i << " of seed " << seed;
      if (i % 50 == 0) {
        ASSERT_NO_FATAL_FAILURE(CompareObjects()) << "operation " << i << " of seed " << seed;
      }
    }
  }

  Random random_{0};
  DummyAllocator allocator_{kLimit, kDisk};
  std::vector<ObjectID> told_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<ObjectLifecycleManager> manager_;
};

TEST_F(RandomManagerTest, BehavesAsItsModelDoes) { Run(2, Operations(150000), false); }

TEST_F(RandomManagerTest, BehavesSoWithAnotherSeed) { Run(3, Operations(50000), false); }

TEST_F(RandomManagerTest, BehavesSoWhenItWasAssembledInCpp) { Run(5, Operations(150000), true); }

/// An allocation as the model of the allocator has it.
struct Piece {
  Allocation allocation;
  uint8_t value;
};

class RandomAllocatorTest : public ::testing::Test {
 protected:
  static constexpr int64_t kLimit = 4 * kMiB;

  static void Mark(const Piece &piece) {
    auto *bytes = static_cast<uint8_t *>(piece.allocation.address_);
    if (piece.allocation.size_ > 0) {
      bytes[0] = bytes[piece.allocation.size_ / 2] = bytes[piece.allocation.size_ - 1] =
          piece.value;
    }
  }

  static bool IsMarked(const Piece &piece) {
    const auto *bytes = static_cast<const uint8_t *>(piece.allocation.address_);
    return piece.allocation.size_ == 0 ||
           (bytes[0] == piece.value && bytes[piece.allocation.size_ / 2] == piece.value &&
            bytes[piece.allocation.size_ - 1] == piece.value);
  }

  void Add(Allocation allocation, int64_t size) {
    ASSERT_EQ(allocation.size_, size);
    ASSERT_EQ(allocation.offset_ % kBlockSize, 0);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(allocation.address_) % kBlockSize, 0u);
    auto *address = static_cast<uint8_t *>(allocation.address_);
    const auto next = pieces_.lower_bound(address);
    ASSERT_TRUE(next == pieces_.end() || address + std::max<int64_t>(size, 1) <= next->first);
    if (next != pieces_.begin()) {
      const auto &[before, piece] = *std::prev(next);
      ASSERT_LE(before + std::max<int64_t>(piece.allocation.size_, 1), address);
    }
    if (allocation.fallback_allocated_) {
      disk_ += size;
    } else {
      memory_ += size;
      ASSERT_LE(allocation.offset_ + size, kLimit);
      ASSERT_EQ(allocation.mmap_size_, kLimit + kMmapRegionsGap);
    }
    const auto value = static_cast<uint8_t>(random_.Below(256));
    const auto placed = pieces_.emplace(address, Piece{std::move(allocation), value}).first;
    Mark(placed->second);
  }

  void FreeOne() {
    if (pieces_.empty()) {
      return;
    }
    auto victim = pieces_.begin();
    std::advance(victim, random_.Below(static_cast<int>(pieces_.size())));
    Piece &piece = victim->second;
    ASSERT_TRUE(IsMarked(piece));
    (piece.allocation.fallback_allocated_ ? disk_ : memory_) -= piece.allocation.size_;
    allocator_.Free(std::move(piece.allocation));
    pieces_.erase(victim);
  }

  Random random_{4};
  const TemporaryDirectory directory_;
  PlasmaAllocator allocator_{SharedMemory(), directory_.Path(), false, kLimit};
  std::map<uint8_t *, Piece> pieces_;
  int64_t memory_ = 0;
  int64_t disk_ = 0;
};

TEST_F(RandomAllocatorTest, NeverOverlapsAndMergesEverythingInTheEnd) {
  const int operations = Operations(200000);
  int refused = 0;
  for (int i = 0; i < operations; i++) {
    // Waves of growth and of shrinkage.
    const bool grow = random_.Below(100) < ((i / 2000) % 2 == 0 ? 65 : 35);
    if (grow) {
      const int64_t size = random_.Size(kMiB);
      const bool fallback = random_.Below(50) == 0 && disk_ < 64 * kMiB;
      auto allocation =
          fallback ? allocator_.FallbackAllocate(size) : allocator_.Allocate(size);
      ASSERT_TRUE(allocation.has_value() || !fallback);
      if (allocation.has_value()) {
        ASSERT_NO_FATAL_FAILURE(Add(std::move(*allocation), size)) << "operation " << i;
      } else {
        refused++;
      }
    } else {
      ASSERT_NO_FATAL_FAILURE(FreeOne()) << "operation " << i;
    }
    ASSERT_EQ(allocator_.Allocated(), memory_ + disk_);
    ASSERT_EQ(allocator_.FallbackAllocated(), disk_);
  }
  EXPECT_GT(refused, 0) << "the region was never full";
  while (!pieces_.empty()) {
    ASSERT_NO_FATAL_FAILURE(FreeOne());
  }
  EXPECT_EQ(allocator_.Allocated(), 0);
  EXPECT_EQ(allocator_.FallbackAllocated(), 0);
  EXPECT_LE(mmap_records.size(), 2u) << "the region and its annex, and no file";
  Allocation whole = allocator_.Allocate(kLimit).value();
  allocator_.Free(std::move(whole));
}

}  // namespace
}  // namespace plasma
