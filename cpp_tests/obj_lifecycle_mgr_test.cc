// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// obj_lifecycle_mgr.h over an allocator: create, seal, abort, delete, references, eviction, and who is told.

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"

#include <set>
#include <unordered_set>

#include "test_support.h"

namespace plasma {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

/// Ray's headers let a class of this name see the private part of the manager.
struct ObjectLifecycleManagerTest : public ::testing::Test {
  static auto &Eager(ObjectLifecycleManager &manager) {
    return manager.earger_deletion_objects_;
  }
  static void Evict(ObjectLifecycleManager &manager, const std::vector<ObjectID> &ids) {
    manager.EvictObjects(ids);
  }
  static IObjectStore &StoreOf(ObjectLifecycleManager &manager) {
    return *manager.object_store_;
  }
};

namespace {

/// A manager of 100 bytes in memory and 1000 on disk.
struct ManagerTest : public ObjectLifecycleManagerTest {
  PlasmaError Create(int id, int64_t size, bool fallback = false) {
    const auto [object, error] =
        manager_.CreateObject(Info(Id(id), size), kWorker, fallback);
    EXPECT_EQ(object == nullptr, error != PlasmaError::OK);
    return error;
  }

  /// Creates a sealed object that nobody uses.
  void CreateSealed(int id, int64_t size) {
    EXPECT_EQ(Create(id, size), PlasmaError::OK);
    EXPECT_NE(manager_.SealObject(Id(id)), nullptr);
  }

  bool Exists(int id) const { return manager_.GetObject(Id(id)) != nullptr; }

  DummyAllocator allocator_{100, 1000};
  std::vector<ObjectID> deleted_;
  ObjectLifecycleManager manager_{allocator_,
                                  [this](const ObjectID &id) { deleted_.push_back(id); }};
};

TEST_F(ManagerTest, CreatesAnUnsealedObjectWithoutReferences) {
  const auto [object, error] = manager_.CreateObject(
      Info(Id(1), 10, 5), flatbuf::ObjectSource::ReceivedFromRemoteRaylet, false);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(error, PlasmaError::OK);
  EXPECT_EQ(object->GetObjectInfo().object_id, Id(1));
  EXPECT_EQ(object->GetObjectSize(), 15);
  EXPECT_EQ(object->GetSource(), flatbuf::ObjectSource::ReceivedFromRemoteRaylet);
  EXPECT_EQ(object->GetRefCount(), 0);
  EXPECT_FALSE(object->Sealed());
  EXPECT_EQ(manager_.GetObject(Id(1)), object);
  EXPECT_FALSE(manager_.IsObjectSealed(Id(1)));
  EXPECT_EQ(StoreOf(manager_).GetObject(Id(1)), object);
  EXPECT_EQ(allocator_.Allocated(), 15);
}

TEST_F(ManagerTest, AnIdIsCreatedOnce) {
  EXPECT_EQ(Create(1, 10), PlasmaError::OK);
  EXPECT_EQ(Create(1, 10), PlasmaError::ObjectExists);
  EXPECT_EQ(Create(1, 5000, true), PlasmaError::ObjectExists);
  manager_.SealObject(Id(1));
  EXPECT_EQ(Create(1, 10), PlasmaError::ObjectExists);
  EXPECT_EQ(manager_.CreateObject(manager_.GetObject(Id(1))->GetObjectInfo(), kWorker, true)
                .second,
            PlasmaError::ObjectExists);
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::OK);
  EXPECT_EQ(Create(1, 10), PlasmaError::OK);
}

TEST_F(ManagerTest, SealsOnce) {
  Create(1, 10);
  const LocalObject *object = manager_.GetObject(Id(1));
  EXPECT_EQ(manager_.SealObject(Id(2)), nullptr);
  EXPECT_EQ(manager_.SealObject(Id(1)), object);
  EXPECT_TRUE(object->Sealed());
  EXPECT_TRUE(manager_.IsObjectSealed(Id(1)));
  EXPECT_FALSE(manager_.IsObjectSealed(Id(2)));
  EXPECT_EQ(manager_.SealObject(Id(1)), nullptr);
}

TEST_F(ManagerTest, AbortsWhatIsNotSealedWhoeverUsesIt) {
  EXPECT_EQ(manager_.AbortObject(Id(1)), PlasmaError::ObjectNonexistent);
  Create(1, 10);
  Create(2, 10);
  manager_.AddReference(Id(2));
  manager_.AddReference(Id(2));
  EXPECT_EQ(manager_.GetNumBytesInUse(), 10);
  EXPECT_EQ(manager_.AbortObject(Id(1)), PlasmaError::OK);
  EXPECT_EQ(manager_.AbortObject(Id(2)), PlasmaError::OK);
  EXPECT_EQ(manager_.GetNumBytesInUse(), 0);
  EXPECT_EQ(manager_.AbortObject(Id(2)), PlasmaError::ObjectNonexistent);
  EXPECT_FALSE(Exists(1));
  EXPECT_FALSE(Exists(2));
  EXPECT_EQ(allocator_.NumLive(), 0u);
  EXPECT_THAT(deleted_, IsEmpty()) << "nobody is told of what was never sealed";
}

TEST_F(ManagerTest, DoesNotAbortWhatIsSealed) {
  CreateSealed(1, 10);
  EXPECT_EQ(manager_.AbortObject(Id(1)), PlasmaError::ObjectSealed);
  EXPECT_TRUE(Exists(1));
}

TEST_F(ManagerTest, DeletesASealedObjectThatNobodyUsesAtOnce) {
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectNonexistent);
  CreateSealed(1, 10);
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::OK);
  EXPECT_FALSE(Exists(1));
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectNonexistent);
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
  EXPECT_EQ(allocator_.NumLive(), 0u);
}

