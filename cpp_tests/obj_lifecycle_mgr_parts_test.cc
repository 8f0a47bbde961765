// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// obj_lifecycle_mgr.h over a store, a policy and a collector from C++: which of them is called, how often
// and in which order. Somebody else's mocks count these calls.

#include <array>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "test_support.h"

namespace plasma {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using ::testing::_;
using ::testing::DoAll;
using ::testing::ElementsAre;
using ::testing::InSequence;
using ::testing::IsEmpty;
using ::testing::MockFunction;
using ::testing::Ref;
using ::testing::Return;
using ::testing::StrictMock;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

class MockStore : public IObjectStore {
 public:
  MOCK_METHOD(const LocalObject *,
              CreateObject,
              (const ray::ObjectInfo &, flatbuf::ObjectSource, bool),
              (override));
  MOCK_METHOD(const LocalObject *, GetObject, (const ObjectID &), (const, override));
  MOCK_METHOD(const LocalObject *, SealObject, (const ObjectID &), (override));
  MOCK_METHOD(bool, DeleteObject, (const ObjectID &), (override));
};

class MockPolicy : public IEvictionPolicy {
 public:
  MOCK_METHOD(void, ObjectCreated, (const ObjectID &), (override));
  MOCK_METHOD(int64_t, RequireSpace, (int64_t, std::vector<ObjectID> &), (override));
  MOCK_METHOD(void, BeginObjectAccess, (const ObjectID &), (override));
  MOCK_METHOD(void, EndObjectAccess, (const ObjectID &), (override));
  MOCK_METHOD(int64_t, ChooseObjectsToEvict, (int64_t, std::vector<ObjectID> &), (override));
  MOCK_METHOD(void, RemoveObject, (const ObjectID &), (override));
  MOCK_METHOD(std::string, DebugString, (), (const, override));
};

class MockStats : public ObjectStatsCollector {
 public:
  MOCK_METHOD(void, OnObjectCreated, (const LocalObject &), (override));
  MOCK_METHOD(void, OnObjectSealed, (const LocalObject &), (override));
  MOCK_METHOD(void, OnObjectDeleting, (const LocalObject &), (override));
};

/// Ray's headers let a class of this name give a manager its parts.
struct ObjectLifecycleManagerTest : public ::testing::Test {
  static ObjectLifecycleManager Over(std::unique_ptr<IObjectStore> store,
                                     std::unique_ptr<IEvictionPolicy> policy,
                                     ray::DeleteObjectCallback callback,
                                     std::unique_ptr<ObjectStatsCollector> stats) {
    return ObjectLifecycleManager(
        std::move(store), std::move(policy), std::move(callback), std::move(stats));
  }
  static auto &Eager(ObjectLifecycleManager &manager) {
    return manager.earger_deletion_objects_;
  }
  static void Evict(ObjectLifecycleManager &manager, const std::vector<ObjectID> &ids) {
    manager.EvictObjects(ids);
  }
  static std::unique_ptr<LocalObject> MakeObject(int id, int64_t size) {
    auto object = std::make_unique<LocalObject>(DummyAllocator::Make(size));
    object->object_info_ = Info(Id(id), size);
    return object;
  }
  static void Set(LocalObject &object, ObjectState state, int32_t references) {
    object.state_ = state;
    object.ref_count_ = references;
  }
};

namespace {

struct PartsTest : public ObjectLifecycleManagerTest {
  PartsTest() {
    auto store = std::make_unique<StrictMock<MockStore>>();
    auto policy = std::make_unique<StrictMock<MockPolicy>>();
    auto stats = std::make_unique<StrictMock<MockStats>>();
    store_ = store.get();
    policy_ = policy.get();
    stats_ = stats.get();
    manager_ = std::make_unique<ObjectLifecycleManager>(Over(std::move(store),
                                                             std::move(policy),
                                                             deleted_.AsStdFunction(),
                                                             std::move(stats)));
  }

  /// The calls that delete object 1, in order, after it was found.
  void ExpectDeletion(bool callback) {
    EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(object_.get()));
    EXPECT_CALL(*stats_, OnObjectDeleting(Ref(*object_)));
    EXPECT_CALL(*policy_, RemoveObject(Id(1)));
    EXPECT_CALL(*store_, DeleteObject(Id(1))).WillOnce(Return(true));
    if (callback) {
      EXPECT_CALL(deleted_, Call(Id(1)));
    }
  }

