// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// object_store.h: objects by id, in the memory of an allocator.

#include "ray/object_manager/plasma/object_store.h"

#include <ctime>
#include <set>

#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {

using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kAllSources;
using plasma_tests::kMiB;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

/// Ray's headers let a class of this name see inside the store and its objects.
struct ObjectStatsCollectorTest : public ::testing::Test {
  static const auto &Table(const ObjectStore &store) { return store.object_table_; }
  static int64_t CreateTime(const LocalObject &object) { return object.create_time_; }
  static int64_t ConstructDuration(const LocalObject &object) {
    return object.construct_duration_;
  }
};

namespace {

struct ObjectStoreTest : public ObjectStatsCollectorTest {
  DummyAllocator allocator_{1000, 1000};
  ObjectStore store_{allocator_};
};

TEST_F(ObjectStoreTest, CreatesAnObjectAsItIsDescribed) {
  ray::ObjectInfo info = Info(Id(1), 10, 5);
  info.owner_node_id = NodeID::FromRandom();
  info.owner_ip_address = "an address that is too long to lie inside of the string itself";
  info.owner_port = 1234;
  info.owner_worker_id = WorkerID::FromRandom();
  const ray::ObjectInfo expected = info;
  const int64_t before = std::time(nullptr);
  const LocalObject *object = store_.CreateObject(info, kWorker, false);
  ASSERT_NE(object, nullptr);
  info = Info(Id(2), 0);  // The store has a copy.
  EXPECT_EQ(object->GetObjectInfo(), expected);
  EXPECT_EQ(object->GetObjectInfo().owner_ip_address, expected.owner_ip_address);
  EXPECT_FALSE(object->GetObjectInfo().is_mutable);
  EXPECT_EQ(object->GetObjectSize(), 15);
  EXPECT_FALSE(object->Sealed());
  EXPECT_EQ(object->GetRefCount(), 0);
  EXPECT_EQ(object->GetSource(), kWorker);
  EXPECT_EQ(object->GetAllocation().size_, 15);
  EXPECT_FALSE(object->GetAllocation().fallback_allocated_);
  EXPECT_EQ(ConstructDuration(*object), -1);
  // The clock of the store may be a tick late.
  EXPECT_GE(CreateTime(*object), before - 1);
  EXPECT_LE(CreateTime(*object), std::time(nullptr));
  EXPECT_EQ(allocator_.Allocated(), 15);
}

TEST_F(ObjectStoreTest, KeepsTheSource) {
  int number = 0;
  for (const auto source : kAllSources) {
    EXPECT_EQ(store_.CreateObject(Info(Id(number++), 1), source, false)->GetSource(), source);
  }
  const auto unknown = static_cast<flatbuf::ObjectSource>(17);
  EXPECT_EQ(store_.CreateObject(Info(Id(number), 1), unknown, false)->GetSource(), unknown);
}

TEST_F(ObjectStoreTest, FindsAnObjectAtTheAddressWhereItWasCreated) {
  std::vector<const LocalObject *> objects;
  for (int i = 0; i < 500; i++) {
    objects.push_back(store_.CreateObject(Info(Id(i), 1), kWorker, false));
  }
  for (int i = 0; i < 500; i += 2) {
    EXPECT_TRUE(store_.DeleteObject(Id(i)));
  }
  for (int i = 0; i < 500; i++) {
    EXPECT_EQ(store_.GetObject(Id(i)), i % 2 == 0 ? nullptr : objects[i]);
  }
}

/// More objects than the store keeps views of: those that are used or unsealed stay where they are, and all others are
/// found as they were, wherever.
TEST(ObjectStoreViewsTest, ObjectsAreTheSameWhereverTheyAreSeen) {
  constexpr int kObjects = 30'000;
  DummyAllocator allocator{1 << 30, 1 << 30};
  ObjectStore store{allocator};
  const auto info_of = [](int i) {
    ray::ObjectInfo info = Info(Id(i), i % 100);
    info.owner_port = i % 3;
    info.owner_ip_address = std::string(static_cast<size_t>(i % 40), 'x');
    return info;
  };
  std::vector<const LocalObject *> unsealed;
  for (int i = 0; i < kObjects; i++) {
    const LocalObject *object = store.CreateObject(info_of(i), kWorker, false);
    if (i % 1000 == 7) {
      unsealed.push_back(object);
    } else {
      EXPECT_EQ(store.SealObject(Id(i)), object);
    }
  }
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < kObjects; i++) {
      const LocalObject *object = store.GetObject(Id(i));
      ASSERT_NE(object, nullptr);
      const ray::ObjectInfo expected = info_of(i);
      ASSERT_EQ(object->GetObjectInfo(), expected) << i;
      ASSERT_EQ(object->GetAllocation().size_, i % 100);
      ASSERT_EQ(object->Sealed(), i % 1000 != 7);
      ASSERT_EQ(object, store.GetObject(Id(i)));
      if (!object->Sealed()) {
        ASSERT_EQ(object, unsealed[static_cast<size_t>(i / 1000)]);
      }
    }
    // All at once, each at an address of its own.
    std::set<const LocalObject *> addresses;
    for (const auto &[id, object] : ObjectStatsCollectorTest::Table(store)) {
      ASSERT_EQ(object->GetObjectInfo().object_id, id);
      addresses.insert(object);
    }
    EXPECT_EQ(addresses.size(), static_cast<size_t>(kObjects));
  }
}

