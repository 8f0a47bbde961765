// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// eviction_policy.h: what goes first, and what is a mistake.

#include "ray/object_manager/plasma/eviction_policy.h"

#include <limits>
#include <random>
#include <sstream>

#include "test_support.h"

namespace plasma {

using plasma_tests::Id;
using plasma_tests::Info;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::NiceMock;
using ::testing::Return;

/// Ray's headers let a class of this name make objects as only a store can.
struct ObjectLifecycleManagerTest : public ::testing::Test {
  static std::unique_ptr<LocalObject> MakeObject(const ObjectID &id, int64_t size) {
    auto object = std::make_unique<LocalObject>(DummyAllocator::Make(size));
    object->object_info_ = Info(id, size);
    return object;
  }
};

/// Ray's header lets a class of this name see the private part of the policy.
class EvictionPolicyTest_Test_Test {
 public:
  static bool IsObjectExists(const EvictionPolicy &policy, const ObjectID &id) {
    return policy.IsObjectExists(id);
  }
  static int64_t GetObjectSize(const EvictionPolicy &policy, const ObjectID &id) {
    return policy.GetObjectSize(id);
  }
};

namespace {

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

std::vector<ObjectID> Keys(LRUCache &cache) {
  std::vector<ObjectID> keys;
  cache.Foreach([&keys](const ObjectID &key) { keys.push_back(key); });
  return keys;
}

std::vector<ObjectID> Choose(LRUCache &cache, int64_t bytes, int64_t expected_bytes) {
  std::vector<ObjectID> chosen;
  EXPECT_EQ(cache.ChooseObjectsToEvict(bytes, chosen), expected_bytes);
  return chosen;
}

TEST(LRUCacheTest, IsEmptyAtFirst) {
  LRUCache cache("a name", 1000);
  EXPECT_EQ(cache.OriginalCapacity(), 1000);
  EXPECT_EQ(cache.Capacity(), 1000);
  EXPECT_EQ(cache.RemainingCapacity(), 1000);
  EXPECT_FALSE(cache.Exists(Id(1)));
  EXPECT_THAT(Keys(cache), IsEmpty());
  EXPECT_THAT(Choose(cache, 1, 0), IsEmpty());
}

TEST(LRUCacheTest, TellsTheSizeOfWhatItRemovesOrMinusOne) {
  LRUCache cache("cache", 1000);
  EXPECT_EQ(cache.Remove(Id(1)), -1);
  cache.Add(Id(1), 10);
  cache.Add(Id(2), 0);
  EXPECT_EQ(cache.Remove(Id(3)), -1);
  EXPECT_EQ(cache.Remove(Id(1)), 10);
  EXPECT_EQ(cache.Remove(Id(1)), -1);
  EXPECT_EQ(cache.Remove(Id(2)), 0);
  EXPECT_EQ(cache.RemainingCapacity(), 1000);
}

TEST(LRUCacheTest, CountsWhatIsInIt) {
  LRUCache cache("cache", 100);
  cache.Add(Id(1), 30);
  EXPECT_TRUE(cache.Exists(Id(1)));
  EXPECT_EQ(cache.RemainingCapacity(), 70);
  cache.Add(Id(2), 90);
  EXPECT_EQ(cache.RemainingCapacity(), -20) << "the capacity is not enforced";
  EXPECT_EQ(cache.Capacity(), 100);
  cache.Remove(Id(1));
  EXPECT_FALSE(cache.Exists(Id(1)));
  EXPECT_EQ(cache.RemainingCapacity(), 10);
}

TEST(LRUCacheTest, AKeyIsThereOnce) {
  LRUCache cache("cache", 100);
  cache.Add(Id(1), 1);
  EXPECT_DEATH(cache.Add(Id(1), 1), "Check failed");
  EXPECT_DEATH(cache.Add(Id(1), 2), "Check failed");
}

TEST(LRUCacheTest, ARemovedKeyCanBeAddedAgainAsTheNewest) {
  LRUCache cache("cache", 100);
  for (int i = 1; i <= 3; i++) {
    cache.Add(Id(i), i);
  }
  EXPECT_EQ(cache.Remove(Id(1)), 1);
  cache.Add(Id(1), 11);
  EXPECT_THAT(Keys(cache), ElementsAre(Id(1), Id(3), Id(2)));
}

TEST(LRUCacheTest, WalksFromTheNewestToTheOldest) {
  LRUCache cache("cache", 100);
  for (int i = 1; i <= 5; i++) {
    cache.Add(Id(i), 1);
  }
  EXPECT_THAT(Keys(cache), ElementsAre(Id(5), Id(4), Id(3), Id(2), Id(1)));
  cache.Remove(Id(3));
  EXPECT_THAT(Keys(cache), ElementsAre(Id(5), Id(4), Id(2), Id(1)));
}

TEST(LRUCacheTest, AWalkMayChangeTheCache) {
  LRUCache cache("cache", 100);
  for (int i = 1; i <= 5; i++) {
    cache.Add(Id(i), 1);
  }
  int visited = 0;
  cache.Foreach([&](const ObjectID &key) {
    EXPECT_EQ(cache.Remove(key), 1);
    visited++;
  });
  EXPECT_EQ(visited, 5);
  EXPECT_THAT(Keys(cache), IsEmpty());
}

TEST(LRUCacheTest, ChoosesTheOldestUntilThereIsEnough) {
  LRUCache cache("cache", 100);
  for (int i = 1; i <= 5; i++) {
    cache.Add(Id(i), 10);
  }
  EXPECT_THAT(Choose(cache, 0, 0), IsEmpty());
  EXPECT_THAT(Choose(cache, -7, 0), IsEmpty());
  EXPECT_THAT(Choose(cache, 1, 10), ElementsAre(Id(1)));
  EXPECT_THAT(Choose(cache, 10, 10), ElementsAre(Id(1)));
  EXPECT_THAT(Choose(cache, 11, 20), ElementsAre(Id(1), Id(2)));
  EXPECT_THAT(Choose(cache, 1000, 50), ElementsAre(Id(1), Id(2), Id(3), Id(4), Id(5)));
}

TEST(LRUCacheTest, PassesOverNothingOnItsWay) {
  LRUCache cache("cache", 100);
  cache.Add(Id(1), 0);
  cache.Add(Id(2), 5);
  cache.Add(Id(3), 0);
  EXPECT_THAT(Choose(cache, 5, 5), ElementsAre(Id(1), Id(2)));
  EXPECT_THAT(Choose(cache, 6, 5), ElementsAre(Id(1), Id(2), Id(3)));
}

TEST(LRUCacheTest, WhatIsChosenStaysAndIsAppended) {
  LRUCache cache("cache", 100);
  cache.Add(Id(1), 10);
  cache.Add(Id(2), 10);
  std::vector<ObjectID> chosen = {Id(99)};
  EXPECT_EQ(cache.ChooseObjectsToEvict(10, chosen), 10);
  EXPECT_EQ(cache.ChooseObjectsToEvict(10, chosen), 10);
  EXPECT_THAT(chosen, ElementsAre(Id(99), Id(1), Id(1)));
  EXPECT_TRUE(cache.Exists(Id(1)));
  EXPECT_EQ(cache.RemainingCapacity(), 80);
}

TEST(LRUCacheTest, TheCapacityCanBeAdjustedAndTheOriginalStays) {
  LRUCache cache("cache", 100);
  cache.Add(Id(1), 30);
  cache.AdjustCapacity(-60);
  EXPECT_EQ(cache.Capacity(), 40);
  EXPECT_EQ(cache.OriginalCapacity(), 100);
  EXPECT_EQ(cache.RemainingCapacity(), 10);
  cache.AdjustCapacity(200);
  EXPECT_EQ(cache.Capacity(), 240);
  cache.AdjustCapacity(-1000);
  EXPECT_EQ(cache.RemainingCapacity(), -790);
}

TEST(LRUCacheTest, DescribesItself) {
  LRUCache cache("my cache", 32);
  EXPECT_EQ(cache.DebugString(),
            "\n(my cache) capacity: 32"
            "\n(my cache) used: 0%"
            "\n(my cache) num objects: 0"
            "\n(my cache) num evictions: 0"
            "\n(my cache) bytes evicted: 0");
  cache.Add(Id(1), 3);
  cache.Add(Id(2), 4);
  std::vector<ObjectID> chosen;
  cache.ChooseObjectsToEvict(3, chosen);
  cache.ChooseObjectsToEvict(100, chosen);
  cache.AdjustCapacity(16);
  EXPECT_EQ(cache.DebugString(),
            "\n(my cache) capacity: 48"
            "\n(my cache) used: -28.125%"
            "\n(my cache) num objects: 2"
            "\n(my cache) num evictions: 3"
            "\n(my cache) bytes evicted: 10");
}

TEST(LRUCacheTest, ShowsThePercentageAsAStreamDoes) {
  std::mt19937_64 random(20240611);
  for (int round = 0; round < 20000; round++) {
    const int64_t capacity = (random() >> (random() % 62 + 1)) + 1;
    const int64_t size = random() >> (random() % 62 + 2);
    LRUCache cache("c", capacity);
    cache.Add(Id(1), size);
    std::stringstream expected;
    expected << "\n(c) used: "
             << 100. * (1. - (capacity - size) / static_cast<double>(capacity)) << "%\n";
    ASSERT_NE(cache.DebugString().find(expected.str()), std::string::npos)
        << capacity << " " << size << cache.DebugString() << expected.str();
  }
}

TEST(LRUCacheTest, SizesCannotOverflow) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  LRUCache cache("cache", kLargest);
  cache.Add(Id(1), kLargest);
  cache.Add(Id(2), kLargest);
  std::vector<ObjectID> chosen;
  EXPECT_EQ(cache.ChooseObjectsToEvict(kLargest, chosen), kLargest);
  EXPECT_THAT(chosen, ElementsAre(Id(1)));
}

TEST(LRUCacheTest, HoldsManyKeysInOrder) {
  LRUCache cache("cache", 1000000);
  for (int i = 0; i < 20000; i++) {
    cache.Add(Id(i), 1);
  }
  for (int i = 0; i < 20000; i += 2) {
    EXPECT_EQ(cache.Remove(Id(i)), 1);
  }
  const auto keys = Keys(cache);
  ASSERT_EQ(keys.size(), 10000u);
  for (int i = 0; i < 10000; i++) {
    ASSERT_EQ(keys[i], Id(19999 - 2 * i));
  }
}

/// A policy over objects 1 to 9 of 10 bytes each, in a store of 100 bytes.
struct EvictionPolicyTest : public ObjectLifecycleManagerTest {
  EvictionPolicyTest() {
    ON_CALL(allocator_, GetFootprintLimit()).WillByDefault(Return(100));
    ON_CALL(allocator_, Allocated()).WillByDefault([this]() { return allocated_; });
    for (int i = 1; i <= 9; i++) {
      objects_[Id(i)] = MakeObject(Id(i), 10);
    }
    ON_CALL(store_, GetObject).WillByDefault([this](const ObjectID &id) {
      const auto found = objects_.find(id);
      return found == objects_.end() ? nullptr : found->second.get();
    });
    policy_ = std::make_unique<EvictionPolicy>(store_, allocator_);
  }