  void ExpectFound() {
    EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(object_.get()));
  }

  static auto Victims(std::vector<ObjectID> ids) {
    return [ids](int64_t, std::vector<ObjectID> &victims) {
      EXPECT_THAT(victims, IsEmpty());
      victims.insert(victims.end(), ids.begin(), ids.end());
    };
  }

  const InSequence in_this_order_;
  const std::unique_ptr<LocalObject> object_ = MakeObject(1, 10);
  StrictMock<MockFunction<void(const ObjectID &)>> deleted_;
  StrictMock<MockStore> *store_;
  StrictMock<MockPolicy> *policy_;
  StrictMock<MockStats> *stats_;
  std::unique_ptr<ObjectLifecycleManager> manager_;
};

TEST_F(PartsTest, CreationLooksCreatesAndTells) {
  const ray::ObjectInfo info = Info(Id(1), 10);
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_,
              CreateObject(info, flatbuf::ObjectSource::RestoredFromStorage, false))
      .WillOnce(Return(object_.get()));
  EXPECT_CALL(*policy_, ObjectCreated(Id(1)));
  EXPECT_CALL(*stats_, OnObjectCreated(Ref(*object_)));
  const auto created =
      manager_->CreateObject(info, flatbuf::ObjectSource::RestoredFromStorage, true);
  EXPECT_EQ(created.first, object_.get());
  EXPECT_EQ(created.second, PlasmaError::OK);
}

TEST_F(PartsTest, CreationOfWhatIsThereOnlyLooks) {
  ExpectFound();
  const auto created = manager_->CreateObject(Info(Id(1), 10), kWorker, true);
  EXPECT_EQ(created.first, nullptr);
  EXPECT_EQ(created.second, PlasmaError::ObjectExists);
}

TEST_F(PartsTest, CreationTriesElevenTimes) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  for (int i = 0; i < 11; i++) {
    EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
    EXPECT_CALL(*policy_, RequireSpace(10, _)).WillOnce(Return(0));
  }
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, false).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, CreationSucceedsAtTheEleventhTry) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  for (int i = 0; i < 10; i++) {
    EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
    EXPECT_CALL(*policy_, RequireSpace(10, _)).WillOnce(Return(-1));
  }
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(object_.get()));
  EXPECT_CALL(*policy_, ObjectCreated(Id(1)));
  EXPECT_CALL(*stats_, OnObjectCreated(Ref(*object_)));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, false).first, object_.get());
}

TEST_F(PartsTest, CreationGivesUpAtOnceWhenSpaceIsMissing) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(10, _)).WillOnce(Return(1));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, false).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, CreationFallsBackOnce) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(10, _)).WillOnce(Return(1));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, true)).WillOnce(Return(object_.get()));
  EXPECT_CALL(*policy_, ObjectCreated(Id(1)));
  EXPECT_CALL(*stats_, OnObjectCreated(Ref(*object_)));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, true).first, object_.get());
}

TEST_F(PartsTest, CreationFailsWhenTheFallbackDoes) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(10, _)).WillOnce(Return(1));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, true)).WillOnce(Return(nullptr));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, true).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, CreationEvictsTheVictimsAndTriesAgain) {
  const auto created = MakeObject(2, 20);
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  EXPECT_CALL(*store_, GetObject(Id(2))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(20, _))
      .WillOnce(DoAll(Victims({Id(1)}), Return(0)));
  ExpectFound();
  ExpectDeletion(/*callback=*/false);
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(created.get()));
  EXPECT_CALL(*policy_, ObjectCreated(Id(2)));
  EXPECT_CALL(*stats_, OnObjectCreated(Ref(*created)));
  EXPECT_CALL(deleted_, Call(Id(1)));  // Once, before the call returns.
  EXPECT_EQ(manager_->CreateObject(Info(Id(2), 20), kWorker, false).first, created.get());
}