TEST_F(ObjectStoreTest, AMissingObjectIsNotFound) {
  EXPECT_EQ(store_.GetObject(Id(1)), nullptr);
  EXPECT_EQ(store_.GetObject(ObjectID::Nil()), nullptr);
}

TEST_F(ObjectStoreTest, FallsBackOnlyWhenItIsTold) {
  ASSERT_NE(store_.CreateObject(Info(Id(1), 1000), kWorker, false), nullptr);
  EXPECT_EQ(store_.CreateObject(Info(Id(2), 10), kWorker, false), nullptr);
  EXPECT_EQ(store_.GetObject(Id(2)), nullptr);
  const LocalObject *object = store_.CreateObject(Info(Id(2), 10), kWorker, true);
  ASSERT_NE(object, nullptr);
  EXPECT_TRUE(object->GetAllocation().fallback_allocated_);
  EXPECT_EQ(store_.CreateObject(Info(Id(3), 1001), kWorker, true), nullptr);
  EXPECT_EQ(allocator_.Allocated(), 1010);
}

TEST_F(ObjectStoreTest, ASecondObjectOfTheSameIdIsAMistake) {
  store_.CreateObject(Info(Id(1), 10), kWorker, false);
  EXPECT_DEATH(store_.CreateObject(Info(Id(1), 10), kWorker, false), "already exists!");
  EXPECT_DEATH(store_.CreateObject(Info(Id(1), 20), kWorker, true),
               Id(1).Hex() + " already exists!");
}

TEST_F(ObjectStoreTest, SealsOnce) {
  const LocalObject *object = store_.CreateObject(Info(Id(1), 10), kWorker, false);
  EXPECT_EQ(store_.SealObject(Id(2)), nullptr);
  EXPECT_EQ(store_.SealObject(Id(1)), object);
  EXPECT_TRUE(object->Sealed());
  EXPECT_GE(ConstructDuration(*object), 0);
  EXPECT_LE(ConstructDuration(*object), 2);
  EXPECT_EQ(store_.SealObject(Id(1)), nullptr);
  EXPECT_TRUE(object->Sealed());
}