TEST_F(ManagerTest, DeletesAnObjectInUseWhenItsLastUserHasGone) {
  CreateSealed(1, 10);
  for (int i = 0; i < 3; i++) {
    EXPECT_TRUE(manager_.AddReference(Id(1)));
  }
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectInUse);
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectInUse);
  EXPECT_THAT(Eager(manager_), UnorderedElementsAre(Id(1)));
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_TRUE(Exists(1));
  EXPECT_THAT(deleted_, IsEmpty());
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_FALSE(Exists(1));
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
  EXPECT_TRUE(Eager(manager_).empty());
}

TEST_F(ManagerTest, DeletesAnUnsealedObjectAfterItWasSealedAndUsed) {
  Create(1, 10);
  manager_.AddReference(Id(1));
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectNotSealed);
  EXPECT_TRUE(Eager(manager_).contains(Id(1)));
  EXPECT_NE(manager_.SealObject(Id(1)), nullptr);
  EXPECT_TRUE(Exists(1)) << "it is still used";
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_FALSE(Exists(1));
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
}

TEST_F(ManagerTest, AnAbortedObjectIsNoLongerToBeDeleted) {
  Create(1, 10);
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectNotSealed);
  EXPECT_EQ(manager_.AbortObject(Id(1)), PlasmaError::OK);
  EXPECT_TRUE(Eager(manager_).empty());
  CreateSealed(1, 10);
  manager_.AddReference(Id(1));
  manager_.RemoveReference(Id(1));
  EXPECT_TRUE(Exists(1)) << "the new object of the same id is another one";
  EXPECT_THAT(deleted_, IsEmpty());
}

TEST_F(ManagerTest, AnEvictedObjectIsNoLongerToBeDeleted) {
  Create(1, 10);
  EXPECT_EQ(manager_.DeleteObject(Id(1)), PlasmaError::ObjectNotSealed);
  manager_.SealObject(Id(1));
  EXPECT_EQ(manager_.RequireSpace(1), 10);
  EXPECT_TRUE(Eager(manager_).empty());
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
}

