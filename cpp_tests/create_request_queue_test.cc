// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The queue of creations: order, results, grace period, spilling, disks that are full, clients that go.

#include "ray/object_manager/plasma/create_request_queue.h"

#include <functional>
#include <memory>

#include "queue_support.h"
#include "test_support.h"

namespace plasma {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::NobodyClient;

constexpr int64_t kSecond = 1000000000;

/// The name that the queue calls its friend.
class CreateRequestQueueTest : public testing::Test {
 protected:
  /// A callback that has room for objects of so many bytes.
  CreateRequestQueue::CreateObjectCallback Object(int64_t size) {
    return [this, size](bool fallback, PlasmaObject *object) {
      tries_++;
      int64_t &room = fallback ? disk_ : room_;
      if (size > room) {
        return PlasmaError::OutOfMemory;
      }
      room -= size;
      object->data_size = size;
      object->fallback_allocated = fallback;
      return PlasmaError::OK;
    };
  }

  uint64_t Add(const std::shared_ptr<ClientInterface> &client, int64_t size) {
    return queue_->AddRequest(Id(1), client, Object(size), static_cast<size_t>(size));
  }

  /// The size of the object; -1 while it waits, minus 100 and the number of the error otherwise.
  int64_t Result(uint64_t request) {
    PlasmaObject object = {};
    PlasmaError error = PlasmaError::OK;
    if (!queue_->GetRequestResult(request, &object, &error)) {
      return -1;
    }
    fallback_ = object.fallback_allocated;
    return error == PlasmaError::OK ? object.data_size : -100 - static_cast<int64_t>(error);
  }

  static int64_t Error(PlasmaError error) { return -100 - static_cast<int64_t>(error); }

  void Make(ray::FileSystemMonitor &monitor, int64_t grace_s) {
    queue_ = std::make_unique<CreateRequestQueue>(
        monitor,
        grace_s,
        [this] {
          spills_++;
          return spilling_;
        },
        [this] { collections_++; },
        [this] { return now_; },
        [this] {
          dumps_++;
          return std::to_string(queue_->NumPendingRequests());
        });
  }

  void SetUp() override { Make(never_full_, 2); }

  void ExpectNothingLeft() {
    EXPECT_TRUE(queue_->queue_.empty());
    EXPECT_TRUE(queue_->fulfilled_requests_.empty());
    EXPECT_EQ(queue_->NumPendingBytes(), 0u);
  }

  bool IsKnown(uint64_t request) const { return queue_->fulfilled_requests_.contains(request); }
  size_t NumKnown() const { return queue_->fulfilled_requests_.size(); }

