// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// stats_collector.h: every counter in every transition, on its own and inside of a manager.

#include "ray/object_manager/plasma/stats_collector.h"

#include <sstream>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/stats/metric.h"
#include "test_support.h"

namespace plasma {

using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kAllSources;

/// All counters, so that a test states every one of them.
struct Expected {
  // Objects and bytes.
  std::pair<int64_t, int64_t> spillable, unsealed, in_use, evictable;
  std::pair<int64_t, int64_t> created_by_worker, restored, received, errored;
  std::pair<int64_t, int64_t> created_total;
  // Bytes by place and state.
  int64_t memory_unsealed = 0, memory_sealed = 0, disk_unsealed = 0, disk_sealed = 0;

  auto All() const {
    return std::make_tuple(spillable,
                           unsealed,
                           in_use,
                           evictable,
                           created_by_worker,
                           restored,
                           received,
                           errored,
                           created_total,
                           memory_unsealed,
                           memory_sealed,
                           disk_unsealed,
                           disk_sealed);
  }
  bool operator==(const Expected &other) const { return All() == other.All(); }
  friend std::ostream &operator<<(std::ostream &out, const Expected &counters) {
    return out << ::testing::PrintToString(counters.All());
  }
};

/// Ray's headers let a class of this name see the counters, and set what only a manager may set.
struct ObjectStatsCollectorTest : public ::testing::Test {
  static Expected Read(const ObjectStatsCollector &stats) {
    Expected read;
    read.spillable = {stats.num_objects_spillable_, stats.num_bytes_spillable_};
    read.unsealed = {stats.num_objects_unsealed_, stats.num_bytes_unsealed_};
    read.in_use = {stats.num_objects_in_use_, stats.num_bytes_in_use_};
    read.evictable = {stats.num_objects_evictable_, stats.num_bytes_evictable_};
    read.created_by_worker = {stats.num_objects_created_by_worker_,
                              stats.num_bytes_created_by_worker_};
    read.restored = {stats.num_objects_restored_, stats.num_bytes_restored_};
    read.received = {stats.num_objects_received_, stats.num_bytes_received_};
    read.errored = {stats.num_objects_errored_, stats.num_bytes_errored_};
    read.created_total = {stats.num_objects_created_total_, stats.num_bytes_created_total_};
    read.memory_unsealed = stats.bytes_by_loc_seal_.Get({false, false});
    read.memory_sealed = stats.bytes_by_loc_seal_.Get({false, true});
    read.disk_unsealed = stats.bytes_by_loc_seal_.Get({true, false});
    read.disk_sealed = stats.bytes_by_loc_seal_.Get({true, true});
    return read;
  }

  static int64_t CreatedCurrent(const ObjectStatsCollector &stats) {
    return stats.GetNumBytesCreatedCurrent();
  }

  static const ObjectStatsCollector &StatsOf(const ObjectLifecycleManager &manager) {
    return *manager.stats_collector_;
  }

  static std::unique_ptr<LocalObject> MakeObject(int64_t size,
                                                 flatbuf::ObjectSource source,
                                                 bool fallback_allocated) {
    auto object =
        std::make_unique<LocalObject>(DummyAllocator::Make(size, fallback_allocated));
    object->object_info_ = Info(Id(1), size);
    object->source_ = source;
    return object;
  }

  static void Seal(LocalObject &object) { object.state_ = ObjectState::PLASMA_SEALED; }
  static void SetRefCount(LocalObject &object, int32_t count) { object.ref_count_ = count; }
};

namespace {

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;
constexpr auto kRestored = flatbuf::ObjectSource::RestoredFromStorage;

/// Drives a collector as a manager does.
struct CollectorTest : public ObjectStatsCollectorTest {
  LocalObject &Create(int64_t size, flatbuf::ObjectSource source = kWorker, bool disk = false) {
    objects_.push_back(MakeObject(size, source, disk));
    stats_.OnObjectCreated(*objects_.back());
    return *objects_.back();
  }
  void SealAndTell(LocalObject &object) {
    Seal(object);
    stats_.OnObjectSealed(object);
  }
  void Add(LocalObject &object) {
    SetRefCount(object, object.GetRefCount() + 1);
    stats_.OnObjectRefIncreased(object);
  }
  void Remove(LocalObject &object) {
    SetRefCount(object, object.GetRefCount() - 1);
    stats_.OnObjectRefDecreased(object);
  }