TEST_F(ManagerTest, CountsReferences) {
  EXPECT_FALSE(manager_.AddReference(Id(1)));
  EXPECT_FALSE(manager_.RemoveReference(Id(1)));
  CreateSealed(1, 10);
  const LocalObject *object = manager_.GetObject(Id(1));
  EXPECT_FALSE(manager_.RemoveReference(Id(1)));
  EXPECT_TRUE(manager_.AddReference(Id(1)));
  EXPECT_TRUE(manager_.AddReference(Id(1)));
  EXPECT_EQ(object->GetRefCount(), 2);
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_EQ(object->GetRefCount(), 0);
  EXPECT_FALSE(manager_.RemoveReference(Id(1)));
  EXPECT_EQ(object->GetRefCount(), 0);
  EXPECT_TRUE(Exists(1));
}

TEST_F(ManagerTest, TheLastReferenceOfAnUnsealedObjectStays) {
  Create(1, 10);
  manager_.AddReference(Id(1));
  manager_.AddReference(Id(1));
  EXPECT_TRUE(manager_.RemoveReference(Id(1)));
  EXPECT_DEATH(manager_.RemoveReference(Id(1)),
               Id(1).Hex() + " is not sealed while ref count becomes 0");
}

TEST_F(ManagerTest, EvictsTheOldestForANewObject) {
  for (int i = 1; i <= 10; i++) {
    CreateSealed(i, 10);
  }
  EXPECT_EQ(Create(11, 25), PlasmaError::OK);
  EXPECT_THAT(deleted_, ElementsAre(Id(1), Id(2), Id(3)));
  EXPECT_EQ(allocator_.Allocated(), 95);
}

TEST_F(ManagerTest, EvictsAFifthOfTheCapacityAtLeast) {
  for (int i = 1; i <= 20; i++) {
    CreateSealed(i, 5);
  }
  EXPECT_EQ(Create(21, 1), PlasmaError::OK);
  EXPECT_THAT(deleted_, ElementsAre(Id(1), Id(2), Id(3), Id(4)));
}

TEST_F(ManagerTest, EvictsByTheTimeOfRelease) {
  for (int i = 1; i <= 4; i++) {
    CreateSealed(i, 25);
  }
  manager_.AddReference(Id(1));
  manager_.AddReference(Id(2));
  manager_.RemoveReference(Id(1));
  EXPECT_EQ(Create(5, 75), PlasmaError::OK);
  EXPECT_THAT(deleted_, ElementsAre(Id(3), Id(4), Id(1))) << "2 is used";
}

TEST_F(ManagerTest, UsesTheDiskOnlyWhenItIsAllowedAndNothingElseHelps) {
  CreateSealed(1, 60);
  manager_.AddReference(Id(1));
  EXPECT_EQ(Create(2, 50, false), PlasmaError::OutOfMemory);
  EXPECT_FALSE(Exists(2));
  EXPECT_EQ(allocator_.Allocated(), 60);
  EXPECT_EQ(Create(2, 50, true), PlasmaError::OK);
  EXPECT_TRUE(manager_.GetObject(Id(2))->GetAllocation().fallback_allocated_);
  EXPECT_EQ(allocator_.FallbackAllocated(), 50);
  EXPECT_EQ(Create(3, 30, true), PlasmaError::OK);
  EXPECT_FALSE(manager_.GetObject(Id(3))->GetAllocation().fallback_allocated_);
  EXPECT_EQ(Create(4, 951, true), PlasmaError::OutOfMemory);
  EXPECT_EQ(Create(4, 950, true), PlasmaError::OK);
  EXPECT_THAT(deleted_, IsEmpty());
}

TEST_F(ManagerTest, WhatLiesOnDiskIsFreedAsWell) {
  CreateSealed(1, 100);
  manager_.AddReference(Id(1));
  Create(2, 50, true);
  manager_.SealObject(Id(2));
  EXPECT_EQ(manager_.DeleteObject(Id(2)), PlasmaError::OK);
  EXPECT_EQ(allocator_.FallbackAllocated(), 0);
  EXPECT_EQ(allocator_.NumLive(), 1u);
}