TEST_F(PartsTest, VictimsAreEvictedEvenWhenThatIsNotEnough) {
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  EXPECT_CALL(*store_, GetObject(Id(2))).WillOnce(Return(nullptr));
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(20, _))
      .WillOnce(DoAll(Victims({Id(1)}), Return(5)));
  ExpectFound();
  ExpectDeletion(/*callback=*/true);
  EXPECT_EQ(manager_->CreateObject(Info(Id(2), 20), kWorker, false).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, EachRequestForSpaceStartsWithoutVictims) {
  const auto second = MakeObject(2, 10);
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  Set(*second, ObjectState::PLASMA_SEALED, 0);
  EXPECT_CALL(*store_, GetObject(Id(3))).WillOnce(Return(nullptr));
  for (const LocalObject *victim : {object_.get(), second.get()}) {
    const ObjectID id = victim->GetObjectInfo().object_id;
    EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
    EXPECT_CALL(*policy_, RequireSpace(30, _)).WillOnce(DoAll(Victims({id}), Return(0)));
    EXPECT_CALL(*store_, GetObject(id)).Times(2).WillRepeatedly(Return(victim));
    EXPECT_CALL(*stats_, OnObjectDeleting(Ref(*victim)));
    EXPECT_CALL(*policy_, RemoveObject(id));
    EXPECT_CALL(*store_, DeleteObject(id)).WillOnce(Return(true));
  }
  EXPECT_CALL(*store_, CreateObject(_, kWorker, false)).WillOnce(Return(nullptr));
  EXPECT_CALL(*policy_, RequireSpace(30, _)).WillOnce(DoAll(Victims({}), Return(1)));
  EXPECT_CALL(deleted_, Call(Id(1)));
  EXPECT_CALL(deleted_, Call(Id(2)));
  EXPECT_EQ(manager_->CreateObject(Info(Id(3), 30), kWorker, false).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, ImpossibleSizesReachNobody) {
  EXPECT_CALL(*store_, GetObject(Id(1))).Times(2).WillRepeatedly(Return(nullptr));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), -1), kWorker, true).second,
            PlasmaError::OutOfMemory);
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), INT64_MAX, 1), kWorker, true).second,
            PlasmaError::OutOfMemory);
}

TEST_F(PartsTest, LookingUpLooksUp) {
  ExpectFound();
  EXPECT_EQ(manager_->GetObject(Id(1)), object_.get());
  EXPECT_CALL(*store_, GetObject(Id(2))).WillOnce(Return(nullptr));
  EXPECT_EQ(manager_->GetObject(Id(2)), nullptr);
  ExpectFound();
  EXPECT_FALSE(manager_->IsObjectSealed(Id(1)));
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  ExpectFound();
  EXPECT_TRUE(manager_->IsObjectSealed(Id(1)));
}

TEST_F(PartsTest, SealingTellsTheCollectorWhenItWasDone) {
  EXPECT_CALL(*store_, SealObject(Id(1))).WillOnce(Return(object_.get()));
  EXPECT_CALL(*stats_, OnObjectSealed(Ref(*object_)));
  EXPECT_EQ(manager_->SealObject(Id(1)), object_.get());
  EXPECT_CALL(*store_, SealObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_EQ(manager_->SealObject(Id(1)), nullptr);
}

TEST_F(PartsTest, AbortionLooksTwiceAndTellsNobody) {
  Set(*object_, ObjectState::PLASMA_CREATED, 2);
  ExpectFound();
  ExpectDeletion(/*callback=*/false);
  EXPECT_EQ(manager_->AbortObject(Id(1)), PlasmaError::OK);
}

TEST_F(PartsTest, AbortionThatFailsOnlyLooks) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_EQ(manager_->AbortObject(Id(1)), PlasmaError::ObjectNonexistent);
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  ExpectFound();
  EXPECT_EQ(manager_->AbortObject(Id(1)), PlasmaError::ObjectSealed);
}

TEST_F(PartsTest, DeletionLooksTwiceAndTells) {
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  ExpectFound();
  ExpectDeletion(/*callback=*/true);
  EXPECT_EQ(manager_->DeleteObject(Id(1)), PlasmaError::OK);
}