TEST_F(ObjectStoreTest, DeletesWhateverTheState) {
  store_.CreateObject(Info(Id(1), 10), kWorker, false);
  store_.CreateObject(Info(Id(2), 10), kWorker, false);
  store_.SealObject(Id(2));
  EXPECT_TRUE(store_.DeleteObject(Id(1)));
  EXPECT_TRUE(store_.DeleteObject(Id(2)));
  EXPECT_FALSE(store_.DeleteObject(Id(1)));
  EXPECT_FALSE(store_.DeleteObject(Id(3)));
  EXPECT_EQ(allocator_.Allocated(), 0);
  EXPECT_EQ(allocator_.NumLive(), 0u);
}

TEST_F(ObjectStoreTest, TheIdMayBeThatInsideOfTheObject) {
  const LocalObject *object = store_.CreateObject(Info(Id(1), 10), kWorker, false);
  EXPECT_EQ(store_.GetObject(object->GetObjectInfo().object_id), object);
  EXPECT_EQ(store_.SealObject(object->GetObjectInfo().object_id), object);
  EXPECT_TRUE(store_.DeleteObject(object->GetObjectInfo().object_id));
  EXPECT_EQ(store_.GetObject(Id(1)), nullptr);
}

TEST_F(ObjectStoreTest, AnIdIsFreeAgainAfterDeletion) {
  for (int round = 0; round < 3; round++) {
    ASSERT_NE(store_.CreateObject(Info(Id(1), 10), kWorker, false), nullptr);
    EXPECT_FALSE(store_.GetObject(Id(1))->Sealed());
    store_.SealObject(Id(1));
    EXPECT_TRUE(store_.DeleteObject(Id(1)));
  }
}

TEST_F(ObjectStoreTest, NilIsAnIdAsAnyOther) {
  ASSERT_NE(store_.CreateObject(Info(ObjectID::Nil(), 10), kWorker, false), nullptr);
  EXPECT_NE(store_.GetObject(ObjectID::Nil()), nullptr);
  EXPECT_TRUE(store_.DeleteObject(ObjectID::Nil()));
}

TEST_F(ObjectStoreTest, IdsThatDifferInOneByteAreDifferent) {
  std::string bytes(ObjectID::Size(), '\0');
  for (size_t i = 0; i < bytes.size(); i++) {
    std::string changed = bytes;
    changed[i] = 1;
    ASSERT_NE(store_.CreateObject(Info(ObjectID::FromBinary(changed), i), kWorker, false),
              nullptr);
  }
  EXPECT_EQ(store_.GetObject(ObjectID::FromBinary(bytes)), nullptr);
  for (size_t i = 0; i < bytes.size(); i++) {
    std::string changed = bytes;
    changed[i] = 1;
    EXPECT_EQ(store_.GetObject(ObjectID::FromBinary(changed))->GetObjectSize(),
              static_cast<int64_t>(i));
  }
}