TEST_F(ManagerTest, NothingIsEvictedForWhatCanNeverFit) {
  CreateSealed(1, 60);
  EXPECT_EQ(Create(2, 101), PlasmaError::OutOfMemory);
  EXPECT_EQ(Create(2, 5000, true), PlasmaError::OutOfMemory);
  EXPECT_TRUE(Exists(1));
  EXPECT_THAT(deleted_, IsEmpty());
}

TEST_F(ManagerTest, EvictingWhatIsNotSealedIsAMistake) {
  Create(1, 60);
  EXPECT_DEATH(Create(2, 60), "To evict an object it must have been sealed");
  EXPECT_DEATH(manager_.RequireSpace(1), "To evict an object it must have been sealed");
  EXPECT_DEATH(Evict(manager_, {Id(1)}), "To evict an object it must have been sealed");
}

TEST_F(ManagerTest, EvictingWhatIsUsedIsAMistake) {
  CreateSealed(1, 60);
  manager_.AddReference(Id(1));
  EXPECT_DEATH(Evict(manager_, {Id(1)}),
               "To evict an object, there must be no clients currently using it");
}

TEST_F(ManagerTest, EvictingWhatIsNotThereIsAMistake) {
  EXPECT_DEATH(Evict(manager_, {Id(1)}),
               "To evict an object it must be in the object table");
  CreateSealed(2, 10);
  EXPECT_DEATH(Evict(manager_, {Id(2), Id(2)}),
               "To evict an object it must be in the object table");
}

TEST_F(ManagerTest, EvictsWhatItIsTold) {
  for (int i = 1; i <= 4; i++) {
    CreateSealed(i, 10);
  }
  Evict(manager_, {});
  Evict(manager_, {Id(3), Id(1)});
  EXPECT_THAT(deleted_, ElementsAre(Id(3), Id(1)));
  EXPECT_EQ(manager_.RequireSpace(1000), 20);
  EXPECT_THAT(deleted_, ElementsAre(Id(3), Id(1), Id(2), Id(4)));
}

TEST_F(ManagerTest, RequireSpaceEvictsAsMuchAsItIsAskedFor) {
  for (int i = 1; i <= 5; i++) {
    CreateSealed(i, 10);
  }
  EXPECT_EQ(manager_.RequireSpace(0), 0);
  EXPECT_EQ(manager_.RequireSpace(-1), 0);
  EXPECT_EQ(manager_.RequireSpace(10), 10);
  EXPECT_EQ(manager_.RequireSpace(11), 20);
  EXPECT_THAT(deleted_, ElementsAre(Id(1), Id(2), Id(3)));
  EXPECT_EQ(manager_.RequireSpace(1000), 20);
  EXPECT_EQ(allocator_.Allocated(), 0);
}

TEST_F(ManagerTest, DescribesItsPolicy) {
  CreateSealed(1, 10);
  CreateSealed(2, 30);
  manager_.AddReference(Id(2));
  CreateSealed(3, 7);
  manager_.RequireSpace(1);
  EXPECT_EQ(manager_.EvictionPolicyDebugString(),
            "\n(global lru) capacity: 100"
            "\n(global lru) used: 7%"
            "\n(global lru) num objects: 1"
            "\n(global lru) num evictions: 1"
            "\n(global lru) bytes evicted: 10");
}

TEST_F(ManagerTest, IdsMayBeThoseInsideOfTheObjects) {
  const auto inside = [this](int id) -> const ObjectID & {
    return manager_.GetObject(Id(id))->GetObjectInfo().object_id;
  };
  Create(1, 10);
  EXPECT_EQ(manager_.AbortObject(inside(1)), PlasmaError::OK);
  Create(2, 10);
  EXPECT_TRUE(manager_.AddReference(inside(2)));
  EXPECT_NE(manager_.SealObject(inside(2)), nullptr);
  EXPECT_EQ(manager_.DeleteObject(inside(2)), PlasmaError::ObjectInUse);
  EXPECT_TRUE(manager_.RemoveReference(inside(2)));
  CreateSealed(3, 10);
  EXPECT_EQ(manager_.DeleteObject(inside(3)), PlasmaError::OK);
  EXPECT_THAT(deleted_, ElementsAre(Id(2), Id(3)));
}