TEST_F(PartsTest, DeletionOfWhatVanishesInBetweenIsAMistake) {
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  EXPECT_DEATH(
      {
        EXPECT_CALL(*store_, GetObject(Id(1)))
            .WillOnce(Return(object_.get()))
            .WillOnce(Return(nullptr));
        manager_->DeleteObject(Id(1));
      },
      "Check failed");
}

TEST_F(PartsTest, DeletionThatIsPutOffOnlyLooks) {
  EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
  EXPECT_EQ(manager_->DeleteObject(Id(1)), PlasmaError::ObjectNonexistent);
  EXPECT_TRUE(Eager(*manager_).empty());
  ExpectFound();
  EXPECT_EQ(manager_->DeleteObject(Id(1)), PlasmaError::ObjectNotSealed);
  EXPECT_EQ((std::vector<ObjectID>{Id(1)}), Eager(*manager_));
  Eager(*manager_).clear();
  Set(*object_, ObjectState::PLASMA_SEALED, 1);
  ExpectFound();
  EXPECT_EQ(manager_->DeleteObject(Id(1)), PlasmaError::ObjectInUse);
  EXPECT_EQ((std::vector<ObjectID>{Id(1)}), Eager(*manager_));
}

TEST_F(PartsTest, TheFirstReferenceBeginsTheAccess) {
  ExpectFound();
  EXPECT_CALL(*policy_, BeginObjectAccess(Id(1))).WillOnce([this](const ObjectID &) {
    EXPECT_EQ(object_->GetRefCount(), 0) << "the policy is told first";
  });
  EXPECT_TRUE(manager_->AddReference(Id(1)));
  EXPECT_EQ(object_->GetRefCount(), 1);
  ExpectFound();
  EXPECT_TRUE(manager_->AddReference(Id(1)));
  EXPECT_EQ(object_->GetRefCount(), 2);
  EXPECT_CALL(*store_, GetObject(Id(2))).WillOnce(Return(nullptr));
  EXPECT_FALSE(manager_->AddReference(Id(2)));
  EXPECT_EQ(manager_->GetNumBytesInUse(), 10) << "the collector from C++ was told";
}

TEST_F(PartsTest, TheLastReferenceEndsTheAccess) {
  Set(*object_, ObjectState::PLASMA_SEALED, 2);
  ExpectFound();
  EXPECT_TRUE(manager_->RemoveReference(Id(1)));
  EXPECT_EQ(object_->GetRefCount(), 1);
  ExpectFound();
  EXPECT_CALL(*policy_, EndObjectAccess(Id(1))).WillOnce([this](const ObjectID &) {
    EXPECT_EQ(object_->GetRefCount(), 0);
  });
  EXPECT_TRUE(manager_->RemoveReference(Id(1)));
  ExpectFound();
  EXPECT_FALSE(manager_->RemoveReference(Id(1)));
  EXPECT_CALL(*store_, GetObject(Id(2))).WillOnce(Return(nullptr));
  EXPECT_FALSE(manager_->RemoveReference(Id(2)));
}

TEST_F(PartsTest, TheLastReferenceDeletesWhatIsToBeDeleted) {
  Set(*object_, ObjectState::PLASMA_SEALED, 1);
  Eager(*manager_).emplace(Id(1));
  Eager(*manager_).emplace(Id(2));
  ExpectFound();
  EXPECT_CALL(*policy_, EndObjectAccess(Id(1)));
  ExpectDeletion(/*callback=*/true);
  EXPECT_TRUE(manager_->RemoveReference(Id(1)));
  EXPECT_EQ((std::vector<ObjectID>{Id(2)}), Eager(*manager_));
}

TEST_F(PartsTest, TheLastReferenceOfAnUnsealedObjectStays) {
  Set(*object_, ObjectState::PLASMA_CREATED, 1);
  EXPECT_DEATH(
      {
        EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(object_.get()));
        EXPECT_CALL(*policy_, EndObjectAccess(Id(1)));
        manager_->RemoveReference(Id(1));
      },
      "is not sealed while ref count becomes 0");
}

