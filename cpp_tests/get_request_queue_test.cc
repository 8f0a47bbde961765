// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The queue of gets: what is there at once, what comes, what times out, and clients that go.

#include "ray/object_manager/plasma/get_request_queue.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "queue_support.h"
#include "test_support.h"

namespace plasma {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::NobodyClient;

/// The name that the queue calls its friend.
struct GetRequestQueueTest : public testing::Test {
 protected:
  void Create(const ObjectID &id, int64_t size) {
    manager_.CreateObject(
        Info(id, size), flatbuf::ObjectSource::CreatedByWorker, /*fallback_allocator=*/true);
    manager_.AddReference(id);
  }

  void Seal(const ObjectID &id) {
    manager_.SealObject(id);
    queue_.MarkObjectSealed(id);
  }

  /// The names of gets are the ids that they asked for.
  static std::string NameOf(const std::shared_ptr<GetRequest> &request) {
    std::string name;
    for (const auto &id : request->object_ids_) {
      name += std::to_string(id.Data()[3]);
    }
    return name;
  }

  void RunFor(int milliseconds) {
    io_context_.restart();
    io_context_.run_for(std::chrono::milliseconds(milliseconds));
  }

  std::vector<std::shared_ptr<GetRequest>> WaitingFor(const ObjectID &id) {
    const auto found = queue_.object_get_requests_.find(id);
    return found == queue_.object_get_requests_.end()
               ? std::vector<std::shared_ptr<GetRequest>>()
               : found->second;
  }

  size_t NumWaited() const { return queue_.object_get_requests_.size(); }
  int64_t Count(const ObjectID &id) { return queue_.GetRequestCount(id); }
  bool Exists(const ObjectID &id) { return queue_.IsGetRequestExist(id); }
  void Remove(const std::shared_ptr<GetRequest> &request) { queue_.RemoveGetRequest(request); }
  size_t NumListed() const {
    size_t listed = 0;
    for (const auto &[id, requests] : queue_.object_get_requests_) {
      listed += requests.size();
    }
    return listed;
  }