TEST_F(ManagerTest, TheViewOfEagerDeletionsIsASet) {
  auto &view = Eager(manager_);
  EXPECT_TRUE(view.empty());
  EXPECT_TRUE(view.begin() == view.end());
  EXPECT_TRUE(view.emplace(Id(1)));
  EXPECT_FALSE(view.emplace(Id(1)));
  EXPECT_TRUE(view.insert(Id(2)));
  EXPECT_EQ(view.size(), 2u);
  EXPECT_EQ(view.count(Id(1)), 1u);
  EXPECT_EQ(view.count(Id(3)), 0u);
  EXPECT_TRUE(view.contains(Id(2)));
  const std::unordered_set<ObjectID> same = {Id(2), Id(1)};
  const std::unordered_set<ObjectID> fewer = {Id(1)};
  const std::unordered_set<ObjectID> other = {Id(1), Id(3)};
  EXPECT_EQ(same, view);
  EXPECT_FALSE(fewer == view);
  EXPECT_FALSE(other == view);
  EXPECT_EQ((std::vector<ObjectID>{Id(1), Id(2)}), view);
  std::unordered_set<ObjectID> walked;
  for (const ObjectID &id : view) {
    walked.insert(id);
  }
  EXPECT_EQ(walked, same);
  EXPECT_EQ(view.erase(Id(1)), 1u);
  EXPECT_EQ(view.erase(Id(1)), 0u);
  view.clear();
  EXPECT_TRUE(view.empty());
  EXPECT_EQ(std::unordered_set<ObjectID>(), view);
}

TEST_F(ManagerTest, WhatIsPutIntoTheViewIsDeletedEagerly) {
  CreateSealed(1, 10);
  CreateSealed(2, 10);
  Eager(manager_).emplace(Id(1));
  Eager(manager_).emplace(Id(2));
  Eager(manager_).erase(Id(2));
  for (const int id : {1, 2}) {
    manager_.AddReference(Id(id));
    manager_.RemoveReference(Id(id));
  }
  EXPECT_FALSE(Exists(1));
  EXPECT_TRUE(Exists(2));
  EXPECT_THAT(deleted_, ElementsAre(Id(1)));
}

TEST_F(ManagerTest, MovesWithItsObjects) {
  CreateSealed(1, 60);
  Create(2, 10);
  manager_.DeleteObject(Id(2));
  const LocalObject *object = manager_.GetObject(Id(1));
  ObjectLifecycleManager moved(std::move(manager_));
  EXPECT_EQ(moved.GetObject(Id(1)), object);
  EXPECT_EQ(StoreOf(moved).GetObject(Id(1)), object);
  EXPECT_THAT(Eager(moved), UnorderedElementsAre(Id(2)));
  EXPECT_EQ(moved.GetNumObjectsCreatedTotal(), 2);
  EXPECT_NE(moved.SealObject(Id(2)), nullptr);
  EXPECT_EQ(moved.CreateObject(Info(Id(3), 95), kWorker, false).second, PlasmaError::OK);
  EXPECT_THAT(deleted_, ElementsAre(Id(1), Id(2)));
}

TEST_F(ManagerTest, MovesToTheHeapAndOutlivesWhereItWas) {
  std::unique_ptr<IObjectLifecycleManager> heap;
  {
    ObjectLifecycleManager local(allocator_, [](const ObjectID &) {});
    local.CreateObject(Info(Id(1), 10), kWorker, false);
    heap = std::make_unique<ObjectLifecycleManager>(std::move(local));
  }
  EXPECT_NE(heap->GetObject(Id(1)), nullptr);
  EXPECT_EQ(heap->AbortObject(Id(1)), PlasmaError::OK);
}