TEST_F(PartsTest, RequiringSpaceAsksThePolicyAndEvicts) {
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  EXPECT_CALL(*policy_, ChooseObjectsToEvict(55, _))
      .WillOnce(DoAll(Victims({Id(1)}), Return(77)));
  ExpectFound();
  ExpectDeletion(/*callback=*/true);
  EXPECT_EQ(manager_->RequireSpace(55), 77);
  EXPECT_CALL(*policy_, ChooseObjectsToEvict(-3, _)).WillOnce(Return(0));
  EXPECT_EQ(manager_->RequireSpace(-3), 0);
}

TEST_F(PartsTest, OnlySealedUnusedObjectsAreEvicted) {
  const auto evict = [this] {
    EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(object_.get()));
    Evict(*manager_, {Id(1)});
  };
  EXPECT_DEATH(evict(), "To evict an object it must have been sealed");
  Set(*object_, ObjectState::PLASMA_SEALED, 1);
  EXPECT_DEATH(evict(), "there must be no clients currently using it");
  EXPECT_DEATH(
      {
        EXPECT_CALL(*store_, GetObject(Id(1))).WillOnce(Return(nullptr));
        Evict(*manager_, {Id(1)});
      },
      "To evict an object it must be in the object table");
}

TEST_F(PartsTest, ThePolicyDescribesItself) {
  EXPECT_CALL(*policy_, DebugString()).WillOnce(Return("my policy"));
  EXPECT_EQ(manager_->EvictionPolicyDebugString(), "my policy");
}

TEST_F(PartsTest, AMovedManagerKeepsItsParts) {
  ObjectLifecycleManager moved(std::move(*manager_));
  manager_.reset();
  Set(*object_, ObjectState::PLASMA_SEALED, 0);
  ExpectFound();
  ExpectDeletion(/*callback=*/true);
  EXPECT_EQ(moved.DeleteObject(Id(1)), PlasmaError::OK);
}

TEST_F(PartsTest, IdsCarryTheirHashAcross) {
  const ObjectID id = Id(1);
  const size_t hash = id.Hash();
  EXPECT_CALL(*store_, GetObject(_)).WillOnce([&](const ObjectID &seen) {
    EXPECT_EQ(seen, id);
    EXPECT_EQ(seen.Hash(), hash);
    return object_.get();
  });
  EXPECT_EQ(manager_->GetObject(id), object_.get());
}

/// Our own parts, but put together in C++ instead of in Rust: they have to behave the same.
TEST(AssembledManagerTest, DoesWhatAManagerOverAnAllocatorDoes) {
  struct Fixture : public ObjectLifecycleManagerTest {
    void TestBody() override {}
  };
  DummyAllocator allocator(100, 1000);
  std::vector<ObjectID> deleted;
  auto store = std::make_unique<ObjectStore>(allocator);
  auto policy = std::make_unique<EvictionPolicy>(*store, allocator);
  ObjectLifecycleManager manager =
      Fixture::Over(std::move(store),
                    std::move(policy),
                    [&deleted](const ObjectID &id) { deleted.push_back(id); },
                    std::make_unique<ObjectStatsCollector>());
  for (int i = 1; i <= 10; i++) {
    EXPECT_EQ(manager.CreateObject(Info(Id(i), 10), kWorker, false).second, PlasmaError::OK);
    EXPECT_TRUE(manager.AddReference(Id(i)));
    EXPECT_NE(manager.SealObject(Id(i)), nullptr);
    EXPECT_TRUE(manager.RemoveReference(Id(i)));
  }
  EXPECT_TRUE(manager.AddReference(Id(1)));
  EXPECT_EQ(manager.CreateObject(Info(Id(11), 25), kWorker, false).second, PlasmaError::OK);
  EXPECT_THAT(deleted, ElementsAre(Id(2), Id(3), Id(4)));
  EXPECT_EQ(manager.GetNumBytesInUse(), 10);
  EXPECT_EQ(manager.GetNumObjectsCreatedTotal(), 11);
  EXPECT_EQ(manager.GetNumBytesUnsealed(), 25);
  EXPECT_EQ(manager.DeleteObject(Id(1)), PlasmaError::ObjectInUse);
  EXPECT_TRUE(manager.RemoveReference(Id(1)));
  EXPECT_EQ(manager.GetObject(Id(1)), nullptr);
  EXPECT_THAT(deleted, ElementsAre(Id(2), Id(3), Id(4), Id(1)));
}

}  // namespace
}  // namespace plasma