TEST_F(ObjectStoreTest, ItsTableCanBeRead) {
  EXPECT_TRUE(Table(store_).empty());
  std::map<std::string, const LocalObject *> expected;
  for (int i = 0; i < 300; i++) {
    expected[Id(i).Binary()] = store_.CreateObject(Info(Id(i), 1), kWorker, false);
  }
  EXPECT_EQ(Table(store_).size(), 300u);
  EXPECT_TRUE(Table(store_).contains(Id(5)));
  EXPECT_EQ(Table(store_).count(Id(5)), 1u);
  EXPECT_FALSE(Table(store_).contains(Id(300)));
  EXPECT_EQ(Table(store_).count(Id(300)), 0u);
  std::map<std::string, const LocalObject *> seen;
  for (const auto &[id, object] : Table(store_)) {
    seen[id.Binary()] = object;
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(ObjectStoreTest, AMutableObjectHasAFreshHeaderInItsMemory) {
  const LocalObject *object =
      store_.CreateObject(Info(Id(1), 10, 5, /*is_mutable=*/true), kWorker, false);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->GetObjectSize(),
            15 + static_cast<int64_t>(sizeof(ray::PlasmaObjectHeader)));
  EXPECT_EQ(object->GetAllocation().size_, object->GetObjectSize());
  EXPECT_TRUE(object->GetObjectInfo().is_mutable);
  const ray::PlasmaObjectHeader *header = object->GetPlasmaObjectHeader();
  ASSERT_EQ(header, object->GetAllocation().address_);
  EXPECT_EQ(header->semaphores_created,
            ray::PlasmaObjectHeader::SemaphoresCreationLevel::kUnitialized);
  EXPECT_EQ(header->version, 0);
  EXPECT_FALSE(header->is_sealed);
  EXPECT_FALSE(header->has_error);
  EXPECT_EQ(header->num_readers, 0);
  EXPECT_EQ(header->num_read_acquires_remaining, 0u);
  EXPECT_EQ(header->num_read_releases_remaining, 0u);
  EXPECT_EQ(header->data_size, 0u);
  EXPECT_EQ(header->metadata_size, 0u);
  EXPECT_NE(std::string(header->unique_name), "");
  EXPECT_LT(std::strlen(header->unique_name), sizeof(header->unique_name));
}

TEST_F(ObjectStoreTest, HeadersOfMutableObjectsHaveNamesOfTheirOwn) {
  PlasmaAllocator allocator(plasma_tests::SharedMemory(), "/tmp", false, kMiB);
  ObjectStore store(allocator);
  std::set<std::string> names;
  for (int i = 0; i < 100; i++) {
    names.insert(store.CreateObject(Info(Id(i), 8, 0, true), kWorker, false)
                     ->GetPlasmaObjectHeader()
                     ->unique_name);
  }
  EXPECT_EQ(names.size(), 100u);
}

TEST_F(ObjectStoreTest, MemoryThatWasUsedBeforeGetsAFreshHeaderToo) {
  PlasmaAllocator allocator(plasma_tests::SharedMemory(), "/tmp", false, 4096);
  ObjectStore store(allocator);
  const LocalObject *object = store.CreateObject(Info(Id(1), 4096), kWorker, false);
  std::memset(object->GetAllocation().address_, 0xee, 4096);
  store.DeleteObject(Id(1));
  object = store.CreateObject(Info(Id(2), 1000, 0, true), kWorker, false);
  EXPECT_EQ(object->GetPlasmaObjectHeader()->version, 0);
  EXPECT_EQ(object->GetPlasmaObjectHeader()->num_readers, 0);
  EXPECT_FALSE(object->GetPlasmaObjectHeader()->has_error);
  EXPECT_EQ(object->GetPlasmaObjectHeader()->data_size, 0u);
}

TEST_F(ObjectStoreTest, ObjectsOfOurAllocatorDoNotOverlap) {
  PlasmaAllocator allocator(plasma_tests::SharedMemory(), "/tmp", false, kMiB);
  ObjectStore store(allocator);
  for (int i = 0; i < 100; i++) {
    const LocalObject *object = store.CreateObject(Info(Id(i), 100 + i), kWorker, false);
    std::memset(object->GetAllocation().address_, i, 100 + i);
  }
  EXPECT_EQ(allocator.Allocated(), 100 * 100 + 99 * 100 / 2);
  for (int i = 0; i < 100; i++) {
    const char *bytes = static_cast<char *>(store.GetObject(Id(i))->GetAllocation().address_);
    EXPECT_EQ(std::count(bytes, bytes + 100 + i, i), 100 + i);
    EXPECT_TRUE(store.DeleteObject(Id(i)));
  }
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST_F(ObjectStoreTest, IsUsedThroughItsInterface) {
  std::unique_ptr<IObjectStore> store = std::make_unique<ObjectStore>(allocator_);
  ASSERT_NE(store->CreateObject(Info(Id(1), 10), kWorker, false), nullptr);
  EXPECT_NE(store->GetObject(Id(1)), nullptr);
  EXPECT_NE(store->SealObject(Id(1)), nullptr);
  EXPECT_TRUE(store->DeleteObject(Id(1)));
}

}  // namespace
}  // namespace plasma