TEST_F(ManagerTest, AManagerThatGoesTellsNobody) {
  int told = 0;
  {
    ObjectLifecycleManager manager(allocator_, [&told](const ObjectID &) { told++; });
    ray::ObjectInfo info = Info(Id(1), 10);
    info.owner_ip_address = "a text that has to be freed together with the object it is in";
    manager.CreateObject(info, kWorker, false);
    manager.SealObject(Id(1));
    manager.CreateObject(Info(Id(2), 10), kWorker, false);
  }
  EXPECT_EQ(told, 0);
}

TEST_F(ManagerTest, TheObjectHasGoneWhenTheCallbackIsCalled) {
  bool was_there = true;
  std::unique_ptr<ObjectLifecycleManager> manager;
  manager = std::make_unique<ObjectLifecycleManager>(
      allocator_, [&](const ObjectID &id) { was_there = manager->GetObject(id) != nullptr; });
  manager->CreateObject(Info(Id(1), 10), kWorker, false);
  manager->SealObject(Id(1));
  manager->DeleteObject(Id(1));
  EXPECT_FALSE(was_there);
}

TEST_F(ManagerTest, TheCallbackMayCallTheManager) {
  // Each object that goes takes the next one with it, and is created anew at the end.
  std::vector<ObjectID> told;
  std::unique_ptr<ObjectLifecycleManager> manager;
  manager = std::make_unique<ObjectLifecycleManager>(allocator_, [&](const ObjectID &id) {
    told.push_back(id);
    EXPECT_EQ(manager->GetObject(id), nullptr);
    for (int next = 1; next <= 5; next++) {
      if (manager->IsObjectSealed(Id(next))) {
        EXPECT_EQ(manager->DeleteObject(Id(next)), PlasmaError::OK);
        break;
      }
    }
    EXPECT_EQ(manager->CreateObject(Info(id, 10), kWorker, false).second, PlasmaError::OK);
  });
  for (int i = 1; i <= 5; i++) {
    manager->CreateObject(Info(Id(i), 10), kWorker, false);
    manager->SealObject(Id(i));
  }
  EXPECT_EQ(manager->DeleteObject(Id(3)), PlasmaError::OK);
  EXPECT_THAT(told, UnorderedElementsAre(Id(1), Id(2), Id(3), Id(4), Id(5)));
  for (int i = 1; i <= 5; i++) {
    EXPECT_NE(manager->GetObject(Id(i)), nullptr);
    EXPECT_FALSE(manager->IsObjectSealed(Id(i)));
  }
}

TEST_F(ManagerTest, TheCallbackMayCreateWhileOthersAreEvicted) {
  std::vector<ObjectID> told;
  std::unique_ptr<ObjectLifecycleManager> manager;
  int next = 100;
  manager = std::make_unique<ObjectLifecycleManager>(allocator_, [&](const ObjectID &id) {
    told.push_back(id);
    manager->CreateObject(Info(Id(next++), 1), kWorker, true);
  });
  for (int i = 1; i <= 10; i++) {
    manager->CreateObject(Info(Id(i), 10), kWorker, false);
    manager->SealObject(Id(i));
  }
  const auto created = manager->CreateObject(Info(Id(11), 45), kWorker, false);
  ASSERT_NE(created.first, nullptr);
  EXPECT_EQ(created.first->GetObjectInfo().object_id, Id(11));
  EXPECT_THAT(told, ElementsAre(Id(1), Id(2), Id(3), Id(4), Id(5)));
  for (int i = 100; i < 105; i++) {
    EXPECT_NE(manager->GetObject(Id(i)), nullptr);
  }
}

TEST_F(ManagerTest, MutableObjectsHaveAFreshHeader) {
  const auto created = manager_.CreateObject(
      Info(Id(1), 2, 1, /*is_mutable=*/true), kWorker, false);
  ASSERT_NE(created.first, nullptr);
  EXPECT_EQ(created.first->GetObjectSize(),
            3 + static_cast<int64_t>(sizeof(ray::PlasmaObjectHeader)));
  EXPECT_EQ(created.first->GetPlasmaObjectHeader()->version, 0);
  EXPECT_FALSE(created.first->GetPlasmaObjectHeader()->is_sealed);
}

