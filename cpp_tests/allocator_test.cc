// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// allocator.h: an allocator can come from C++, as a class or as a mock, and all that our store and our
// manager ask of it is what the interface says.

#include "ray/object_manager/plasma/allocator.h"

#include <memory>
#include <type_traits>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/object_store.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {
namespace {

using plasma_tests::Fd;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kMiB;
using ::testing::AnyNumber;
using ::testing::ByMove;
using ::testing::Field;
using ::testing::InSequence;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::StrictMock;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;

static_assert(std::is_abstract_v<IAllocator>);
static_assert(std::has_virtual_destructor_v<IAllocator>);
static_assert(std::is_base_of_v<IAllocator, PlasmaAllocator>);

std::optional<Allocation> Some(int64_t size, void *address, bool fallback = false) {
  return DummyAllocator::Make(size, fallback, address);
}

TEST(IAllocatorTest, IsDestroyedThroughItsInterface) {
  static bool destroyed;
  struct Observed : public DummyAllocator {
    Observed() : DummyAllocator(1) {}
    ~Observed() override { destroyed = true; }
  };
  destroyed = false;
  std::unique_ptr<IAllocator> allocator = std::make_unique<Observed>();
  allocator.reset();
  EXPECT_TRUE(destroyed);
}

TEST(IAllocatorTest, AStoreAllocatesOnceForEachObjectAndFreesTheSameMemory) {
  StrictMock<MockAllocator> allocator;
  ObjectStore store(allocator);
  char primary = 0;
  char fallback = 0;
  {
    InSequence in_this_order;
    EXPECT_CALL(allocator, Allocate(13)).WillOnce(Return(ByMove(Some(13, &primary))));
    EXPECT_CALL(allocator, FallbackAllocate(20))
        .WillOnce(Return(ByMove(Some(20, &fallback, true))));
    EXPECT_CALL(allocator, Free(Field(&Allocation::address_, &fallback)));
    EXPECT_CALL(allocator, Free(Field(&Allocation::address_, &primary)));
  }
  const LocalObject *first = store.CreateObject(Info(Id(1), 10, 3), kWorker, false);
  const LocalObject *second = store.CreateObject(Info(Id(2), 20), kWorker, true);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_FALSE(first->GetAllocation().fallback_allocated_);
  EXPECT_TRUE(second->GetAllocation().fallback_allocated_);
  EXPECT_TRUE(store.DeleteObject(Id(2)));
  EXPECT_TRUE(store.DeleteObject(Id(1)));
}

TEST(IAllocatorTest, EveryFieldOfAnAllocationCrossesTheBorderAndComesBack) {
  StrictMock<MockAllocator> allocator;
  ObjectStore store(allocator);
  char memory = 0;
  EXPECT_CALL(allocator, Allocate(1))
      .WillOnce(Return(ByMove(std::optional<Allocation>(
          DummyAllocator::Make(1, true, &memory, {77, 1LL << 40}, 1LL << 41, 1LL << 42)))));
  const LocalObject *object = store.CreateObject(Info(Id(1), 1), kWorker, false);
  ASSERT_NE(object, nullptr);
  const auto expect_same = [&memory](const Allocation &allocation) {
    EXPECT_EQ(allocation.address_, &memory);
    EXPECT_EQ(allocation.size_, 1);
    EXPECT_EQ(allocation.fd_, Fd(77, 1LL << 40));
    EXPECT_EQ(allocation.offset_, 1LL << 41);
    EXPECT_EQ(allocation.device_num_, 0);
    EXPECT_EQ(allocation.mmap_size_, 1LL << 42);
    EXPECT_TRUE(allocation.fallback_allocated_);
  };
  expect_same(object->GetAllocation());
  EXPECT_CALL(allocator, Free).WillOnce([&](Allocation freed) { expect_same(freed); });
  EXPECT_TRUE(store.DeleteObject(Id(1)));
}

TEST(IAllocatorTest, AStoreThatGetsNothingHasNoObject) {
  StrictMock<MockAllocator> allocator;
  ObjectStore store(allocator);
  EXPECT_CALL(allocator, Allocate(10)).WillOnce(Return(ByMove(std::nullopt)));
  EXPECT_CALL(allocator, FallbackAllocate(10)).WillOnce(Return(ByMove(std::nullopt)));
  EXPECT_EQ(store.CreateObject(Info(Id(1), 10), kWorker, false), nullptr);
  EXPECT_EQ(store.CreateObject(Info(Id(1), 10), kWorker, true), nullptr);
  EXPECT_EQ(store.GetObject(Id(1)), nullptr);
}

TEST(IAllocatorTest, AStoreThatGoesFreesNothing) {
  StrictMock<MockAllocator> allocator;
  char memory = 0;
  EXPECT_CALL(allocator, Allocate(10)).WillOnce(Return(ByMove(Some(10, &memory))));
  ObjectStore store(allocator);
  EXPECT_NE(store.CreateObject(Info(Id(1), 10), kWorker, false), nullptr);
}

struct ManagerOverMockTest : public ::testing::Test {
  ManagerOverMockTest() {
    EXPECT_CALL(allocator_, GetFootprintLimit()).Times(AnyNumber()).WillRepeatedly(Return(100));
    EXPECT_CALL(allocator_, Allocated()).Times(AnyNumber()).WillRepeatedly([this]() {
      return allocated_;
    });
    manager_ = std::make_unique<ObjectLifecycleManager>(
        allocator_, [this](const ObjectID &id) { deleted_.push_back(id); });
  }