  ObjectStatsCollector stats_;
  std::vector<std::unique_ptr<LocalObject>> objects_;
};

TEST_F(CollectorTest, CountsNothingAtFirst) { EXPECT_EQ(Read(stats_), Expected()); }

TEST_F(CollectorTest, ANewObjectIsUnsealedAndOfItsSource) {
  Expected expected;
  Create(10, kWorker);
  expected.unsealed = expected.created_total = expected.created_by_worker = {1, 10};
  expected.memory_unsealed = 10;
  EXPECT_EQ(Read(stats_), expected);

  Create(20, kRestored);
  expected.restored = {1, 20};
  expected.unsealed = expected.created_total = {2, 30};
  expected.memory_unsealed = 30;
  EXPECT_EQ(Read(stats_), expected);

  Create(40, flatbuf::ObjectSource::ReceivedFromRemoteRaylet);
  expected.received = {1, 40};
  expected.unsealed = expected.created_total = {3, 70};
  expected.memory_unsealed = 70;
  EXPECT_EQ(Read(stats_), expected);

  Create(80, flatbuf::ObjectSource::ErrorStoredByRaylet, /*disk=*/true);
  expected.errored = {1, 80};
  expected.unsealed = expected.created_total = {4, 150};
  expected.disk_unsealed = 80;
  EXPECT_EQ(Read(stats_), expected);
  EXPECT_EQ(CreatedCurrent(stats_), 150);
}

TEST_F(CollectorTest, AnUnknownSourceIsCountedUnderNone) {
  Expected expected;
  auto &object = Create(10, static_cast<flatbuf::ObjectSource>(99));
  expected.unsealed = expected.created_total = {1, 10};
  expected.memory_unsealed = 10;
  EXPECT_EQ(Read(stats_), expected);
  stats_.OnObjectDeleting(object);
  expected.unsealed = {0, 0};
  expected.memory_unsealed = 0;
  EXPECT_EQ(Read(stats_), expected);
}

TEST_F(CollectorTest, ANewObjectIsNotSealed) {
  auto object = MakeObject(10, kWorker, false);
  Seal(*object);
  EXPECT_DEATH(stats_.OnObjectCreated(*object), "Check failed");
}

TEST_F(CollectorTest, OnlyASealedObjectWasSealed) {
  auto &object = Create(10);
  EXPECT_DEATH(stats_.OnObjectSealed(object), "Check failed");
}

TEST_F(CollectorTest, AnUnusedObjectThatIsSealedIsEvictable) {
  auto &object = Create(10);
  SealAndTell(object);
  Expected expected;
  expected.created_total = expected.created_by_worker = expected.evictable = {1, 10};
  expected.memory_sealed = 10;
  EXPECT_EQ(Read(stats_), expected);
  stats_.OnObjectDeleting(object);
  expected = Expected();
  expected.created_total = {1, 10};
  EXPECT_EQ(Read(stats_), expected);
}

TEST_F(CollectorTest, AnUnsealedObjectInUseIsNeitherSpillableNorEvictable) {
  auto &object = Create(10);
  Add(object);
  Expected expected;
  expected.created_total = expected.created_by_worker = expected.unsealed = expected.in_use = {
      1, 10};
  expected.memory_unsealed = 10;
  EXPECT_EQ(Read(stats_), expected);
  Add(object);
  EXPECT_EQ(Read(stats_), expected);
  Remove(object);
  EXPECT_EQ(Read(stats_), expected);
  Remove(object);
  expected.in_use = {0, 0};
  EXPECT_EQ(Read(stats_), expected);
}

TEST_F(CollectorTest, AWorkersObjectIsSpillableWithExactlyOneReference) {
  auto &object = Create(10);
  Add(object);
  SealAndTell(object);
  Expected one;
  one.created_total = one.created_by_worker = one.in_use = one.spillable = {1, 10};
  one.memory_sealed = 10;
  EXPECT_EQ(Read(stats_), one);
  Expected two = one;
  two.spillable = {0, 0};
  Add(object);
  EXPECT_EQ(Read(stats_), two);
  Add(object);
  EXPECT_EQ(Read(stats_), two);
  Remove(object);
  EXPECT_EQ(Read(stats_), two);
  Remove(object);
  EXPECT_EQ(Read(stats_), one);
  Expected none = one;
  none.spillable = none.in_use = {0, 0};
  none.evictable = {1, 10};
  Remove(object);
  EXPECT_EQ(Read(stats_), none);
  Add(object);
  EXPECT_EQ(Read(stats_), one);
}

TEST_F(CollectorTest, AnObjectSealedWithTwoReferencesBecomesSpillableWithOne) {
  auto &object = Create(10);
  Add(object);
  Add(object);
  SealAndTell(object);
  Expected expected;
  expected.created_total = expected.created_by_worker = expected.in_use = {1, 10};
  expected.memory_sealed = 10;
  EXPECT_EQ(Read(stats_), expected);
  Remove(object);
  expected.spillable = {1, 10};
  EXPECT_EQ(Read(stats_), expected);
}

TEST_F(CollectorTest, NoOtherSourceIsSpillable) {
  for (const auto source : kAllSources) {
    if (source == kWorker) {
      continue;
    }
    auto &object = Create(10, source);
    Add(object);
    SealAndTell(object);
    EXPECT_EQ(Read(stats_).spillable, std::make_pair(int64_t{0}, int64_t{0}));
    Add(object);
    Remove(object);
    EXPECT_EQ(Read(stats_).spillable, std::make_pair(int64_t{0}, int64_t{0}));
    Remove(object);
    EXPECT_EQ(Read(stats_).evictable, std::make_pair(int64_t{1}, int64_t{10}));
    stats_.OnObjectDeleting(object);
    EXPECT_EQ(Read(stats_).evictable, std::make_pair(int64_t{0}, int64_t{0}));
  }
}

TEST_F(CollectorTest, BytesOnDiskMoveFromUnsealedToSealed) {
  auto &object = Create(10, kRestored, /*disk=*/true);
  EXPECT_EQ(Read(stats_).disk_unsealed, 10);
  SealAndTell(object);
  EXPECT_EQ(Read(stats_).disk_unsealed, 0);
  EXPECT_EQ(Read(stats_).disk_sealed, 10);
  EXPECT_EQ(Read(stats_).memory_sealed, 0);
  stats_.OnObjectDeleting(object);
  EXPECT_EQ(Read(stats_).disk_sealed, 0);
}

TEST_F(CollectorTest, DeletingLeavesOnlyTheTotals) {
  int64_t objects = 0;
  for (const auto source : kAllSources) {
    for (const bool disk : {false, true}) {
      for (const int references : {0, 1, 2}) {
        for (const bool sealed : {false, true}) {
          auto &object = Create(10, source, disk);
          objects++;
          for (int i = 0; i < references; i++) {
            Add(object);
          }
          if (sealed) {
            SealAndTell(object);
          }
          stats_.OnObjectDeleting(object);
          Expected expected;
          expected.created_total = {objects, 10 * objects};
          ASSERT_EQ(Read(stats_), expected)
              << static_cast<int>(source) << disk << references << sealed;
        }
      }
    }
  }
}

TEST_F(CollectorTest, DeletingWhatWasNeverCreatedIsAMistake) {
  auto object = MakeObject(10, kWorker, false);
  EXPECT_DEATH(stats_.OnObjectDeleting(*object), "Check failed");
}

TEST_F(CollectorTest, ShowsItsTotals) {
  auto &object = Create(10);
  Create(20);
  Add(object);
  EXPECT_EQ(stats_.GetNumBytesInUse(), 10);
  EXPECT_EQ(stats_.GetNumObjectsCreatedTotal(), 2);
  EXPECT_EQ(stats_.GetNumBytesCreatedTotal(), 30);
  EXPECT_EQ(stats_.GetNumBytesUnsealed(), 30);
  EXPECT_EQ(stats_.GetNumObjectsUnsealed(), 2);
}

TEST_F(CollectorTest, DumpsItsCounters) {
  auto &object = Create(10);
  Create(20, kRestored);
  auto &third = Create(40, flatbuf::ObjectSource::ReceivedFromRemoteRaylet);
  Create(80, flatbuf::ObjectSource::ErrorStoredByRaylet);
  Add(object);
  SealAndTell(object);
  SealAndTell(third);
  std::stringstream dump;
  dump << "before\n";
  stats_.GetDebugDump(dump);
  EXPECT_EQ(dump.str(),
            "before\n"
            "- objects spillable: 1\n"
            "- bytes spillable: 10\n"
            "- objects unsealed: 2\n"
            "- bytes unsealed: 100\n"
            "- objects in use: 1\n"
            "- bytes in use: 10\n"
            "- objects evictable: 1\n"
            "- bytes evictable: 40\n"
            "\n"
            "- objects created by worker: 1\n"
            "- bytes created by worker: 10\n"
            "- objects restored: 1\n"
            "- bytes restored: 20\n"
            "- objects received: 1\n"
            "- bytes received: 40\n"
            "- objects errored: 1\n"
            "- bytes errored: 80\n");
}

double Recorded(const std::string &series) {
  const auto recorded = ray::stats::RecordedMetrics();
  const auto found = recorded.find(series);
  return found == recorded.end() ? 0 : found->second;
}

void ExpectGauges(double memory_sealed,
                  double memory_unsealed,
                  double disk_sealed,
                  double disk_unsealed) {
  const std::string prefix = "object_store_memory{Location=";
  EXPECT_EQ(Recorded(prefix + "MMAP_SHM,ObjectState=SEALED}"), memory_sealed);
  EXPECT_EQ(Recorded(prefix + "MMAP_SHM,ObjectState=UNSEALED}"), memory_unsealed);
  EXPECT_EQ(Recorded(prefix + "MMAP_DISK,ObjectState=SEALED}"), disk_sealed);
  EXPECT_EQ(Recorded(prefix + "MMAP_DISK,ObjectState=UNSEALED}"), disk_unsealed);
}

TEST_F(CollectorTest, SetsTheGauges) {
  SealAndTell(Create(1));
  Create(2);
  SealAndTell(Create(4, kWorker, true));
  Create(8, kWorker, true);
  stats_.RecordMetrics();
  ExpectGauges(1, 2, 4, 8);
  SealAndTell(*objects_[1]);
  SealAndTell(*objects_[3]);
  stats_.RecordMetrics();
  ExpectGauges(3, 0, 12, 0);
}

TEST_F(CollectorTest, AddsToTheHistogramOfEachSource) {
  const char *names[] = {"CreatedByWorker",
                         "RestoredFromStorage",
                         "ReceivedFromRemoteRaylet",
                         "ErrorStoredByRaylet"};
  for (int i = 0; i < 4; i++) {
    const std::string series = std::string("object_store_dist{Source=") + names[i] + "}";
    const double before = Recorded(series);
    Create(10, kAllSources[i]);
    EXPECT_EQ(Recorded(series), before + 1);
  }
  const auto before = ray::stats::RecordedMetrics();
  Create(10, static_cast<flatbuf::ObjectSource>(99));
  EXPECT_EQ(ray::stats::RecordedMetrics(), before);
}

/// The counters inside of a manager over an allocator.
struct StatsInManagerTest : public ObjectStatsCollectorTest {
  const LocalObject *Create(int id, int64_t size, flatbuf::ObjectSource source = kWorker) {
    return manager_.CreateObject(Info(Id(id), size), source, true).first;
  }
  Expected Counters() const { return Read(StatsOf(manager_)); }