  instrumented_io_context io_context_;
  DummyAllocator allocator_{100, 1000};
  ObjectLifecycleManager manager_{allocator_, [](const ObjectID &) {}};
  std::shared_ptr<ClientInterface> client_ = std::make_shared<NobodyClient>();
  std::shared_ptr<ClientInterface> other_ = std::make_shared<NobodyClient>();
  /// What the callbacks were told, one after the other.
  std::vector<std::string> told_;
  std::map<std::string, std::shared_ptr<GetRequest>> done_;
  GetRequestQueue queue_{
      io_context_,
      manager_,
      [this](const ObjectID &id, std::optional<MEMFD_TYPE> fd, const auto &request) {
        told_.push_back(NameOf(request) + " has " + std::to_string(id.Data()[3]) +
                        (fd.has_value() ? " on disk" : ""));
      },
      [this](const std::shared_ptr<GetRequest> &request) {
        told_.push_back(NameOf(request) + " done");
        done_[NameOf(request)] = request;
      }};
};

namespace {

using Told = std::vector<std::string>;

TEST_F(GetRequestQueueTest, WhatIsThereIsAnsweredAtOnce) {
  Create(Id(1), 10);
  Seal(Id(1));
  queue_.AddRequest(client_, {Id(1)}, -1);
  EXPECT_EQ(told_, (Told{"1 has 1", "1 done"}));
  EXPECT_EQ(done_["1"]->objects_[Id(1)].data_size, 10);
  EXPECT_EQ(done_["1"]->num_unique_objects_satisfied_, 1);
  EXPECT_EQ(done_["1"]->num_unique_objects_to_wait_for_, 1);
  EXPECT_TRUE(done_["1"]->IsRemoved());
  EXPECT_EQ(NumWaited(), 0u);
}

TEST_F(GetRequestQueueTest, NobodyWaitsWithoutTime) {
  Create(Id(1), 10);
  queue_.AddRequest(client_, {Id(1), Id(2)}, 0);
  EXPECT_EQ(told_, (Told{"12 done"}));
  EXPECT_EQ(done_["12"]->objects_[Id(1)].data_size, -1) << "not sealed";
  EXPECT_EQ(done_["12"]->objects_[Id(2)].data_size, -1);
  EXPECT_EQ(NumWaited(), 0u);
}

TEST_F(GetRequestQueueTest, ObjectsComeOneByOneAndGetsEndInTheirOrder) {
  Create(Id(1), 10);
  Create(Id(2), 20);
  queue_.AddRequest(client_, {Id(1), Id(2), Id(1)}, -1);
  queue_.AddRequest(other_, {Id(2)}, -1);
  EXPECT_EQ(Count(Id(1)), 1);
  EXPECT_EQ(Count(Id(2)), 2);
  EXPECT_EQ(Count(Id(3)), 0);
  EXPECT_EQ(NumWaited(), 2u);
  EXPECT_EQ(NumListed(), 3u);
  Seal(Id(2));
  EXPECT_EQ(told_, (Told{"121 has 2", "2 has 2", "2 done"}));
  EXPECT_FALSE(Exists(Id(2)));
  EXPECT_TRUE(Exists(Id(1)));
  Seal(Id(1));
  EXPECT_EQ(told_.back(), "121 done");
  EXPECT_EQ(done_["121"]->objects_.size(), 2u);
  EXPECT_EQ(NumWaited(), 0u);
}

TEST_F(GetRequestQueueTest, SealingWhatNobodyWaitsForTellsNobody) {
  queue_.MarkObjectSealed(Id(1));
  EXPECT_TRUE(told_.empty());
}

TEST_F(GetRequestQueueTest, TimeEndsAGetWithWhatIsThere) {
  Create(Id(1), 10);
  Create(Id(2), 20);
  queue_.AddRequest(client_, {Id(1), Id(2)}, 20);
  Seal(Id(1));
  RunFor(1000);
  EXPECT_EQ(told_, (Told{"12 has 1", "12 done"}));
  EXPECT_EQ(done_["12"]->objects_[Id(1)].data_size, 10);
  EXPECT_EQ(done_["12"]->objects_[Id(2)].data_size, -1);
  EXPECT_EQ(NumWaited(), 0u);
  Seal(Id(2));
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(GetRequestQueueTest, TheTimeOfAnAnsweredGetDoesNotCount) {
  Create(Id(1), 10);
  queue_.AddRequest(client_, {Id(1)}, 20);
  Seal(Id(1));
  RunFor(100);
  EXPECT_EQ(told_, (Told{"1 has 1", "1 done"}));
}

TEST_F(GetRequestQueueTest, FilesOfTheirOwnAreNamed) {
  Create(Id(1), 60);
  Create(Id(2), 60);
  Seal(Id(1));
  queue_.AddRequest(client_, {Id(1), Id(2)}, -1);
  Seal(Id(2));
  EXPECT_EQ(told_, (Told{"12 has 1", "12 has 2 on disk", "12 done"}));
}

TEST_F(GetRequestQueueTest, AClientMayHaveSeveralGetsAndGo) {
  queue_.AddRequest(client_, {Id(1), Id(2)}, -1);
  queue_.AddRequest(client_, {Id(2)}, 20);
  queue_.AddRequest(other_, {Id(2)}, -1);
  const auto first = WaitingFor(Id(1)).at(0);
  queue_.RemoveGetRequestsForClient(client_);
  EXPECT_TRUE(first->IsRemoved());
  EXPECT_FALSE(Exists(Id(1)));
  EXPECT_EQ(Count(Id(2)), 1);
  Remove(first);
  RunFor(100);
  EXPECT_TRUE(told_.empty());
  queue_.RemoveGetRequestsForClient(other_);
  EXPECT_EQ(NumWaited(), 0u);
}

TEST_F(GetRequestQueueTest, AGetKeepsItsClientNoLongerThanItWaits) {
  const std::weak_ptr<ClientInterface> watched = client_;
  queue_.AddRequest(client_, {Id(1)}, -1);
  client_.reset();
  EXPECT_FALSE(watched.expired());
  queue_.RemoveGetRequestsForClient(watched.lock());
  EXPECT_TRUE(watched.expired());
}

TEST(GetRequestQueueReentry, ACallbackMayCallTheQueue) {
  instrumented_io_context io_context;
  DummyAllocator allocator{100};
  ObjectLifecycleManager manager{allocator, [](const ObjectID &) {}};
  const auto client = std::make_shared<NobodyClient>();
  GetRequestQueue *calls = nullptr;
  int done = 0;
  GetRequestQueue queue(
      io_context,
      manager,
      [](const ObjectID &, std::optional<MEMFD_TYPE>, const auto &) {},
      [&](const std::shared_ptr<GetRequest> &) {
        if (++done == 1) {
          calls->AddRequest(client, {Id(9)}, 0);
          calls->AddRequest(client, {Id(9)}, -1);
          calls->RemoveGetRequestsForClient(client);
          calls->MarkObjectSealed(Id(9));
        }
      });
  calls = &queue;
  manager.CreateObject(Info(Id(1), 10), flatbuf::ObjectSource::CreatedByWorker, false);
  manager.SealObject(Id(1));
  queue.AddRequest(std::make_shared<NobodyClient>(), {Id(1)}, -1);
  EXPECT_EQ(done, 2) << "the first, and the one that did not wait";
}

}  // namespace
}  // namespace plasma