  StrictMock<MockAllocator> allocator_;
  int64_t allocated_ = 0;
  std::vector<ObjectID> deleted_;
  std::unique_ptr<ObjectLifecycleManager> manager_;
  char memory_[4];
};

TEST_F(ManagerOverMockTest, TriesElevenTimesWhileThereShouldBeRoom) {
  EXPECT_CALL(allocator_, Allocate(10)).Times(11).WillRepeatedly([](size_t) {
    return std::nullopt;
  });
  const auto created = manager_->CreateObject(Info(Id(1), 10), kWorker, false);
  EXPECT_EQ(created.first, nullptr);
  EXPECT_EQ(created.second, flatbuf::PlasmaError::OutOfMemory);
  EXPECT_EQ(manager_->GetNumObjectsCreatedTotal(), 0);
}

TEST_F(ManagerOverMockTest, FallsBackOnceWhenThatIsAllowed) {
  InSequence in_this_order;
  EXPECT_CALL(allocator_, Allocate(10)).Times(11).WillRepeatedly([](size_t) {
    return std::nullopt;
  });
  EXPECT_CALL(allocator_, FallbackAllocate(10))
      .WillOnce(Return(ByMove(Some(10, &memory_[0], true))));
  const auto created = manager_->CreateObject(Info(Id(1), 10), kWorker, true);
  ASSERT_NE(created.first, nullptr);
  EXPECT_EQ(created.second, flatbuf::PlasmaError::OK);
  EXPECT_TRUE(created.first->GetAllocation().fallback_allocated_);
}

TEST_F(ManagerOverMockTest, GivesUpWhenTheFallbackIsFullToo) {
  EXPECT_CALL(allocator_, Allocate(10)).Times(11).WillRepeatedly([](size_t) {
    return std::nullopt;
  });
  EXPECT_CALL(allocator_, FallbackAllocate(10)).WillOnce(Return(ByMove(std::nullopt)));
  const auto created = manager_->CreateObject(Info(Id(1), 10), kWorker, true);
  EXPECT_EQ(created.first, nullptr);
  EXPECT_EQ(created.second, flatbuf::PlasmaError::OutOfMemory);
}

TEST_F(ManagerOverMockTest, StopsAfterOneTryWhenEvictionCannotMakeRoom) {
  allocated_ = 95;
  EXPECT_CALL(allocator_, Allocate(10)).WillOnce(Return(ByMove(std::nullopt)));
  EXPECT_EQ(manager_->CreateObject(Info(Id(1), 10), kWorker, false).second,
            flatbuf::PlasmaError::OutOfMemory);
}

TEST_F(ManagerOverMockTest, EvictsAndTriesAgain) {
  EXPECT_CALL(allocator_, Allocate(60)).WillOnce(Return(ByMove(Some(60, &memory_[0]))));
  ASSERT_NE(manager_->CreateObject(Info(Id(1), 60), kWorker, false).first, nullptr);
  ASSERT_NE(manager_->SealObject(Id(1)), nullptr);
  allocated_ = 60;
  InSequence in_this_order;
  EXPECT_CALL(allocator_, Allocate(50)).WillOnce(Return(ByMove(std::nullopt)));
  EXPECT_CALL(allocator_, Free(Field(&Allocation::address_, &memory_[0])))
      .WillOnce([this](Allocation) { allocated_ = 0; });
  EXPECT_CALL(allocator_, Allocate(50)).WillOnce(Return(ByMove(Some(50, &memory_[1]))));
  EXPECT_NE(manager_->CreateObject(Info(Id(2), 50), kWorker, false).first, nullptr);
  EXPECT_THAT(deleted_, ::testing::ElementsAre(Id(1)));
}

TEST_F(ManagerOverMockTest, FreesWhatIsAbortedAndDeleted) {
  EXPECT_CALL(allocator_, Allocate(10))
      .WillOnce(Return(ByMove(Some(10, &memory_[0]))))
      .WillOnce(Return(ByMove(Some(10, &memory_[1]))));
  manager_->CreateObject(Info(Id(1), 10), kWorker, false);
  manager_->CreateObject(Info(Id(2), 10), kWorker, false);
  manager_->SealObject(Id(2));
  EXPECT_CALL(allocator_, Free(Field(&Allocation::address_, &memory_[0])));
  EXPECT_EQ(manager_->AbortObject(Id(1)), flatbuf::PlasmaError::OK);
  EXPECT_CALL(allocator_, Free(Field(&Allocation::address_, &memory_[1])));
  EXPECT_EQ(manager_->DeleteObject(Id(2)), flatbuf::PlasmaError::OK);
  EXPECT_THAT(deleted_, ::testing::ElementsAre(Id(2)));
}

/// A PlasmaAllocator of somebody's own: its overrides have to be called, not ours behind them.
class CountingAllocator : public PlasmaAllocator {
 public:
  using PlasmaAllocator::PlasmaAllocator;