  DummyAllocator allocator_{100, 1000};
  ObjectLifecycleManager manager_{allocator_, [](const ObjectID &) {}};
};

TEST_F(StatsInManagerTest, AreUpToDateAfterEachStep) {
  Expected expected;
  EXPECT_EQ(Counters(), expected);
  Create(1, 10);
  expected.created_total = expected.created_by_worker = expected.unsealed = {1, 10};
  expected.memory_unsealed = 10;
  EXPECT_EQ(Counters(), expected);
  manager_.AddReference(Id(1));
  expected.in_use = {1, 10};
  EXPECT_EQ(Counters(), expected);
  manager_.SealObject(Id(1));
  expected.unsealed = {0, 0};
  expected.spillable = {1, 10};
  expected.memory_unsealed = 0;
  expected.memory_sealed = 10;
  EXPECT_EQ(Counters(), expected);
  EXPECT_EQ(manager_.SealObject(Id(1)), nullptr);
  EXPECT_EQ(Counters(), expected);
  manager_.RemoveReference(Id(1));
  expected.spillable = expected.in_use = {0, 0};
  expected.evictable = {1, 10};
  EXPECT_EQ(Counters(), expected);
  EXPECT_EQ(manager_.CreateObject(Info(Id(1), 10), kWorker, true).first, nullptr);
  EXPECT_EQ(Counters(), expected);
  manager_.DeleteObject(Id(1));
  expected = Expected();
  expected.created_total = {1, 10};
  EXPECT_EQ(Counters(), expected);
}

TEST_F(StatsInManagerTest, FollowAbortionEvictionAndFallback) {
  Create(1, 60);
  manager_.AddReference(Id(1));
  manager_.AbortObject(Id(1));
  Expected expected;
  expected.created_total = {1, 60};
  EXPECT_EQ(Counters(), expected);

  Create(2, 60);
  manager_.SealObject(Id(2));
  Create(3, 60, kRestored);  // Evicts 2.
  expected.created_total = {3, 180};
  expected.restored = expected.unsealed = {1, 60};
  expected.memory_unsealed = 60;
  EXPECT_EQ(Counters(), expected);

  manager_.AddReference(Id(3));
  ASSERT_TRUE(Create(4, 70)->GetAllocation().fallback_allocated_);
  manager_.SealObject(Id(4));
  expected.created_total = {4, 250};
  expected.in_use = {1, 60};
  expected.created_by_worker = expected.evictable = {1, 70};
  expected.disk_sealed = 70;
  EXPECT_EQ(Counters(), expected);
  EXPECT_EQ(CreatedCurrent(StatsOf(manager_)), 130);
}

TEST_F(StatsInManagerTest, AreWhatTheManagerTells) {
  Create(1, 10);
  Create(2, 20);
  manager_.AddReference(Id(2));
  EXPECT_EQ(manager_.GetNumBytesInUse(), 20);
  EXPECT_EQ(manager_.GetNumObjectsCreatedTotal(), 2);
  EXPECT_EQ(manager_.GetNumBytesCreatedTotal(), 30);
  EXPECT_EQ(manager_.GetNumBytesUnsealed(), 30);
  EXPECT_EQ(manager_.GetNumObjectsUnsealed(), 2);
  std::stringstream of_manager;
  std::stringstream of_stats;
  manager_.GetDebugDump(of_manager);
  StatsOf(manager_).GetDebugDump(of_stats);
  EXPECT_EQ(of_manager.str(), of_stats.str());
  EXPECT_NE(of_manager.str().find("- bytes unsealed: 30\n"), std::string::npos);
  manager_.RecordMetrics();
  ExpectGauges(0, 30, 0, 0);
}

TEST_F(StatsInManagerTest, EachObjectIsInTheHistogramOnce) {
  const std::string series = "object_store_dist{Source=CreatedByWorker}";
  const double before = Recorded(series);
  Create(1, 10);
  EXPECT_EQ(Recorded(series), before + 1);
  manager_.CreateObject(Info(Id(1), 10), kWorker, true);
  manager_.CreateObject(Info(Id(2), 5000), kWorker, true);
  EXPECT_EQ(Recorded(series), before + 1) << "no object was created";
}

TEST_F(StatsInManagerTest, MutableObjectsCountWithTheirHeader) {
  ASSERT_NE(manager_.CreateObject(Info(Id(1), 2, 1, true), kWorker, true).first, nullptr);
  EXPECT_EQ(manager_.GetNumBytesCreatedTotal(),
            3 + static_cast<int64_t>(sizeof(ray::PlasmaObjectHeader)));
}

TEST_F(StatsInManagerTest, MoveWithTheManager) {
  Create(1, 10);
  ObjectLifecycleManager moved(std::move(manager_));
  moved.CreateObject(Info(Id(2), 20), kWorker, true);
  EXPECT_EQ(Read(StatsOf(moved)).created_total, std::make_pair(int64_t{2}, int64_t{30}));
}

}  // namespace
}  // namespace plasma