  ray::FileSystemMonitor never_full_;
  std::shared_ptr<ClientInterface> client_ = std::make_shared<NobodyClient>();
  std::shared_ptr<ClientInterface> other_ = std::make_shared<NobodyClient>();
  std::unique_ptr<CreateRequestQueue> queue_;
  int64_t room_ = 0;
  int64_t disk_ = 0;
  int64_t now_ = 0;
  bool spilling_ = false;
  bool fallback_ = false;
  int tries_ = 0;
  int spills_ = 0;
  int collections_ = 0;
  int dumps_ = 0;
};

namespace {

TEST_F(CreateRequestQueueTest, NothingHappensBeforeProcessing) {
  room_ = 100;
  const auto first = Add(client_, 10);
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(Add(client_, 20), 2u);
  EXPECT_EQ(queue_->NumPendingRequests(), 2u);
  EXPECT_EQ(queue_->NumPendingBytes(), 30u);
  EXPECT_EQ(Result(first), -1);
  EXPECT_EQ(tries_, 0);
}

TEST_F(CreateRequestQueueTest, ResultsAreTakenOnce) {
  room_ = 100;
  const auto first = Add(client_, 10);
  const auto second = Add(other_, 20);
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(queue_->NumPendingRequests(), 0u);
  EXPECT_EQ(NumKnown(), 2u);
  EXPECT_EQ(Result(second), 20);
  EXPECT_EQ(Result(first), 10);
  EXPECT_EQ(Result(first), Error(PlasmaError::UnexpectedError));
  EXPECT_EQ(Result(999), Error(PlasmaError::UnexpectedError));
  EXPECT_EQ(collections_ + spills_ + dumps_, 0);
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, ErrorsButOutOfMemoryEndARequest) {
  const auto fails = [](PlasmaError error) {
    return [error](bool, PlasmaObject *) { return error; };
  };
  for (const auto error : {PlasmaError::ObjectExists, PlasmaError::UnexpectedError}) {
    const auto request = queue_->AddRequest(Id(1), client_, fails(error), 5);
    EXPECT_TRUE(queue_->ProcessRequests().ok());
    EXPECT_EQ(Result(request), Error(error));
  }
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, TheHeadBlocksSmallerOnes) {
  room_ = 10;
  const auto large = Add(client_, 20);
  const auto small = Add(other_, 1);
  EXPECT_TRUE(queue_->ProcessRequests().IsObjectStoreFull());
  EXPECT_EQ(Result(large), -1);
  EXPECT_EQ(Result(small), -1);
  EXPECT_EQ(tries_, 1);
  EXPECT_EQ(collections_, 1);
  EXPECT_EQ(spills_, 1);
  room_ = 21;
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(Result(large), 20);
  EXPECT_EQ(Result(small), 1);
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, SpillingRestartsTheGracePeriod) {
  disk_ = 100;
  const auto request = Add(client_, 20);
  EXPECT_TRUE(queue_->ProcessRequests().IsObjectStoreFull());
  now_ = 1 * kSecond;
  spilling_ = true;
  EXPECT_TRUE(queue_->ProcessRequests().IsTransientObjectStoreFull());
  now_ = 5 * kSecond;
  spilling_ = false;
  EXPECT_TRUE(queue_->ProcessRequests().IsObjectStoreFull());
  now_ = 7 * kSecond - 1;
  EXPECT_TRUE(queue_->ProcessRequests().IsObjectStoreFull());
  EXPECT_EQ(Result(request), -1);
  now_ = 7 * kSecond;
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(Result(request), 20);
  EXPECT_TRUE(fallback_);
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, WhatFitsNowhereIsOutOfDisk) {
  Make(never_full_, 0);
  const auto first = Add(client_, 20);
  const auto second = Add(client_, 30);
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(Result(first), Error(PlasmaError::OutOfDisk));
  EXPECT_EQ(Result(second), Error(PlasmaError::OutOfDisk));
  EXPECT_EQ(dumps_, 1) << "once a round";
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, AFullDiskRefusesOneAfterTheOther) {
  ray::FileSystemMonitor always_full({"/"}, 0.0);
  Make(always_full, 0);
  disk_ = 100;
  const auto first = Add(client_, 20);
  const auto second = Add(client_, 30);
  EXPECT_TRUE(queue_->ProcessRequests().IsOutOfDisk());
  EXPECT_EQ(Result(first), Error(PlasmaError::OutOfDisk));
  EXPECT_EQ(Result(second), -1);
  EXPECT_EQ(spills_, 0);
  room_ = 30;
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(Result(second), 30);
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, AClientThatGoesLeavesNothing) {
  room_ = 10;
  const auto done = Add(client_, 10);
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  const auto head = Add(client_, 20);
  const auto waits = Add(other_, 5);
  EXPECT_TRUE(queue_->ProcessRequests().IsObjectStoreFull());
  queue_->RemoveDisconnectedClientRequests(client_);
  EXPECT_FALSE(IsKnown(done));
  EXPECT_FALSE(IsKnown(head));
  EXPECT_EQ(queue_->NumPendingBytes(), 5u);
  room_ = 5;
  EXPECT_TRUE(queue_->ProcessRequests().ok());
  EXPECT_EQ(Result(waits), 5);
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, AClientIsKeptAsLongAsItsRequest) {
  const std::weak_ptr<ClientInterface> watched = client_;
  Add(client_, 20);
  client_.reset();
  EXPECT_FALSE(watched.expired());
  queue_->RemoveDisconnectedClientRequests(watched.lock());
  EXPECT_TRUE(watched.expired());
  ExpectNothingLeft();
}

TEST_F(CreateRequestQueueTest, AtOnceGoesPastTheQueue) {
  room_ = 10;
  Add(client_, 20);
  disk_ = 5;
  auto [object, error] = queue_->TryRequestImmediately(Id(2), client_, Object(5), 5);
  EXPECT_EQ(error, PlasmaError::OK);
  EXPECT_EQ(object.data_size, 5);
  EXPECT_TRUE(object.fallback_allocated);
  EXPECT_EQ(queue_->TryRequestImmediately(Id(2), client_, Object(5), 5).second,
            PlasmaError::OutOfMemory);
  EXPECT_EQ(queue_->NumPendingRequests(), 1u);
}

}  // namespace
}  // namespace plasma