  std::optional<Allocation> Allocate(size_t bytes) override {
    allocate_calls_++;
    return refuse_ ? std::nullopt : PlasmaAllocator::Allocate(bytes);
  }
  std::optional<Allocation> FallbackAllocate(size_t bytes) override {
    fallback_calls_++;
    return PlasmaAllocator::FallbackAllocate(bytes);
  }
  void Free(Allocation allocation) override {
    free_calls_++;
    PlasmaAllocator::Free(std::move(allocation));
  }
  int64_t GetFootprintLimit() const override {
    limit_calls_++;
    return PlasmaAllocator::GetFootprintLimit();
  }
  int64_t Allocated() const override {
    allocated_calls_++;
    return PlasmaAllocator::Allocated();
  }

  bool refuse_ = false;
  int allocate_calls_ = 0;
  int fallback_calls_ = 0;
  int free_calls_ = 0;
  mutable int limit_calls_ = 0;
  mutable int allocated_calls_ = 0;
};

TEST(DerivedAllocatorTest, ItsOverridesAreCalledByAStore) {
  CountingAllocator allocator(plasma_tests::SharedMemory(), "/tmp", false, kMiB);
  {
    ObjectStore store(allocator);
    ASSERT_NE(store.CreateObject(Info(Id(1), 10), kWorker, false), nullptr);
    ASSERT_NE(store.CreateObject(Info(Id(2), 10), kWorker, true), nullptr);
    EXPECT_TRUE(store.DeleteObject(Id(1)));
    EXPECT_TRUE(store.DeleteObject(Id(2)));
  }
  EXPECT_EQ(allocator.allocate_calls_, 1);
  EXPECT_EQ(allocator.fallback_calls_, 1);
  EXPECT_EQ(allocator.free_calls_, 2);
  EXPECT_EQ(allocator.Allocated(), 0);
}

TEST(DerivedAllocatorTest, ItsOverridesAreCalledByAManager) {
  CountingAllocator allocator(plasma_tests::SharedMemory(), "/tmp", false, kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  EXPECT_GT(allocator.limit_calls_, 0);
  allocator.refuse_ = true;
  EXPECT_EQ(manager.CreateObject(Info(Id(1), 10), kWorker, false).second,
            flatbuf::PlasmaError::OutOfMemory);
  EXPECT_EQ(allocator.allocate_calls_, 11);
  EXPECT_GT(allocator.allocated_calls_, 0);
  EXPECT_EQ(manager.CreateObject(Info(Id(1), 10), kWorker, true).second,
            flatbuf::PlasmaError::OK);
  EXPECT_EQ(allocator.fallback_calls_, 1);
  EXPECT_EQ(manager.AbortObject(Id(1)), flatbuf::PlasmaError::OK);
  EXPECT_EQ(allocator.free_calls_, 1);
}

}  // namespace
}  // namespace plasma