  void Create(int first, int last) {
    for (int i = first; i <= last; i++) {
      policy_->ObjectCreated(Id(i));
    }
  }

  bool IsKnown(int i) const {
    return EvictionPolicyTest_Test_Test::IsObjectExists(*policy_, Id(i));
  }

  std::vector<ObjectID> Require(int64_t size, int64_t expected_missing) {
    std::vector<ObjectID> victims;
    EXPECT_EQ(policy_->RequireSpace(size, victims), expected_missing);
    return victims;
  }

  std::vector<ObjectID> Choose(int64_t bytes, int64_t expected_bytes) {
    std::vector<ObjectID> victims;
    EXPECT_EQ(policy_->ChooseObjectsToEvict(bytes, victims), expected_bytes);
    return victims;
  }

  NiceMock<MockAllocator> allocator_;
  NiceMock<MockStore> store_;
  std::unordered_map<ObjectID, std::unique_ptr<LocalObject>> objects_;
  int64_t allocated_ = 0;
  std::unique_ptr<EvictionPolicy> policy_;
};

TEST_F(EvictionPolicyTest, ANewObjectIsUnused) {
  Create(1, 1);
  EXPECT_TRUE(IsKnown(1));
  EXPECT_FALSE(IsKnown(2));
  EXPECT_THAT(Choose(1, 10), ElementsAre(Id(1)));
}

TEST_F(EvictionPolicyTest, WhatIsChosenIsForgotten) {
  Create(1, 3);
  EXPECT_THAT(Choose(15, 20), ElementsAre(Id(1), Id(2)));
  EXPECT_FALSE(IsKnown(1));
  EXPECT_FALSE(IsKnown(2));
  EXPECT_TRUE(IsKnown(3));
  EXPECT_THAT(Choose(15, 10), ElementsAre(Id(3)));
  EXPECT_THAT(Choose(15, 0), IsEmpty());
}

TEST_F(EvictionPolicyTest, AUsedObjectIsNoVictim) {
  Create(1, 3);
  policy_->BeginObjectAccess(Id(1));
  EXPECT_FALSE(IsKnown(1));
  EXPECT_THAT(Choose(1000, 20), ElementsAre(Id(2), Id(3)));
  policy_->EndObjectAccess(Id(1));
  EXPECT_TRUE(IsKnown(1));
  EXPECT_THAT(Choose(1000, 10), ElementsAre(Id(1)));
}

TEST_F(EvictionPolicyTest, AReleasedObjectIsTheNewest) {
  Create(1, 3);
  policy_->BeginObjectAccess(Id(1));
  policy_->EndObjectAccess(Id(1));
  EXPECT_THAT(Choose(1000, 30), ElementsAre(Id(2), Id(3), Id(1)));
}

TEST_F(EvictionPolicyTest, ARemovedObjectIsNoVictim) {
  Create(1, 3);
  policy_->RemoveObject(Id(2));
  policy_->RemoveObject(Id(2));
  policy_->RemoveObject(Id(9));
  EXPECT_THAT(Choose(1000, 20), ElementsAre(Id(1), Id(3)));
}

TEST_F(EvictionPolicyTest, MakesRoomForWhatIsMissing) {
  Create(1, 9);
  allocated_ = 90;
  EXPECT_THAT(Require(35, -5), ElementsAre(Id(1), Id(2), Id(3)));
}

TEST_F(EvictionPolicyTest, FreesAFifthOfTheCapacityAtLeast) {
  Create(1, 9);
  allocated_ = 90;
  EXPECT_THAT(Require(11, 1 - 20), ElementsAre(Id(1), Id(2)));
  allocated_ = 0;
  EXPECT_THAT(Require(1, -99 - 20), ElementsAre(Id(3), Id(4)));
}

TEST_F(EvictionPolicyTest, AFifthIsRoundedDown) {
  ON_CALL(allocator_, GetFootprintLimit()).WillByDefault(Return(104));
  Create(1, 9);
  allocated_ = 104;
  EXPECT_THAT(Require(1, 1 - 20), ElementsAre(Id(1), Id(2)));
  ON_CALL(allocator_, GetFootprintLimit()).WillByDefault(Return(105));
  allocated_ = 105;
  EXPECT_THAT(Require(1, 1 - 30), ElementsAre(Id(3), Id(4), Id(5)));
}

TEST_F(EvictionPolicyTest, TellsWhatIsMissingWhenThereAreNotEnoughVictims) {
  Create(1, 2);
  policy_->BeginObjectAccess(Id(2));
  allocated_ = 100;
  EXPECT_THAT(Require(50, 40), ElementsAre(Id(1)));
  EXPECT_THAT(Require(50, 50), IsEmpty());
}

TEST_F(EvictionPolicyTest, AppendsToTheVictims) {
  Create(1, 3);
  std::vector<ObjectID> victims = {Id(77)};
  EXPECT_EQ(policy_->ChooseObjectsToEvict(1, victims), 10);
  EXPECT_THAT(victims, ElementsAre(Id(77), Id(1)));
  allocated_ = 100;
  EXPECT_EQ(policy_->RequireSpace(1, victims), 1 - 20);
  EXPECT_THAT(victims, ElementsAre(Id(77), Id(1), Id(2), Id(3)));
}

TEST_F(EvictionPolicyTest, ForgetsEveryVictimOfTheListItIsGiven) {
  Create(1, 3);
  std::vector<ObjectID> victims = {Id(3)};
  EXPECT_EQ(policy_->ChooseObjectsToEvict(1, victims), 10);
  EXPECT_THAT(victims, ElementsAre(Id(3), Id(1)));
  EXPECT_FALSE(IsKnown(3)) << "whoever is in the list is evicted by the caller";
  EXPECT_TRUE(IsKnown(2));
}

TEST_F(EvictionPolicyTest, AnObjectIsCreatedOnce) {
  Create(1, 1);
  EXPECT_DEATH(policy_->ObjectCreated(Id(1)), "Check failed");
}

TEST_F(EvictionPolicyTest, AnUnusedObjectIsNotReleased) {
  Create(1, 1);
  EXPECT_DEATH(policy_->EndObjectAccess(Id(1)), "Check failed");
}

TEST_F(EvictionPolicyTest, AnObjectIsInTheStore) {
  EXPECT_EQ(EvictionPolicyTest_Test_Test::GetObjectSize(*policy_, Id(1)), 10);
  EXPECT_DEATH(policy_->ObjectCreated(Id(50)), "Check failed.*not in the store");
  EXPECT_DEATH(policy_->BeginObjectAccess(Id(50)), "Check failed.*not in the store");
  EXPECT_DEATH(policy_->EndObjectAccess(Id(50)), "Check failed.*not in the store");
}

TEST_F(EvictionPolicyTest, DescribesItself) {
  Create(1, 3);
  Choose(1, 10);
  EXPECT_EQ(policy_->DebugString(),
            "\n(global lru) capacity: 100"
            "\n(global lru) used: 20%"
            "\n(global lru) num objects: 2"
            "\n(global lru) num evictions: 1"
            "\n(global lru) bytes evicted: 10");
}

TEST_F(EvictionPolicyTest, IsUsedThroughItsInterface) {
  std::unique_ptr<IEvictionPolicy> policy =
      std::make_unique<EvictionPolicy>(store_, allocator_);
  policy->ObjectCreated(Id(1));
  std::vector<ObjectID> victims;
  EXPECT_EQ(policy->ChooseObjectsToEvict(1, victims), 10);
  EXPECT_THAT(victims, ElementsAre(Id(1)));
}

TEST_F(EvictionPolicyTest, ImpossibleSizesOverflowNothing) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  allocated_ = 100;
  EXPECT_THAT(Require(kLargest, kLargest - 100), IsEmpty());
  allocated_ = 0;
  EXPECT_THAT(Require(std::numeric_limits<int64_t>::min() + 100,
                      std::numeric_limits<int64_t>::min()),
              IsEmpty());
}

}  // namespace
}  // namespace plasma