TEST_F(ManagerTest, ObjectsKeepTheirAddress) {
  std::map<int, const LocalObject *> objects;
  DummyAllocator allocator(kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  for (int i = 0; i < 2000; i++) {
    objects[i] = manager.CreateObject(Info(Id(i), 1), kWorker, false).first;
    if (i % 3 == 0) {
      manager.AbortObject(Id(i / 3));
      objects.erase(i / 3);
    }
  }
  for (const auto &[id, object] : objects) {
    ASSERT_EQ(manager.GetObject(Id(id)), object);
    ASSERT_EQ(object->GetObjectInfo().object_id, Id(id));
  }
}

/// The same over the real allocator.
struct ManagerOverOurAllocatorTest : public ManagerTest {
  static constexpr int64_t kLimit = 2 * kMiB + 2048;

  PlasmaAllocator ours_{plasma_tests::SharedMemory(), "/tmp", false, kLimit};
  std::vector<ObjectID> gone_;
  ObjectLifecycleManager real_{ours_, [this](const ObjectID &id) { gone_.push_back(id); }};
};

TEST_F(ManagerOverOurAllocatorTest, HoldsTwoMebibytesAndEvictsForTheThird) {
  for (int i = 1; i <= 3; i++) {
    EXPECT_EQ(real_.CreateObject(Info(Id(i), kMiB), kWorker, false).second, PlasmaError::OK);
    real_.SealObject(Id(i));
    EXPECT_EQ(gone_.size(), i == 3 ? 1u : 0u);
  }
  EXPECT_THAT(gone_, ElementsAre(Id(1)));
  EXPECT_EQ(ours_.Allocated(), 2 * kMiB);
}

TEST_F(ManagerOverOurAllocatorTest, FallsBackToDiskAndBack) {
  for (int i = 1; i <= 3; i++) {
    EXPECT_EQ(real_.CreateObject(Info(Id(i), kMiB), kWorker, true).second, PlasmaError::OK);
    real_.AddReference(Id(i));
    real_.SealObject(Id(i));
  }
  EXPECT_TRUE(real_.GetObject(Id(3))->GetAllocation().fallback_allocated_);
  EXPECT_EQ(ours_.FallbackAllocated(), kMiB);
  EXPECT_EQ(ours_.Allocated(), 3 * kMiB);
  EXPECT_THAT(gone_, IsEmpty());
  for (int i = 1; i <= 3; i++) {
    EXPECT_EQ(real_.DeleteObject(Id(i)), PlasmaError::ObjectInUse);
    real_.RemoveReference(Id(i));
  }
  EXPECT_THAT(gone_, ElementsAre(Id(1), Id(2), Id(3)));
  EXPECT_EQ(ours_.Allocated(), 0);
  EXPECT_EQ(ours_.FallbackAllocated(), 0);
}

TEST_F(ManagerOverOurAllocatorTest, TwoManagersShareAnAllocator) {
  ObjectLifecycleManager other(ours_, [](const ObjectID &) { FAIL(); });
  EXPECT_EQ(real_.CreateObject(Info(Id(1), kMiB), kWorker, false).second, PlasmaError::OK);
  EXPECT_EQ(other.CreateObject(Info(Id(1), kMiB), kWorker, false).second, PlasmaError::OK);
  other.AddReference(Id(1));
  EXPECT_EQ(other.CreateObject(Info(Id(2), kKiB * 4), kWorker, false).second,
            PlasmaError::OutOfMemory);
  EXPECT_EQ(real_.AbortObject(Id(1)), PlasmaError::OK);
  EXPECT_NE(other.GetObject(Id(1)), nullptr);
  EXPECT_EQ(ours_.Allocated(), kMiB);
}

}  // namespace
}  // namespace plasma
