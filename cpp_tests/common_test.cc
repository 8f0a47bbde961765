// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// common.h and plasma.h: what an allocation, an object and its description to a client are.

#include "ray/object_manager/plasma/common.h"

#include <type_traits>

#include "ray/object_manager/plasma/plasma.h"
#include "test_support.h"

namespace plasma {

using plasma_tests::Fd;
using plasma_tests::Id;
using plasma_tests::Info;

/// Ray's headers let a class of this name set what only a store may set.
struct ObjectLifecycleManagerTest : public ::testing::Test {
  static void SetInfo(LocalObject &object, ray::ObjectInfo info) {
    object.object_info_ = std::move(info);
  }
  static void SetState(LocalObject &object, ObjectState state) { object.state_ = state; }
  static void SetRefCount(LocalObject &object, int32_t count) { object.ref_count_ = count; }
  static void SetSource(LocalObject &object, flatbuf::ObjectSource source) {
    object.source_ = source;
  }
  static int64_t CreateTime(const LocalObject &object) { return object.create_time_; }
  static int64_t ConstructDuration(const LocalObject &object) {
    return object.construct_duration_;
  }
};

namespace {

using LocalObjectTest = ObjectLifecycleManagerTest;

static_assert(!std::is_copy_constructible_v<Allocation>);
static_assert(!std::is_copy_assignable_v<Allocation>);
static_assert(std::is_nothrow_move_constructible_v<Allocation>);
static_assert(std::is_nothrow_move_assignable_v<Allocation>);
static_assert(!std::is_default_constructible_v<Allocation>);
static_assert(!std::is_copy_constructible_v<LocalObject>);
static_assert(!std::is_copy_assignable_v<LocalObject>);
static_assert(std::is_constructible_v<LocalObject, Allocation>);
static_assert(!std::is_convertible_v<Allocation, LocalObject>);

// Callers have these layouts inlined, and share PlasmaObject with other processes.
static_assert(sizeof(Allocation) == 64 && sizeof(LocalObject) == 264);
static_assert(sizeof(ray::ObjectInfo) == 168 && sizeof(ray::PlasmaObjectHeader) == 96);
static_assert(sizeof(PlasmaObject) == 88 && offsetof(PlasmaObject, data_offset) == 24);
static_assert(offsetof(PlasmaObject, mmap_size) == 72);
static_assert(offsetof(PlasmaObject, fallback_allocated) == 80);

TEST(AllocationTest, KeepsEveryFieldWhenMoved) {
  int memory = 0;
  Allocation first = DummyAllocator::Make(17, true, &memory, {3, 4}, 128, 4104);
  Allocation second = std::move(first);
  EXPECT_EQ(second.address_, &memory);
  EXPECT_EQ(second.size_, 17);
  EXPECT_EQ(second.fd_, Fd(3, 4));
  EXPECT_EQ(second.offset_, 128);
  EXPECT_EQ(second.device_num_, 0);
  EXPECT_EQ(second.mmap_size_, 4104);
  EXPECT_TRUE(second.fallback_allocated_);

  Allocation third = DummyAllocator::MakeEmpty();
  third = std::move(second);
  EXPECT_EQ(third.address_, &memory);
  EXPECT_EQ(third.size_, 17);
}

TEST(AllocationTest, TheOneForTestsNamesNoMemory) {
  const Allocation empty = DummyAllocator::MakeEmpty();
  EXPECT_EQ(empty.address_, nullptr);
  EXPECT_EQ(empty.size_, 0);
  EXPECT_EQ(empty.fd_, Fd());
  EXPECT_EQ(empty.offset_, 0);
  EXPECT_EQ(empty.device_num_, 0);
  EXPECT_EQ(empty.mmap_size_, 0);
  EXPECT_FALSE(empty.fallback_allocated_);
}

TEST(EnumsTest, HaveTheNumbersOfTheProtocol) {
  EXPECT_EQ(static_cast<int>(ObjectState::PLASMA_CREATED), 1);
  EXPECT_EQ(static_cast<int>(ObjectState::PLASMA_SEALED), 2);
  EXPECT_EQ(static_cast<int>(ObjectLocation::Local), 0);
  EXPECT_EQ(static_cast<int>(ObjectLocation::Remote), 1);
  EXPECT_EQ(static_cast<int>(ObjectLocation::Nonexistent), 2);
  EXPECT_EQ(static_cast<int>(ObjectStatus::OBJECT_NOT_FOUND), 0);
  EXPECT_EQ(static_cast<int>(ObjectStatus::OBJECT_FOUND), 1);
  EXPECT_EQ(kBlockSize, 64);
}

TEST(ErrorMessageTest, PointsToTheCommonCause) {
  EXPECT_NE(kCorruptedRequestErrorMessage.find("fork"), std::string_view::npos);
  EXPECT_NE(kCorruptedRequestErrorMessage.find("fork-new-processes.html"),
            std::string_view::npos);
}

TEST_F(LocalObjectTest, IsNewAtFirst) {
  const LocalObject object(DummyAllocator::Make(10, true));
  EXPECT_FALSE(object.Sealed());
  EXPECT_EQ(object.GetRefCount(), 0);
  EXPECT_EQ(object.GetAllocation().size_, 10);
  EXPECT_TRUE(object.GetAllocation().fallback_allocated_);
  EXPECT_EQ(object.GetSource(), flatbuf::ObjectSource::CreatedByWorker);
  EXPECT_TRUE(object.GetObjectInfo().object_id.IsNil());
  EXPECT_EQ(ConstructDuration(object), -1);
  EXPECT_EQ(CreateTime(object), 0);
}

TEST_F(LocalObjectTest, TellsWhatItsStoreSet) {
  LocalObject object(DummyAllocator::Make(15));
  SetInfo(object, Info(Id(1), 10, 5));
  SetState(object, ObjectState::PLASMA_SEALED);
  SetRefCount(object, 3);
  SetSource(object, flatbuf::ObjectSource::ErrorStoredByRaylet);
  EXPECT_EQ(object.GetObjectSize(), 15);
  EXPECT_EQ(object.GetObjectInfo().object_id, Id(1));
  EXPECT_TRUE(object.Sealed());
  EXPECT_EQ(object.GetRefCount(), 3);
  EXPECT_EQ(object.GetSource(), flatbuf::ObjectSource::ErrorStoredByRaylet);
}

TEST_F(LocalObjectTest, SizeOfAMutableObjectHasItsHeader) {
  LocalObject object(DummyAllocator::Make(0));
  SetInfo(object, Info(Id(1), 10, 5, /*is_mutable=*/true));
  EXPECT_EQ(object.GetObjectSize(),
            15 + static_cast<int64_t>(sizeof(ray::PlasmaObjectHeader)));
}

TEST_F(LocalObjectTest, HeaderOfAMutableObjectIsItsFirstByte) {
  ray::PlasmaObjectHeader header;
  LocalObject object(DummyAllocator::Make(sizeof(header), false, &header));
  SetInfo(object, Info(Id(1), 0, 0, /*is_mutable=*/true));
  EXPECT_EQ(object.GetPlasmaObjectHeader(), &header);
}

TEST_F(LocalObjectTest, NoOtherObjectHasAHeader) {
  LocalObject object(DummyAllocator::Make(8));
  SetInfo(object, Info(Id(1), 8));
  EXPECT_DEATH(object.GetPlasmaObjectHeader(), "Object is not mutable");
}

PlasmaObject Describe(const LocalObject &object, bool check_sealed) {
  PlasmaObject description;
  std::memset(static_cast<void *>(&description), 0x5a, sizeof(description));
  object.ToPlasmaObject(&description, check_sealed);
  return description;
}

TEST_F(LocalObjectTest, DescribesAPlainObject) {
  LocalObject object(DummyAllocator::Make(30, false, nullptr, {7, 8}, 640, 65544));
  SetInfo(object, Info(Id(1), 20, 10));
  SetState(object, ObjectState::PLASMA_SEALED);
  const PlasmaObject description = Describe(object, /*check_sealed=*/true);
  EXPECT_EQ(description.store_fd, Fd(7, 8));
  EXPECT_EQ(description.header_offset, 640);
  EXPECT_EQ(description.data_offset, 640);
  EXPECT_EQ(description.metadata_offset, 660);
  EXPECT_EQ(description.data_size, 20);
  EXPECT_EQ(description.metadata_size, 10);
  EXPECT_EQ(description.allocated_size, 30);
  EXPECT_EQ(description.device_num, 0);
  EXPECT_EQ(description.mmap_size, 65544);
  EXPECT_FALSE(description.fallback_allocated);
  EXPECT_FALSE(description.is_experimental_mutable_object);
}

TEST_F(LocalObjectTest, DescribesAFallbackObjectThatIsNotSealed) {
  LocalObject object(DummyAllocator::Make(30, true, nullptr, {9, 10}, 0, 4104));
  SetInfo(object, Info(Id(1), 30));
  const PlasmaObject description = Describe(object, /*check_sealed=*/false);
  EXPECT_EQ(description.store_fd, Fd(9, 10));
  EXPECT_EQ(description.data_offset, 0);
  EXPECT_EQ(description.metadata_offset, 30);
  EXPECT_EQ(description.mmap_size, 4104);
  EXPECT_TRUE(description.fallback_allocated);
}

TEST_F(LocalObjectTest, DescribesAMutableObject) {
  const ptrdiff_t header = sizeof(ray::PlasmaObjectHeader);
  LocalObject object(DummyAllocator::Make(header + 30, false, nullptr, {7, 8}, 64, 4104));
  SetInfo(object, Info(Id(1), 20, 10, /*is_mutable=*/true));
  const PlasmaObject description = Describe(object, /*check_sealed=*/false);
  EXPECT_EQ(description.header_offset, 64);
  EXPECT_EQ(description.data_offset, 64 + header);
  EXPECT_EQ(description.metadata_offset, 64 + header + 20);
  EXPECT_EQ(description.data_size, 20);
  EXPECT_EQ(description.metadata_size, 10);
  EXPECT_EQ(description.allocated_size, 30);
  EXPECT_TRUE(description.is_experimental_mutable_object);
}

TEST_F(LocalObjectTest, DescriptionsAreEqualByteForByte) {
  LocalObject object(DummyAllocator::Make(30, false, nullptr, {7, 8}, 640, 65544));
  SetInfo(object, Info(Id(1), 20, 10));
  PlasmaObject first = Describe(object, false);
  PlasmaObject second = Describe(object, false);
  EXPECT_TRUE(first == second);
  second.data_size++;
  EXPECT_FALSE(first == second);
}

#ifndef NDEBUG
TEST_F(LocalObjectTest, ADescriptionThatHasToBeOfASealedObjectIs) {
  LocalObject object(DummyAllocator::Make(8));
  SetInfo(object, Info(Id(1), 8));
  PlasmaObject description;
  EXPECT_DEATH(object.ToPlasmaObject(&description, true), "Sealed");
  EXPECT_DEATH(object.ToPlasmaObject(nullptr, false), "object != nullptr");
}
#endif

}  // namespace
}  // namespace plasma
